// Attention: a lane takes whole heads of a line, over the positions in order.
#pragma once
#include "rows.cuh"

// Where keys, values and their scales of a line's head are, by a place for each position. In the first layer: in the table of
// what each token has at a position, and the places are of its rows.
template <class N> struct TableRows {
    typedef const u8* Place;
    const u8* table; // of the head
    const u8* rows;  // of the line

    __device__ __forceinline__ TableRows(const u8* table, const u32* rows)
        : table(opaque(table)), rows(opaque((const u8*)rows)) {}
    __device__ __forceinline__ Place place(u32 j) const { return opaque(table + ((const u32*)rows)[Memory::row(j)]); }
    __device__ __forceinline__ void four(u32 j, Place (&places)[4]) const {
        uint4 r = *(const uint4*)(rows + (size_t)j * (4 * LINES));
        places[0] = opaque(table + r.x), places[1] = opaque(table + r.y);
        places[2] = opaque(table + r.z), places[3] = opaque(table + r.w);
    }
    __device__ __forceinline__ const u8* key(Place at) const { return at; }
    __device__ __forceinline__ float key_scale(Place at) const { return *(const float*)(at + 2 * N::D); }
    __device__ __forceinline__ float value_scale(Place at) const { return *(const float*)(at + 2 * N::D + 4); }
    // The values of four positions, from one that is a multiple of four: of each feature a word.
    __device__ __forceinline__ void four_values(u32 j, Words<N::D>& values) const {
        Place places[4];
        Words<N::Q> v[4];
        four(j, places);
#pragma unroll
        for (int i = 0; i < 4; i++) load(v[i], places[i] + N::D);
#pragma unroll
        for (int w = 0; w < N::Q; w++) {
            u32 a = __byte_perm(v[0].w[w], v[1].w[w], 0x5140), b = __byte_perm(v[2].w[w], v[3].w[w], 0x5140);
            u32 c = __byte_perm(v[0].w[w], v[1].w[w], 0x7362), d = __byte_perm(v[2].w[w], v[3].w[w], 0x7362);
            values.w[4 * w] = __byte_perm(a, b, 0x5410), values.w[4 * w + 1] = __byte_perm(a, b, 0x7632);
            values.w[4 * w + 2] = __byte_perm(c, d, 0x5410), values.w[4 * w + 3] = __byte_perm(c, d, 0x7632);
        }
    }
};

// And in a layer behind it: in its cache.
template <class N> struct CacheRows {
    struct Place { const u8 *key, *scales; };
    Place first;
    const u8* values;

    // `values` is where those of all lines begin.
    __device__ __forceinline__ CacheRows(const u8* keys, const u8* values, u32 line, u32 head)
        : values(opaque(values + 4 * (line * N::W + head * N::D))) {
        u32 own = line * N::H + head;
        first.key = opaque(keys + own * N::D), first.scales = opaque(keys + LINES * N::W + 4 * own);
    }
    __device__ __forceinline__ Place place(u32 j) const {
        size_t behind = (size_t)j * N::KEYS;
        return {opaque(first.key + behind), opaque(first.scales + behind)};
    }
    __device__ __forceinline__ void four(u32 j, Place (&places)[4]) const {
        Place at = place(j);
#pragma unroll
        for (u32 i = 0; i < 4; i++) places[i] = {at.key + i * N::KEYS, at.scales + i * N::KEYS};
    }
    __device__ __forceinline__ const u8* key(Place at) const { return at.key; }
    __device__ __forceinline__ float key_scale(Place at) const { return *(const float*)at.scales; }
    __device__ __forceinline__ float value_scale(Place at) const { return *(const float*)(at.scales + 4 * LINES * N::H); }
    __device__ __forceinline__ void four_values(u32 j, Words<N::D>& to) const { load(to, values + (size_t)j * N::VALUES); }
};

// Calls `body` with each of `positions` positions and its place, four at a time as far as they go.
template <class Rows, class Body>
__device__ __forceinline__ void each_position(u32 positions, const Rows& rows, Body body) {
    u32 j = 0;
#pragma unroll 1
    for (u32 fours = positions / 4; fours > 0; fours--) {
        typename Rows::Place places[4];
        rows.four(j, places);
#pragma unroll
        for (u32 i = 0; i < 4; i++) body(j + i, places[i]);
        j += 4;
    }
#pragma unroll 1
    for (; j < positions; j++) body(j, rows.place(j));
}

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

    // Rounds whole heads of both lines: a lane's bytes go to `rows`, its place in line g, STRIDE bytes apart. A head's scale,
    // times `factor`, goes to `scales`, its place in line g for lane 2 of a quad and in line g + 8 for lane 3, which have them.
    template <int STRIDE>
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
            }
            float own = own_quotient(lane, limit, own_max(lane, most)), f[2];
            tell(own, 0, f);
#pragma unroll
            for (int r = 0; r < 2; r++) {
                u32 b[N::Q];
#pragma unroll
                for (int m = 0; m < N::Q; m++) b[m] = rounded(mul(y[r][i * N::Q + m], f[r]));
                u8* to = rows + STRIDE * (8 * r * N::W + i * N::D);
                if (STRIDE > 1 || N::Q == 1) {
#pragma unroll
                    for (int m = 0; m < N::Q; m++) to[STRIDE * m] = (u8)b[m];
                } else if (N::Q == 2) {
                    *(u16*)to = (u16)__byte_perm(b[0], b[N::Q - 1], 0x0040);
                } else {
#pragma unroll
                    for (int m = 0; m + 3 < N::Q; m += 4) *(u32*)(to + m) = pack(b[m], b[m + 1], b[m + 2], b[m + 3]);
                }
            }
            if (lane & 2) scales[i] = mul(own, factor);
        }
    }

    // Queries, keys or values of a layer behind the first, of all heads: the tiles that begin at `weights`.
    template <int STRIDE>
    __device__ __forceinline__ void project_part(const u8*& weights, const u8*& outputs, const Inputs<N>& in, float limit,
                                                 float factor, u8* rows, float* scales) const {
        const int tiles = N::GROUP / 8;
        rows += STRIDE * (lane / 4 * N::W + lane % 4 * N::Q);
        scales += (lane / 4 + (lane & 1 ? 8 : 0)) * N::H;
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
            round_heads<STRIDE>(y, limit, factor, rows, scales);
            weights += tiles * N::TILE_WEIGHTS, outputs += tiles * N::TILE_OUTPUTS;
            rows += STRIDE * N::GROUP, scales += N::GROUP / N::D;
            __syncwarp(); // products need all lanes together, and two of a quad alone wrote scales
        }
    }

    // Queries, keys and values of a layer behind the first; `keys` and `values` are the position in its cache.
    __device__ __forceinline__ void project(const u8* weights, const u8* outputs, const Inputs<N>& in, float softmax, u8* keys,
                                            u8* values) const {
        float* key_scales = (float*)(keys + LINES * N::W);
        project_part<1>(weights, outputs, in, 63.0f, softmax, queries(), query_scales());
        project_part<1>(weights, outputs, in, 63.0f, 1.0f, keys, key_scales);
        project_part<4>(weights, outputs, in, 127.0f, 1.0f, values, key_scales + LINES * N::H);
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
        each_position(position + 1, rows, [&](u32 j, typename Rows::Place at) {
            Words<N::Q> k;
            load(k, rows.key(at));
            int dot = (int)MAGIC_BITS;
#pragma unroll
            for (int w = 0; w < N::Q; w++) dot = __dp4a((int)q.w[w], (int)k.w[w], dot);
            float s = mul(sum_of(dot), rows.key_scale(at));
            score[32 * j] = s;
            top = larger(top, s);
        });
        float total = 0.0f, scaled = 0.0f;
        each_position(position + 1, rows, [&](u32 j, typename Rows::Place at) {
            float weight = exp2_coarse(mul(sub(score[32 * j], top), query_scale));
            float w = mul(weight, rows.value_scale(at));
            total = add(total, weight);
            scaled = add(scaled, w);
            score[32 * j] = w;
        });
#pragma unroll
        for (u32 i = 1; i < 4; i++)
            if (position % 4 + i < 4) score[32 * (position + i)] = 0.0f;
        float range = (float)(255 - (int)(position + 2) / 2);
        float factor = __fdiv_rn(range, scaled);
        int sum[N::D];
#pragma unroll
        for (int i = 0; i < N::D; i++) sum[i] = (int)MAGIC_BITS;
#pragma unroll 1
        for (u32 j = 0; j <= position; j += 4) {
            u32 n[4];
            Words<N::D> values;
            rows.four_values(j, values); // behind the last position the weight is 0
#pragma unroll
            for (u32 i = 0; i < 4; i++) n[i] = rounded(mul(score[32 * (j + i)], factor));
            u32 weights = pack(n[0], n[1], n[2], n[3]);
#pragma unroll
            for (int p = 0; p < N::D; p++) sum[p] = dot_unsigned(weights, values.w[p], sum[p]);
        }
        float unit = __fdiv_rn(scaled, mul(range, total));
        float* to = mixed() + (r * N::H + h) * N::MIXED + g;
#pragma unroll
        for (int p = 0; p < N::D; p++)
            to[8 * (p % N::Q * 4 + p / N::Q)] = mul(sum_of(sum[p]), unit);
    }

    // What attention mixed of a lane's features, rounded.
    __device__ __forceinline__ void collect(Inputs<N>& in) const {
        float y[2][N::F], most[2], factor[2];
        const float* from = mixed() + 8 * (lane % 4) + lane / 4;
#pragma unroll
        for (int r = 0; r < 2; r++) {
            most[r] = SCALE_FLOOR;
#pragma unroll
            for (int j = 0; j < N::F; j++) {
                y[r][j] = from[(r * N::H + j / N::Q) * N::MIXED + 32 * (j % N::Q)];
                most[r] = larger(most[r], fabsf(y[r][j]));
            }
        }
        float own = own_quotient(lane, 63.0f, own_max(lane, most));
        tell(own, 0, factor);
        tell(own, 2, in.scale);
#pragma unroll
        for (int r = 0; r < 2; r++) in.round_row(r, factor[r], [&](int j) { return y[r][j]; });
    }
};
