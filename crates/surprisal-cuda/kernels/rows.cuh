// Rows of features on their way into a product and out of it.
#pragma once
#include "model.cuh"

// A sum over W features, divided by W: where W is a power of two a product has the same bits.
template <int W> __device__ __forceinline__ float mean_of(float sum) {
    return (W & (W - 1)) == 0 ? mul(sum, 1.0f / W) : __fdiv_rn(sum, (float)W);
}

// Two rows of the residual stream: their means, and of a lane's own row the largest magnitude without it and
// 1 / sqrt(variance + epsilon).
struct Centred {
    float mean[2], own_most, own_rstd;

    template <int F> __device__ __forceinline__ Centred(const float (&x)[2][F], int lane) {
        float sum[2] = {0.0f, 0.0f}, squares[2] = {0.0f, 0.0f}, most[2] = {SCALE_FLOOR, SCALE_FLOOR};
#pragma unroll
        for (int r = 0; r < 2; r++)
#pragma unroll
            for (int j = 0; j < F; j++) sum[r] = add(sum[r], x[r][j]);
        tell(mean_of<4 * F>(own_sum(lane, sum)), 0, mean);
#pragma unroll
        for (int r = 0; r < 2; r++)
#pragma unroll
            for (int j = 0; j < F; j++) {
                float d = sub(x[r][j], mean[r]);
                squares[r] = add(squares[r], mul(d, d));
                most[r] = larger(most[r], fabsf(d));
            }
        own_most = own_max(lane, most);
        own_rstd = __fdiv_rn(1.0f, __fsqrt_rn(add(mean_of<4 * F>(own_sum(lane, squares)), 1e-5f)));
    }
};

// A lane's rounded inputs of a product, of its two lines, and their scales.
template <class N> struct Inputs {
    u32 a[2][2 * N::CHUNKS];
    float scale[2];

    // 64 + x * factor, rounded, of what `x` gives of a row.
    template <class X> __device__ __forceinline__ void round_row(int r, float factor, X x) {
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
    }

    __device__ __forceinline__ void norm(const float (&x)[2][N::F], int lane) {
        Centred c(x, lane);
        float factor[2], own = own_quotient(lane, 63.0f, c.own_most);
        tell(own, 0, factor);
        tell(mul(own, c.own_rstd), 2, scale);
#pragma unroll
        for (int r = 0; r < 2; r++) round_row(r, factor[r], [&](int j) { return sub(x[r][j], c.mean[r]); });
    }

    // A tile of 8 outputs: y[r][e] is output 8 * tile + 4e + t of line r.
    __device__ __forceinline__ void product(const u8* weights, const u8* outputs, int tile, int lane,
                                            float (&y)[2][2]) const {
        Outputs o = ((const Outputs*)outputs)[4 * tile + lane % 4];
        int c[4] = {o.start.x, o.start.y, o.start.z, o.start.w};
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
            y[r][0] = add(mul(mul(sum_of(c[2 * r]), o.scale.x), scale[r]), o.bias.x);
            y[r][1] = add(mul(mul(sum_of(c[2 * r + 1]), o.scale.y), scale[r]), o.bias.y);
        }
    }
};
