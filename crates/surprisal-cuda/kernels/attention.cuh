// Attention: a lane takes whole heads of a line, over the positions in order.
#pragma once
#include "rows.cuh"

// Where attention finds queries, keys and values of a line and head. Within a head, byte Q * t + m is
// feature 4m + t: what lane t of a quad made stands together.
template <class N> struct Attention {
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

    // Mixes one head of one line over the positions up to `position`. `base` has the keys and values of position
    // 0, `step` bytes before that of position 1; of a table, `tokens` choose the row.
    __device__ __forceinline__ void mix(int r, int h, u32 position, const u8* query, float query_scale, const u8* base,
                                        u32 step, const u8* tokens) const {
        int g = lane / 4, line = 8 * r + g;
        // Within a position's bytes: keys, values, scales of keys, scales of values.
        u32 rows = tokens ? 1 : LINES, own = tokens ? 0 : line;
        u32 key = own * N::W + h * N::D, value = key + rows * N::W;
        u32 key_scale = 2 * rows * N::W + 4 * (own * N::H + h), value_scale = key_scale + 4 * rows * N::H;
        auto row_of = [&](u32 j) -> const u8* {
            return base + (size_t)j * step + (tokens ? tokens[j * LINES + line] * N::KV_ROW : 0);
        };
        Words<N::Q> q;
        load(q, query);
        float* score = scores() + lane;
        float top = LOWEST;
#pragma unroll 2
        for (u32 j = 0; j <= position; j++) {
            const u8* at = row_of(j);
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
            float w = mul(weight, *(const float*)(row_of(j) + value_scale));
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
                load(v[i], row_of(at) + value);
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
