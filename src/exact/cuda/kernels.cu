// The exact network on a GPU: the same integers as src/exact/scalar.rs, bit for bit.
//
// A warp takes a tile of 16 lines. Quad g of its lanes (lanes 4g to 4g + 3) has lines g and g + 8, and lane
// t of a quad owns the features i with i mod 4 = t: its partial sum is the definition's part t, and two
// shuffles add the four parts in the definition's order. Products go to the tensor cores
// (mma.m16n8k32, int8). Which input has which k and which output which column is ours to choose, since
// integer sums have no order, so the host packs the weights such that a lane feeds in the features that
// it owns and gets out the features that it owns: between two products no lane needs another's numbers.
// Only attention, where a lane takes whole heads, exchanges rows, through the warp's shared memory.
// docs/gpu.md has the reasons and the arithmetic.
//
// Every binary32 operation is one of the __f*_rn intrinsics, which are never fused. Integers become floats and
// floats integers by adding 1.5 * 2^23: exact below 2^22, as the host checks, and at the full rate.
//
// kernels.ptx is made from this file by build.sh; tests hold the two together. tests/cuda/ compiles the
// file for the CPU.

#ifdef __CUDACC__
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
#define SHARED(name) extern __shared__ __align__(16) u8 name[]

// c += a * b of int8: a is (16 lines, 32 inputs), b (32 inputs, 8 outputs).
__device__ __forceinline__ void mma(int (&c)[4], u32 a0, u32 a1, u32 a2, u32 a3, uint2 b) {
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b.x), "r"(b.y));
}

// c + the products of four unsigned bytes with four signed ones.
__device__ __forceinline__ int dot_unsigned(u32 a, u32 b, int c) {
    int d;
    asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
}
#else
#include "on_cpu.h"
#endif

static const u32 ALL = 0xffffffffu;
static const float MAGIC = 12582912.0f; // 1.5 * 2^23
static const u32 MAGIC_BITS = 0x4b400000u;
static const float SCALE_FLOOR = 1e-20f;
static const float LOWEST = -3.40282347e38f;
static const int LINES = 16; // of a warp
static const u32 SLOTS = 1u << 20;
static const u32 IDLE = 0xffffffffu;

// How four lanes' sums become outputs: two outputs of each. The sums start at 1.5 * 2^23 as bits, less what
// the activations' zero adds.
struct Outputs { int2 start; float2 scale; float2 bias; };

// Where a layer's products are in the model's bytes: fragments of weights, then Outputs.
struct Layer {
    u32 qkv, qkv_outputs, projection, projection_outputs, expand, expand_outputs, contract, contract_outputs;
    u32 hidden;      // hidden units, a multiple of 4
    u32 tiles;       // tiles of 8 of them
    u32 chunks;      // chunks of 32 of them
    int clamp, shift;
    int c[5];        // GELU's coefficients; from the second on times 2^15, and 2^14 more
    float unit;      // 32768 / 2^places
    u32 unused;
};

// A model's bytes and where things are in them.
struct Model {
    const u8* bytes;
    u32 staged;      // bytes in front that go to shared memory, where they fit
    u32 warp_bytes;  // shared memory of a warp
    u32 layers, block, vocab, stride;
    u32 head, head_outputs;
    u32 streams, queries, seen; // tables by position and token
    float softmax;
};

// What the layers behind the first remember of a tile, and the tokens, which are what the first remembers.
struct Memory {
    u8* cache;       // (layers - 1, block) of Net::POSITION bytes
    const u8* tokens; // (block, 16)
};

__device__ __forceinline__ float add(float a, float b) { return __fadd_rn(a, b); }
__device__ __forceinline__ float sub(float a, float b) { return __fadd_rn(a, -b); }
__device__ __forceinline__ float mul(float a, float b) { return __fmul_rn(a, b); }
__device__ __forceinline__ float larger(float a, float b) { return b > a ? b : a; }
__device__ __forceinline__ float small_float(int i) { return sub(__uint_as_float((u32)i + MAGIC_BITS), MAGIC); }
// The integer nearest to x, ties to even, in the low bits.
__device__ __forceinline__ u32 rounded(float x) { return __float_as_uint(add(x, MAGIC)); }

__device__ __forceinline__ float quad_sum(float p) {
    p = add(p, __shfl_xor_sync(ALL, p, 1));
    return add(p, __shfl_xor_sync(ALL, p, 2));
}

__device__ __forceinline__ float quad_max(float m) {
    m = larger(m, __shfl_xor_sync(ALL, m, 1));
    return larger(m, __shfl_xor_sync(ALL, m, 2));
}

// The low bytes of four words.
__device__ __forceinline__ u32 pack(u32 a, u32 b, u32 c, u32 d) {
    return __byte_perm(__byte_perm(a, b, 0x0040), __byte_perm(c, d, 0x0040), 0x5410);
}

template <int N>
__device__ __forceinline__ float exp2_of(float x, const float (&c)[N]) {
    x = x > -126.0f ? x : -126.0f;
    float shifted = add(x, MAGIC);
    float f = sub(x, sub(shifted, MAGIC));
    float p = c[N - 1];
#pragma unroll
    for (int i = N - 2; i >= 0; i--) p = add(mul(p, f), c[i]);
    return __uint_as_float(__float_as_uint(p) + (__float_as_uint(shifted) << 23));
}

__device__ __forceinline__ float exp2_coarse(float x) {
    const float c[3] = {1.0004431f, 0.703448f, 0.23842894f};
    return exp2_of(x, c);
}

__device__ __forceinline__ float exp2_fine(float x) {
    const float c[6] = {1.0000001f, 0.69314694f, 0.2402212f, 0.05550713f, 0.009675541f, 0.0013276472f};
    return exp2_of(x, c);
}

// N words that are N words aligned, up to four.
template <int N> struct Words { u32 w[N]; };
__device__ __forceinline__ void load(Words<1>& to, const u8* from) { to.w[0] = *(const u32*)from; }
__device__ __forceinline__ void load(Words<2>& to, const u8* from) {
    uint2 v = *(const uint2*)from;
    to.w[0] = v.x, to.w[1] = v.y;
}
template <int N> __device__ __forceinline__ void load(Words<N>& to, const u8* from) {
#pragma unroll
    for (int i = 0; i < N; i += 4) {
        uint4 v = *(const uint4*)(from + 4 * i);
        to.w[i] = v.x, to.w[i + 1] = v.y, to.w[i + 2] = v.z, to.w[i + 3] = v.w;
    }
}

// A row of the residual stream without its mean, and 1 / sqrt(variance + epsilon).
struct Centred {
    float mean, rstd, max;

    template <int F> __device__ __forceinline__ void measure(const float (&x)[F]) {
        float sum = 0.0f;
#pragma unroll
        for (int j = 0; j < F; j++) sum = add(sum, x[j]);
        mean = __fdiv_rn(quad_sum(sum), 4.0f * F);
        float squares = 0.0f;
        max = SCALE_FLOOR;
#pragma unroll
        for (int j = 0; j < F; j++) {
            float d = sub(x[j], mean);
            squares = add(squares, mul(d, d));
            max = larger(max, fabsf(d));
        }
        float variance = __fdiv_rn(quad_sum(squares), 4.0f * F);
        rstd = __fdiv_rn(1.0f, __fsqrt_rn(add(variance, 1e-5f)));
        max = quad_max(max);
    }
};

template <int W_, int H_> struct Net {
    static const int W = W_;               // features
    static const int H = H_;               // heads
    static const int F = W / 4;            // features of a lane
    static const int D = W / H;            // features of a head
    static const int Q = D / 4;            // of them a lane's
    static const int CHUNKS = (W + 31) / 32;
    static const bool STAGED = W <= 48;    // weights in shared memory
    static const int GROUP = D < 8 ? 8 : D; // features that are rounded at a time, whole heads
    static const int MIXED = 8 * D + 8;    // floats of a head's mixed values, all quads
    static const int POSITION = LINES * (2 * W + 8 * H); // bytes of the cache
    static const int SEEN = (2 * W + 8 * H + 15) / 16 * 16; // bytes of a row of the tables
    static const int QUERY = (W + 4 * H + 15) / 16 * 16;
    static const int BLOCKED = W / 8 <= 6 ? W / 8 : 4; // output tiles that share their inputs
};

// A lane's rounded inputs of a product, of its two lines, and their scales.
template <class N> struct Inputs {
    u32 a[2][2 * N::CHUNKS];
    float scale[2];

    // 64 + x * (63 / max), rounded, of what `x` gives.
    template <class X> __device__ __forceinline__ void round_row(int r, float max, X x) {
        float factor = __fdiv_rn(63.0f, max);
#pragma unroll
        for (int w = 0; w < 2 * N::CHUNKS; w++) {
            a[r][w] = 0;
            if (4 * w < N::F) {
                u32 b[4];
#pragma unroll
                for (int i = 0; i < 4; i++)
                    b[i] = __float_as_uint(add(mul(x(4 * w + i), factor), MAGIC + 64.0f));
                a[r][w] = pack(b[0], b[1], b[2], b[3]);
            }
        }
        scale[r] = __fdiv_rn(max, 63.0f);
    }

    __device__ __forceinline__ void norm(const float (&x)[2][N::F]) {
#pragma unroll
        for (int r = 0; r < 2; r++) {
            Centred c;
            c.measure(x[r]);
            round_row(r, c.max, [&](int j) { return sub(x[r][j], c.mean); });
            scale[r] = mul(scale[r], c.rstd);
        }
    }

    // A tile of 8 outputs: y[r][e] is output 8 * tile + 4e + t of line r.
    __device__ __forceinline__ void product(const u8* weights, const u8* outputs, int tile, int lane,
                                            float (&y)[2][2]) const {
        Outputs o = ((const Outputs*)outputs)[4 * tile + lane % 4];
        int c[4] = {o.start.x, o.start.y, o.start.x, o.start.y};
        const uint2* b = (const uint2*)weights + tile * N::CHUNKS * 32 + lane;
#pragma unroll
        for (int k = 0; k < N::CHUNKS; k++)
            mma(c, a[0][2 * k], a[1][2 * k], a[0][2 * k + 1], a[1][2 * k + 1], b[32 * k]);
        finish(o, c, scale, y);
    }

    static __device__ __forceinline__ void finish(const Outputs& o, const int (&c)[4], const float (&scale)[2],
                                                  float (&y)[2][2]) {
#pragma unroll
        for (int r = 0; r < 2; r++) {
            float s0 = sub(__uint_as_float((u32)c[2 * r]), MAGIC);
            float s1 = sub(__uint_as_float((u32)c[2 * r + 1]), MAGIC);
            y[r][0] = add(mul(mul(s0, o.scale.x), scale[r]), o.bias.x);
            y[r][1] = add(mul(mul(s1, o.scale.y), scale[r]), o.bias.y);
        }
    }
};

// Where attention finds queries, keys and values of a line and head. Within a head, byte Q * t + m is
// feature 4m + t: what lane t of a quad made stands together.
template <class N> struct Attended {
    u8* scratch; // scores (block, 32 lanes); mixed; queries (16, W); their scales (16, H)
    u32 block;
    int lane;

    __device__ float* scores() const { return (float*)scratch; }
    __device__ float* mixed() const { return scores() + 32 * block; }
    __device__ u8* queries() const { return (u8*)(mixed() + 2 * N::H * N::MIXED); }
    __device__ float* query_scales() const { return (float*)(queries() + LINES * N::W); }

    // Rounds a part of queries, keys or values, whole heads of both lines: lane t's bytes go to `rows`, a
    // head's scale, times `factor`, to `scales`.
    __device__ __forceinline__ void round_heads(const float (&y)[2][N::GROUP / 4], int first_head, float limit,
                                                float factor, u8* rows, float* scales) const {
        int g = lane / 4, t = lane % 4;
#pragma unroll
        for (int r = 0; r < 2; r++) {
#pragma unroll
            for (int i = 0; i < N::GROUP / N::D; i++) {
                int at = (8 * r + g) * N::H + first_head + i;
                float max = SCALE_FLOOR;
#pragma unroll
                for (int m = 0; m < N::Q; m++) max = larger(max, fabsf(y[r][i * N::Q + m]));
                max = quad_max(max);
                float f = __fdiv_rn(limit, max);
                u32 b[N::Q];
#pragma unroll
                for (int m = 0; m < N::Q; m++) b[m] = rounded(mul(y[r][i * N::Q + m], f));
                u8* to = rows + at * N::D + t * N::Q;
                if (N::Q == 1) *to = (u8)b[0];
                if (N::Q == 2) *(u16*)to = (u16)__byte_perm(b[0], b[N::Q - 1], 0x0040);
#pragma unroll
                for (int m = 0; m + 3 < N::Q; m += 4)
                    *(u32*)(to + m) = pack(b[m], b[m + 1], b[m + 2], b[m + 3]);
                if (t == 0) scales[at] = mul(__fdiv_rn(max, limit), factor);
            }
        }
    }

    // Queries, keys and values of a layer behind the first; `now` is the position in its cache.
    __device__ __forceinline__ void project(const u8* weights, const u8* outputs, const Inputs<N>& in, float softmax,
                                            u8* now) const {
        const int tiles = N::GROUP / 8;
        float* key_scales = (float*)(now + 2 * LINES * N::W);
        for (int group = 0; group < 3 * N::W / N::GROUP; group++) {
            float y[2][N::GROUP / 4];
#pragma unroll
            for (int i = 0; i < tiles; i++) {
                float two[2][2];
                in.product(weights, outputs, group * tiles + i, lane, two);
#pragma unroll
                for (int r = 0; r < 2; r++) y[r][2 * i] = two[r][0], y[r][2 * i + 1] = two[r][1];
            }
            int part = group / (N::W / N::GROUP), head = group % (N::W / N::GROUP) * (N::GROUP / N::D);
            if (part == 0)
                round_heads(y, head, 63.0f, softmax, queries(), query_scales());
            else
                round_heads(y, head, part == 1 ? 63.0f : 127.0f, 1.0f, now + (part - 1) * LINES * N::W,
                            key_scales + (part - 1) * LINES * N::H);
            __syncwarp(); // products need all lanes together, and lanes 4g alone wrote scales
        }
    }

    // Mixes one head of one line over the positions up to `position`. `base` is what was seen of position
    // 0, `step` bytes before that of position 1; of a table, `tokens` choose the row.
    __device__ __forceinline__ void mix(int r, int h, u32 position, const u8* query, float query_scale, const u8* base,
                                        u32 step, const u8* tokens) const {
        int g = lane / 4, line = 8 * r + g;
        // Within a position's bytes: keys, values, scales of keys, scales of values.
        u32 rows = tokens ? 1 : LINES, own = tokens ? 0 : line;
        u32 key = own * N::W + h * N::D, value = key + rows * N::W;
        u32 key_scale = 2 * rows * N::W + 4 * (own * N::H + h), value_scale = key_scale + 4 * rows * N::H;
        auto seen = [&](u32 j) -> const u8* {
            return base + (size_t)j * step + (tokens ? tokens[j * LINES + line] * N::SEEN : 0);
        };
        Words<N::Q> q;
        load(q, query);
        float* score = scores() + lane;
        float top = LOWEST;
#pragma unroll 2
        for (u32 j = 0; j <= position; j++) {
            const u8* at = seen(j);
            Words<N::Q> k;
            load(k, at + key);
            int dot = 0;
#pragma unroll
            for (int w = 0; w < N::Q; w++) dot = __dp4a((int)q.w[w], (int)k.w[w], dot);
            float s = mul(small_float(dot), *(const float*)(at + key_scale));
            score[32 * j] = s;
            top = larger(top, s);
        }
        float total = 0.0f, scaled = 0.0f;
#pragma unroll 2
        for (u32 j = 0; j <= position; j++) {
            float weight = exp2_coarse(mul(sub(score[32 * j], top), query_scale));
            float w = mul(weight, *(const float*)(seen(j) + value_scale));
            total = add(total, weight);
            scaled = add(scaled, w);
            score[32 * j] = w;
        }
        float range = (float)(255 - (int)(position + 2) / 2);
        float factor = __fdiv_rn(range, scaled);
        int sum[N::D];
#pragma unroll
        for (int i = 0; i < N::D; i++) sum[i] = 0;
        for (u32 j = 0; j <= position; j += 4) {
            u32 n[4];
            Words<N::Q> v[4];
#pragma unroll
            for (u32 i = 0; i < 4; i++) {
                u32 at = j + i <= position ? j + i : position;
                n[i] = j + i <= position ? rounded(mul(score[32 * at], factor)) : 0;
                load(v[i], seen(at) + value);
            }
            u32 weights = pack(n[0], n[1], n[2], n[3]);
#pragma unroll
            for (int w = 0; w < N::Q; w++) {
                // Four positions of four features become four features of four positions.
                u32 a = __byte_perm(v[0].w[w], v[1].w[w], 0x5140), b = __byte_perm(v[2].w[w], v[3].w[w], 0x5140);
                u32 c = __byte_perm(v[0].w[w], v[1].w[w], 0x7362), d = __byte_perm(v[2].w[w], v[3].w[w], 0x7362);
                sum[4 * w] = dot_unsigned(weights, __byte_perm(a, b, 0x5410), sum[4 * w]);
                sum[4 * w + 1] = dot_unsigned(weights, __byte_perm(a, b, 0x7632), sum[4 * w + 1]);
                sum[4 * w + 2] = dot_unsigned(weights, __byte_perm(c, d, 0x5410), sum[4 * w + 2]);
                sum[4 * w + 3] = dot_unsigned(weights, __byte_perm(c, d, 0x7632), sum[4 * w + 3]);
            }
        }
        float unit = __fdiv_rn(scaled, mul(range, total));
        float* to = mixed() + (r * N::H + h) * N::MIXED + g;
#pragma unroll
        for (int p = 0; p < N::D; p++)
            to[8 * (p % N::Q * 4 + p / N::Q)] = mul(small_float(sum[p]), unit);
    }

    // What attention mixed of a lane's features, rounded.
    __device__ __forceinline__ void collect(Inputs<N>& in) const {
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const float* from = mixed() + r * N::H * N::MIXED + 8 * (lane % 4) + lane / 4;
            auto value = [&](int j) { return from[j / N::Q * N::MIXED + 32 * (j % N::Q)]; };
            float max = SCALE_FLOOR;
#pragma unroll
            for (int j = 0; j < N::F; j++) max = larger(max, fabsf(value(j)));
            in.round_row(r, quad_max(max), value);
        }
    }
};

// GELU(x) + 0.1875 in 16-bit fixed point; no step leaves 16 bits but the last, which saturates.
__device__ __forceinline__ int gelu_shifted(float y, const Layer& l) {
    int x = (int)(rounded(y) - MAGIC_BITS);
    x = min(max(x, -32768), 32767);
    int v = min(abs(x), l.clamp) << l.shift;
    int h = l.c[0];
#pragma unroll
    for (int i = 1; i < 5; i++) h = (h * v + l.c[i]) >> 15;
    return min(max(x, 0) + h, 32767);
}

// The hidden layer: h = GELU(product(norm(x))), x += product(h). `hidden` is (tiles, 2 lines, 32 lanes).
template <class N>
__device__ __forceinline__ void feed_forward(const u8* bytes, const Layer& l, int lane, u32* hidden, float (&x)[2][N::F]) {
    hidden += lane;
    int most[2] = {0, 0};
    {
        Inputs<N> in;
        in.norm(x);
        for (u32 tile = 0; tile < l.tiles; tile++) {
            float y[2][2];
            in.product(bytes + l.expand, bytes + l.expand_outputs, tile, lane, y);
            bool whole = 8 * tile + 4 < l.hidden;
#pragma unroll
            for (int r = 0; r < 2; r++) {
                int g0 = gelu_shifted(y[r][0], l), g1 = gelu_shifted(y[r][1], l);
                most[r] = max(most[r], max(g0, whole ? g1 : 0));
                hidden[(2 * tile + r) * 32] = __byte_perm(g0, g1, 0x5410);
            }
        }
    }
    float scale[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
        most[r] = max(most[r], __shfl_xor_sync(ALL, most[r], 1));
        most[r] = max(most[r], __shfl_xor_sync(ALL, most[r], 2));
        int factor = min(__float2int_rz(__fdiv_rn(127.0f * 32768.0f, (float)most[r])), 32767);
        scale[r] = __fdiv_rn(l.unit, (float)factor);
        for (u32 w = 0; w < 2 * l.chunks; w++) {
            u32 a = hidden[(4 * w + r) * 32], b = hidden[(4 * w + 2 + r) * 32], byte[4];
            int g[4] = {(int)(a & 0x7fff), (int)(a >> 16), (int)(b & 0x7fff), (int)(b >> 16)};
#pragma unroll
            for (int i = 0; i < 4; i++) byte[i] = (u32)(g[i] * factor + 16384) >> 15;
            hidden[(2 * w + r) * 32] = pack(byte[0], byte[1], byte[2], byte[3]);
        }
    }
#pragma unroll
    for (int first = 0; first < N::W / 8; first += N::BLOCKED) {
        int c[N::BLOCKED][4];
#pragma unroll
        for (int i = 0; i < N::BLOCKED; i++) c[i][0] = c[i][1] = c[i][2] = c[i][3] = (int)MAGIC_BITS;
        const uint2* b = (const uint2*)(bytes + l.contract) + first * l.chunks * 32 + lane;
        for (u32 k = 0; k < l.chunks; k++) {
            const u32* a = hidden + 128 * k;
#pragma unroll
            for (int i = 0; i < N::BLOCKED; i++)
                mma(c[i], a[0], a[32], a[64], a[96], b[(i * l.chunks + k) * 32]);
        }
#pragma unroll
        for (int i = 0; i < N::BLOCKED; i++) {
            Outputs o = ((const Outputs*)(bytes + l.contract_outputs))[4 * (first + i) + lane % 4];
            float y[2][2];
            Inputs<N>::finish(o, c[i], scale, y);
#pragma unroll
            for (int r = 0; r < 2; r++) {
                int j = 2 * (first + i);
                x[r][j] = add(x[r][j], y[r][0]);
                x[r][j + 1] = add(x[r][j + 1], y[r][1]);
            }
        }
    }
}

// From the residual stream to the row of cumulative probabilities of each line: rows(r, s) as words
// r * (8 * stride + 8) + 8 * s + g, for the lane's quad g.
template <class N>
__device__ __forceinline__ void distribution(const Model& m, const u8* bytes, int lane, float* rows,
                                             const float (&x)[2][N::F]) {
    int g = lane / 4, t = lane % 4;
    u32 line_words = 8 * m.stride + 8;
    u32 high[2][2 * N::CHUNKS], low[2][2 * N::CHUNKS];
    float scale[2], top[2] = {LOWEST, LOWEST};
#pragma unroll
    for (int r = 0; r < 2; r++) {
        Centred c = {};
        c.measure(x[r]);
        float factor = __fdiv_rn(1023.0f, c.max);
#pragma unroll
        for (int w = 0; w < 2 * N::CHUNKS; w++) {
            high[r][w] = low[r][w] = 0;
            if (4 * w < N::F) {
                u32 hi[4], lo[4];
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    u32 a = rounded(mul(sub(x[r][4 * w + i], c.mean), factor)) - MAGIC_BITS;
                    hi[i] = a >> 5, lo[i] = a & 31;
                }
                high[r][w] = pack(hi[0], hi[1], hi[2], hi[3]);
                low[r][w] = pack(lo[0], lo[1], lo[2], lo[3]);
            }
        }
        scale[r] = mul(__fdiv_rn(c.max, 1023.0f), c.rstd);
    }
    for (u32 tile = 0; tile < m.stride / 8; tile++) {
        int hh[4] = {0, 0, 0, 0}, hl[4] = {0, 0, 0, 0}, ll[4] = {0, 0, 0, 0};
        const uint2* b = (const uint2*)(bytes + m.head) + tile * N::CHUNKS * 64 + lane;
#pragma unroll
        for (int k = 0; k < N::CHUNKS; k++) {
            uint2 wh = b[64 * k], wl = b[64 * k + 32];
            u32 h0 = high[0][2 * k], h1 = high[1][2 * k], h2 = high[0][2 * k + 1], h3 = high[1][2 * k + 1];
            u32 l0 = low[0][2 * k], l1 = low[1][2 * k], l2 = low[0][2 * k + 1], l3 = low[1][2 * k + 1];
            mma(hh, h0, h1, h2, h3, wh);
            mma(hl, h0, h1, h2, h3, wl);
            mma(hl, l0, l1, l2, l3, wh);
            mma(ll, l0, l1, l2, l3, wl);
        }
        Outputs o = ((const Outputs*)(bytes + m.head_outputs))[4 * tile + t];
#pragma unroll
        for (int i = 0; i < 4; i++) {
            int r = i / 2, e = i % 2;
            u32 symbol = 8 * tile + 4 * e + t;
            float sum = __int2float_rn(hh[i] * 1024 + hl[i] * 32 + ll[i]);
            float logit = add(mul(mul(sum, e ? o.scale.y : o.scale.x), scale[r]), e ? o.bias.y : o.bias.x);
            rows[r * line_words + 8 * symbol + g] = logit;
            if (symbol < m.vocab) top[r] = larger(top[r], logit);
        }
    }
#pragma unroll
    for (int r = 0; r < 2; r++) {
        top[r] = quad_max(top[r]);
        for (u32 symbol = t; symbol < m.vocab; symbol += 4) {
            float* at = rows + r * line_words + 8 * symbol + g;
            *at = exp2_fine(sub(*at, top[r]));
        }
    }
    __syncwarp();
    if (t < 2) {
        float* row = rows + t * line_words + g;
        float total = 0.0f, left = 0.0f;
        for (u32 s = 0; s < m.vocab; s++) total = add(total, row[8 * s]);
        float factor = __fdiv_rn((float)(SLOTS - m.vocab), total);
        for (u32 s = 0; s < m.vocab; s++) {
            float weight = row[8 * s];
            row[8 * s] = __uint_as_float(__float2uint_rz(mul(left, factor)) + s);
            left = add(left, weight);
        }
        for (u32 s = m.vocab; s < m.stride; s++) row[8 * s] = __uint_as_float(SLOTS);
    }
    __syncwarp();
}

// One position of a tile, from its tokens to the rows of cumulative probabilities in `scratch`.
template <class N>
__device__ __forceinline__ void run_position(const Model& m, const u8* bytes, int lane, u8* scratch, u32 position,
                                             const Memory& memory) {
    int g = lane / 4, t = lane % 4;
    float x[2][N::F];
    u32 record[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
        record[r] = position * m.vocab + memory.tokens[position * LINES + 8 * r + g];
        const float4* from = (const float4*)(m.bytes + m.streams) + (size_t)record[r] * N::F + t * (N::F / 4);
#pragma unroll
        for (int j = 0; j < N::F / 4; j++) {
            float4 v = from[j];
            x[r][4 * j] = v.x, x[r][4 * j + 1] = v.y, x[r][4 * j + 2] = v.z, x[r][4 * j + 3] = v.w;
        }
    }
    Attended<N> attended = {scratch, m.block, lane};
    for (u32 index = 0; index < m.layers; index++) {
        const Layer& l = ((const Layer*)bytes)[index];
        const u8* base = m.bytes + m.seen;
        u32 step = m.vocab * N::SEEN;
        Inputs<N> in;
        if (index > 0) {
            u8* cache = memory.cache + (size_t)(index - 1) * m.block * N::POSITION;
            in.norm(x);
            attended.project(bytes + l.qkv, bytes + l.qkv_outputs, in, m.softmax, cache + position * N::POSITION);
            base = cache, step = N::POSITION;
        }
        for (int task = t; task < 2 * N::H; task += 4) {
            int r = task / N::H, h = task % N::H, own = (8 * r + g) * N::H + h;
            const u8* table = m.bytes + m.queries + (size_t)(r ? record[1] : record[0]) * N::QUERY;
            const u8* query = index > 0 ? attended.queries() + own * N::D : table + h * N::D;
            float scale = index > 0 ? attended.query_scales()[own] : ((const float*)(table + N::W))[h];
            attended.mix(r, h, position, query, scale, base, step, index > 0 ? (const u8*)0 : memory.tokens);
        }
        __syncwarp();
        attended.collect(in);
#pragma unroll
        for (int tile = 0; tile < N::W / 8; tile++) {
            float y[2][2];
            in.product(bytes + l.projection, bytes + l.projection_outputs, tile, lane, y);
#pragma unroll
            for (int r = 0; r < 2; r++) {
                x[r][2 * tile] = add(x[r][2 * tile], y[r][0]);
                x[r][2 * tile + 1] = add(x[r][2 * tile + 1], y[r][1]);
            }
        }
        __syncwarp(); // the hidden layer takes the place of what attention mixed
        feed_forward<N>(bytes, l, lane, (u32*)scratch, x);
        __syncwarp();
    }
    distribution<N>(m, bytes, lane, (float*)scratch, x);
}

// The weights, in shared memory where they fit, and this warp's part of the rest of it.
template <class N> __device__ __forceinline__ const u8* stage(const Model& m, u8* shared, u8*& scratch) {
    u32 staged = N::STAGED ? m.staged : 0;
    scratch = shared + staged + threadIdx.x / 32 * m.warp_bytes;
    if (!N::STAGED) return m.bytes;
    for (u32 i = threadIdx.x; i < staged / 16; i += blockDim.x) ((uint4*)shared)[i] = ((const uint4*)m.bytes)[i];
    __syncthreads();
    return shared;
}

// One position of many tiles, each at its own; what follows are whole rows.
struct Steps {
    u8* cache;            // a Memory for each tile, one after another
    u8* history;          // (tiles, block, 16) tokens
    const u8* tokens;     // (tiles, 16): the next of each line
    const u32* positions; // (tiles), or IDLE
    u32* rows;            // (tiles, 16, stride)
    unsigned long long cache_bytes; // of a tile
    u32 tiles;
};

template <class N> __device__ __forceinline__ void step_kernel(const Model& m, const Steps& s) {
    SHARED(shared);
    u8* scratch;
    const u8* bytes = stage<N>(m, shared, scratch);
    int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    u32 tile = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
    if (tile >= s.tiles || s.positions[tile] == IDLE) return;
    u32 position = s.positions[tile];
    u8* history = s.history + (size_t)tile * m.block * LINES;
    if (lane < LINES) history[position * LINES + lane] = s.tokens[tile * LINES + lane];
    __syncwarp();
    Memory memory = {s.cache + tile * s.cache_bytes, history};
    run_position<N>(m, bytes, lane, scratch, position, memory);
    for (int r = 0; r < 2; r++) {
        const u32* row = (const u32*)scratch + r * (8 * m.stride + 8) + g;
        u32* to = s.rows + (size_t)(tile * LINES + 8 * r + g) * m.stride;
        for (u32 w = 4 * t; w < m.stride; w += 16)
            *(uint4*)(to + w) = make_uint4(row[8 * w], row[8 * w + 8], row[8 * w + 16], row[8 * w + 24]);
    }
}

// All positions of many tiles of known lines; what comes back are the slots of each token behind another.
struct Known {
    u8* cache;           // a Memory for each warp of the grid
    const u8* tokens;    // (tiles, block + 1, 16)
    const u32* lengths;  // (tiles): positions to take
    uint2* slots;        // (tiles, block, 16): left end and width of the next token's
    unsigned long long cache_bytes; // of a warp
    u32 tiles;
};

template <class N> __device__ __forceinline__ void known_kernel(const Model& m, const Known& k) {
    SHARED(shared);
    u8* scratch;
    const u8* bytes = stage<N>(m, shared, scratch);
    int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    u32 warp = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, warps = gridDim.x * (blockDim.x / 32);
    for (u32 tile = warp; tile < k.tiles; tile += warps) {
        const u8* tokens = k.tokens + (size_t)tile * (m.block + 1) * LINES;
        Memory memory = {k.cache + warp * k.cache_bytes, tokens};
        for (u32 position = 0; position < k.lengths[tile]; position++) {
            run_position<N>(m, bytes, lane, scratch, position, memory);
            if (t < 2) {
                const u32* row = (const u32*)scratch + t * (8 * m.stride + 8) + g;
                u32 token = tokens[(position + 1) * LINES + 8 * t + g];
                u32 left = row[8 * token], right = token + 1 < m.vocab ? row[8 * (token + 1)] : SLOTS;
                k.slots[((size_t)tile * m.block + position) * LINES + 8 * t + g] = make_uint2(left, right - left);
            }
            __syncwarp();
        }
    }
}

#define KERNELS(name, width, heads, threads)                                                     \
    extern "C" __global__ void __launch_bounds__(threads) name##_step(Model m, Steps s) {        \
        step_kernel<Net<width, heads> >(m, s);                                                   \
    }                                                                                            \
    extern "C" __global__ void __launch_bounds__(threads) name##_known(Model m, Known k) {       \
        known_kernel<Net<width, heads> >(m, k);                                                  \
    }

KERNELS(pico, 16, 4, 512)
KERNELS(tiny, 32, 4, 512)
KERNELS(nano, 48, 3, 512)
KERNELS(micro, 128, 4, 256)
KERNELS(mini, 192, 6, 256)
