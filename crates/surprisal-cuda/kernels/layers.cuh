// What is behind attention: the hidden layer, the head, and the way from logits to integers.
#pragma once
#include "attention.cuh"

// GELU(x) + 0.1875 in 16-bit fixed point; no step leaves 16 bits but the last, which saturates.
__device__ __forceinline__ int gelu_shifted(float y, const Gelu& gelu) {
    int x = max((int)(rounded(y) - MAGIC_BITS), -32768);
    int v = min(abs(x), gelu.clamp) << gelu.shift; // the same as for an x that saturates, since the clamp has 16 bits
    x = min(x, 32767);
    int h = gelu.c[0];
#pragma unroll
    for (int i = 1; i < 5; i++) h = (h * v + gelu.c[i]) >> 15;
    return min(max(x, 0) + h, 32767);
}

// The hidden layer: h = GELU(product(norm(x))), x += product(h). `hidden` is (tiles, 2 lines, 32 lanes).
template <class N>
__device__ __forceinline__ void feed_forward(const u8* bytes, const Layer& l, int lane, u32* hidden, float (&x)[2][N::F]) {
    hidden += lane;
    int most[2] = {0, 0};
    {
        Inputs<N> in;
        in.norm(x, lane);
        // What stores into the hidden layer cannot change.
        const Gelu gelu = l.gelu;
        const u8 *weights = bytes + l.expand, *outputs = bytes + l.expand_outputs;
        u32 units = l.hidden, *to = hidden;
        // A tile of units, of which there are eight or, in the last, four.
        auto tile = [&](bool whole) {
            float y[2][2];
            in.product(weights, outputs, 0, lane, y);
            weights += N::TILE_WEIGHTS, outputs += N::TILE_OUTPUTS;
#pragma unroll
            for (int r = 0; r < 2; r++) {
                int g0 = gelu_shifted(y[r][0], gelu), g1 = gelu_shifted(y[r][1], gelu);
                most[r] = max(most[r], whole ? max(g0, g1) : g0);
                to[32 * r] = __byte_perm(g0, g1, 0x5410);
            }
            to += 64;
        };
        for (u32 tiles = units / 8; tiles > 0; tiles--) tile(true);
        if (units % 8 != 0) tile(false);
    }
    int own_most = own_of(lane, most, [](int a, int b) { return max(a, b); });
    int own_factor = min(__float2int_rz(__fdiv_rn(127.0f * 32768.0f, (float)own_most)), 32767);
    u32 twice[2];
    float scale[2];
    tell(2 * (u32)own_factor, 0, twice);
    tell(__fdiv_rn(l.unit, (float)own_factor), 0, scale);
#pragma unroll
    for (int r = 0; r < 2; r++) {
        for (u32 w = 0; w < 2 * l.chunks; w++) {
            u32 a = hidden[(4 * w + r) * 32], b = hidden[(4 * w + 2 + r) * 32];
            u32 p[4] = {a & 0x7fff, a >> 16, b & 0x7fff, b >> 16};
#pragma unroll
            for (int i = 0; i < 4; i++) p[i] = p[i] * twice[r] + 32768;
            // (value * factor + 2^14) / 2^15, of which there are seven bits, stands in the third byte.
            hidden[(2 * w + r) * 32] = __byte_perm(__byte_perm(p[0], p[1], 0x0062), __byte_perm(p[2], p[3], 0x0062), 0x5410);
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

// From the residual stream to the weight of each symbol that may come next, of each line: rows(r, s) as words
// r * (8 * stride + 8) + 8 * s + g, for the lane's quad g.
template <class N>
__device__ __forceinline__ void distribution(const Model& m, const u8* bytes, int lane, float* rows,
                                             const float (&x)[2][N::F]) {
    int g = lane / 4, t = lane % 4;
    u32 line_words = 8 * m.stride + 8;
    float *to[2] = {rows + 8 * t + g, rows + line_words + 8 * t + g};
    u32 high[2][2 * N::CHUNKS], low[2][2 * N::CHUNKS];
    float scale[2], factor[2], top[2] = {LOWEST, LOWEST};
    Centred c(x, lane);
    float own = own_quotient(lane, 1023.0f, c.own_most);
    tell(own, 0, factor);
    tell(mul(own, c.own_rstd), 2, scale);
#pragma unroll
    for (int r = 0; r < 2; r++) {
#pragma unroll
        for (int w = 0; w < 2 * N::CHUNKS; w++) {
            high[r][w] = low[r][w] = 0;
            if (4 * w < N::F) {
                u32 hi[4], lo[4];
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    u32 a = rounded(mul(sub(x[r][4 * w + i], c.mean[r]), factor[r])) - MAGIC_BITS;
                    hi[i] = a >> 5, lo[i] = a & 31;
                }
                high[r][w] = pack(hi[0], hi[1], hi[2], hi[3]);
                low[r][w] = pack(lo[0], lo[1], lo[2], lo[3]);
            }
        }
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
            float sum = __int2float_rn(hh[i] * 1024 + hl[i] * 32 + ll[i]);
            float logit = add(mul(mul(sum, e ? o.scale.y : o.scale.x), scale[r]), e ? o.bias.y : o.bias.x);
            to[r][32 * e] = logit;
            if (8 * tile + 4 * e + t < m.vocab) top[r] = larger(top[r], logit);
        }
        to[0] += 64, to[1] += 64;
    }
#pragma unroll
    for (int r = 0; r < 2; r++) {
        top[r] = larger(top[r], __shfl_xor_sync(ALL, top[r], 1));
        top[r] = larger(top[r], __shfl_xor_sync(ALL, top[r], 2));
        for (u32 symbol = t; symbol < m.vocab; symbol += 4) {
            float* at = rows + r * line_words + 8 * symbol + g;
            *at = exp2_fine(sub(*at, top[r]));
        }
    }
    __syncwarp();
}

// Where the slots of a symbol begin: `left` is the sum of the weights before it, the factor makes slots of them and leaves
// one for each symbol.
__device__ __forceinline__ u32 left_end(float left, float factor, u32 symbol) {
    return __float2uint_rz(mul(left, factor)) + symbol;
}
__device__ __forceinline__ float slots_of(float total, u32 vocab) { return __fdiv_rn((float)(SLOTS - vocab), total); }

// Makes a row of weights the row of the sums before each, and gives the sum of all.
__device__ __forceinline__ float sums_before(const Model& m, float* row) {
    float total = 0.0f;
    for (u32 s = 0; s < m.vocab; s++) {
        float weight = row[8 * s];
        row[8 * s] = total;
        total = add(total, weight);
    }
    return total;
}

// Makes a row of weights the row of cumulative probabilities.
__device__ __forceinline__ void cumulate(const Model& m, float* row) {
    float factor = slots_of(sums_before(m, row), m.vocab);
    for (u32 s = 0; s < m.vocab; s++) row[8 * s] = __uint_as_float(left_end(row[8 * s], factor, s));
    for (u32 s = m.vocab; s < m.stride; s++) row[8 * s] = __uint_as_float(SLOTS);
}

// Left end and width of one symbol's slots, by a row of weights, which is lost.
__device__ __forceinline__ uint2 slots(const Model& m, float* row, u32 symbol) {
    float factor = slots_of(sums_before(m, row), m.vocab);
    u32 begin = left_end(row[8 * symbol], factor, symbol), next = symbol + 1;
    u32 end = next < m.vocab ? left_end(row[8 * next], factor, next) : SLOTS;
    return make_uint2(begin, end - begin);
}
