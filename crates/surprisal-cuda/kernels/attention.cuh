// Attention: a lane takes whole heads of a line, over the positions in order.
#pragma once
#include "rows.cuh"

// Keys, values and their scales of a line's head in the first layer: in the table of what each token has at a position.
template <class N> struct TableRows {
    const u8* table; // of the head
    const u32* rows; // of the line, 16 words apart

    __device__ __forceinline__ const u8* at(u32 j) const { return table + rows[j * LINES]; }
    __device__ __forceinline__ const u8* key(u32 j) const { return at(j); }
    __device__ __forceinline__ const u8* value(u32 j) const { return at(j) + N::D; }
    __device__ __forceinline__ float key_scale(u32 j) const { return *(const float*)(at(j) + 2 * N::D); }
    __device__ __forceinline__ float value_scale(u32 j) const { return *(const float*)(at(j) + 2 * N::D + 4); }
};

// And in a layer behind it: in its cache, which has room for four positions at a time.
template <class N> struct CacheRows {
    const u8* features; // of position 0
    const u8* scales;

    __device__ __forceinline__ CacheRows(const u8* cache, u32 line, u32 head) {
        u32 own = line * N::H + head;
        features = cache + own * N::D, scales = cache + 2 * LINES * N::W + 4 * own;
    }
    __device__ __forceinline__ const u8* key(u32 j) const { return features + (size_t)j * N::POSITION; }
    __device__ __forceinline__ const u8* value(u32 j) const { return key(j) + LINES * N::W; }
    __device__ __forceinline__ float key_scale(u32 j) const { return *(const float*)(scales + (size_t)j * N::POSITION); }
    __device__ __forceinline__ float value_scale(u32 j) const {
        return *(const float*)(scales + (size_t)j * N::POSITION + 4 * LINES * N::H);
    }
};

// Where attention finds queries, keys and values of a line and head. Within a head, byte Q * t + m is
// feature 4m + t: what lane t of a quad made stands together.
template <class N> struct Attention {
    u8* scratch; // scores (positions, 32 lanes); mixed; queries (16, W); their scales (16, H)
    u32 positions; // of a line, rounded up to a multiple of four
    int lane;

    __device__ float* scores() const { return (float*)scratch; }
    __device__ float* mixed() const { return scores() + 32 * positions; }
    __device__ u8* queries() const { return (u8*)(mixed() + 2 * N::H * N::MIXED); }
    __device__ float* query_scales() const { return (float*)(queries() + LINES * N::W); }

    // Rounds whole heads of both lines: a lane's bytes go to `rows`, its place in line g. A head's scale, times `factor`, goes to
    // `scales`, its place in line g for lane 1 of a quad and in line g + 8 for lane 3, which have them.
    __device__ __forceinline__ void round_heads(const float (&y)[2][N::GROUP / 4], float limit, float factor, u8* rows,
                                                float* scales) const {
#pragma unroll
        for (int i = 0; i < N::GROUP / N::D; i++) {
            float most[2];
#pragma unroll
            for (int r = 0; r < 2; r++) {
                most[r] = SCALE_FLOOR;
#pragma unroll
                for (int m = 0; m < N::Q; m++) most[r] = larger(most[r], fabsf(y[r][i * N::Q + m]));
                most[r] = quad_max(most[r]);
            }
            float quotient = own_quotient(lane, limit, most);
#pragma unroll
            for (int r = 0; r < 2; r++) {
                float f = __shfl_sync(ALL, quotient, 2 * r, 4);
                u32 b[N::Q];
#pragma unroll
                for (int m = 0; m < N::Q; m++) b[m] = rounded(mul(y[r][i * N::Q + m], f));
                u8* to = rows + 8 * r * N::W + i * N::D;
                if (N::Q == 1) *to = (u8)b[0];
                if (N::Q == 2) *(u16*)to = (u16)__byte_perm(b[0], b[N::Q - 1], 0x0040);
#pragma unroll
                for (int m = 0; m + 3 < N::Q; m += 4)
                    *(u32*)(to + m) = pack(b[m], b[m + 1], b[m + 2], b[m + 3]);
            }
            if (lane & 1) scales[i] = mul(quotient, factor);
        }
    }

    // Queries, keys or values of a layer behind the first, of all heads: the tiles that begin at `weights`.
    __device__ __forceinline__ void project_part(const u8*& weights, const u8*& outputs, const Inputs<N>& in, float limit,
                                                 float factor, u8* rows, float* scales) const {
        const int tiles = N::GROUP / 8;
        rows += lane / 4 * N::W + lane % 4 * N::Q;
        scales += (lane / 4 + (lane & 2 ? 8 : 0)) * N::H;
#pragma unroll 1
        for (int first = 0; first < N::W; first += N::GROUP) {
            float y[2][N::GROUP / 4];
#pragma unroll
            for (int i = 0; i < tiles; i++) {
                float two[2][2];
                in.product(weights, outputs, i, lane, two);
#pragma unroll
                for (int r = 0; r < 2; r++) y[r][2 * i] = two[r][0], y[r][2 * i + 1] = two[r][1];
            }
            round_heads(y, limit, factor, rows, scales);
            weights += tiles * N::TILE_WEIGHTS, outputs += tiles * N::TILE_OUTPUTS;
            rows += N::GROUP, scales += N::GROUP / N::D;
            __syncwarp(); // products need all lanes together, and lanes with odd t alone wrote scales
        }
    }

    // Queries, keys and values of a layer behind the first; `now` is the position in its cache.
    __device__ __forceinline__ void project(const u8* weights, const u8* outputs, const Inputs<N>& in, float softmax,
                                            u8* now) const {
        float* key_scales = (float*)(now + 2 * LINES * N::W);
        project_part(weights, outputs, in, 63.0f, softmax, queries(), query_scales());
        project_part(weights, outputs, in, 63.0f, 1.0f, now, key_scales);
        project_part(weights, outputs, in, 127.0f, 1.0f, now + LINES * N::W, key_scales + LINES * N::H);
    }

    // Mixes one head of one line over the positions up to `position`.
    template <class Rows>
    __device__ __forceinline__ void mix(int r, int h, u32 position, const u8* query, float query_scale,
                                        const Rows& rows) const {
        int g = lane / 4;
        Words<N::Q> q;
        load(q, query);
        float* score = scores() + lane;
        float top = LOWEST;
#pragma unroll 4
        for (u32 j = 0; j <= position; j++) {
            Words<N::Q> k;
            load(k, rows.key(j));
            int dot = (int)MAGIC_BITS;
#pragma unroll
            for (int w = 0; w < N::Q; w++) dot = __dp4a((int)q.w[w], (int)k.w[w], dot);
            float s = mul(sum_of(dot), rows.key_scale(j));
            score[32 * j] = s;
            top = larger(top, s);
        }
        float total = 0.0f, scaled = 0.0f;
#pragma unroll 4
        for (u32 j = 0; j <= position; j++) {
            float weight = exp2_coarse(mul(sub(score[32 * j], top), query_scale));
            float w = mul(weight, rows.value_scale(j));
            total = add(total, weight);
            scaled = add(scaled, w);
            score[32 * j] = w;
        }
        for (u32 j = position + 1; j % 4 != 0; j++) score[32 * j] = 0.0f;
        float range = (float)(255 - (int)(position + 2) / 2);
        float factor = __fdiv_rn(range, scaled);
        int sum[N::D];
#pragma unroll
        for (int i = 0; i < N::D; i++) sum[i] = (int)MAGIC_BITS;
        for (u32 j = 0; j <= position; j += 4) {
            u32 n[4];
            Words<N::Q> v[4];
#pragma unroll
            for (u32 i = 0; i < 4; i++) {
                n[i] = rounded(mul(score[32 * (j + i)], factor));
                load(v[i], rows.value(j + i)); // behind the last position the weight is 0
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
            to[8 * (p % N::Q * 4 + p / N::Q)] = mul(sum_of(sum[p]), unit);
    }

    // What attention mixed of a lane's features, rounded.
    __device__ __forceinline__ void collect(Inputs<N>& in) const {
        auto value = [&](int r, int j) {
            const float* from = mixed() + r * N::H * N::MIXED + 8 * (lane % 4) + lane / 4;
            return from[j / N::Q * N::MIXED + 32 * (j % N::Q)];
        };
        float most[2], factor[2];
#pragma unroll
        for (int r = 0; r < 2; r++) {
            most[r] = SCALE_FLOOR;
#pragma unroll
            for (int j = 0; j < N::F; j++) most[r] = larger(most[r], fabsf(value(r, j)));
            most[r] = quad_max(most[r]);
        }
        quotients(lane, 63.0f, most, factor, in.scale);
#pragma unroll
        for (int r = 0; r < 2; r++) in.round_row(r, factor[r], [&](int j) { return value(r, j); });
    }
};
