// What the kernels compute with: every binary32 operation is one of the __f*_rn intrinsics, which are never fused.
// Integers become floats and floats integers by adding 1.5 * 2^23: exact below 2^22, as the host checks, and at
// the full rate.
#pragma once

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

// Begins to copy 16 bytes to shared memory; all that this thread began are done after `copied`.
__device__ __forceinline__ void begin_copy(u8* shared_to, const u8* from) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"((u32)__cvta_generic_to_shared(shared_to)), "l"(from));
}
__device__ __forceinline__ void copied() { asm volatile("cp.async.wait_all;" ::: "memory"); }

// Waits for the four warps of a block's team of this number: one of three. Barriers are told apart by constants, or the compiler
// reserves all sixteen.
__device__ __forceinline__ void team_barrier(u32 team) {
    if (team == 0) asm volatile("barrier.sync 1, 128;" ::: "memory");
    else if (team == 1) asm volatile("barrier.sync 2, 128;" ::: "memory");
    else asm volatile("barrier.sync 3, 128;" ::: "memory");
}

// c + the products of four unsigned bytes with four signed ones.
__device__ __forceinline__ int dot_unsigned(u32 a, u32 b, int c) {
    int d;
    asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
}

// A pointer of which the compiler knows nothing but that it is of the device's memory: it does not compute the address of each
// thing around it anew.
__device__ __forceinline__ const u8* opaque(const u8* pointer) {
    asm("" : "+l"(pointer));
    __builtin_assume(__isGlobal(pointer));
    return pointer;
}
#else
#include "on_cpu.h"
__device__ inline const u8* opaque(const u8* pointer) { return pointer; }
#endif

static const u32 ALL = 0xffffffffu;
static const float MAGIC = 12582912.0f; // 1.5 * 2^23
static const u32 MAGIC_BITS = 0x4b400000u;
static const float SCALE_FLOOR = 1e-20f;
static const float LOWEST = -3.40282347e38f;
static const int LINES = 16; // of a warp
static const u32 SLOTS = 1u << 20;

__device__ __forceinline__ float add(float a, float b) { return __fadd_rn(a, b); }
__device__ __forceinline__ float sub(float a, float b) { return __fadd_rn(a, -b); }
__device__ __forceinline__ float mul(float a, float b) { return __fmul_rn(a, b); }
// The larger of two. Of zeros either sign may come out, on which nothing depends.
__device__ __forceinline__ float larger(float a, float b) { return fmaxf(a, b); }
// A sum of integers that began with MAGIC_BITS.
__device__ __forceinline__ float sum_of(int sum) { return sub(__uint_as_float((u32)sum), MAGIC); }
// The integer nearest to x, ties to even, in the low bits.
__device__ __forceinline__ u32 rounded(float x) { return __float_as_uint(add(x, MAGIC)); }

// What a quad's lanes have of two rows, put together by `join`: of row 0 for lanes 0 and 2, of row 1 for lanes 1 and 3, the
// "own" row of each.
template <class T, class Join> __device__ __forceinline__ T own_of(int lane, const T (&parts)[2], Join join) {
    T own = lane & 1 ? parts[1] : parts[0], other = lane & 1 ? parts[0] : parts[1];
    own = join(own, __shfl_xor_sync(ALL, other, 1));
    return join(own, __shfl_xor_sync(ALL, own, 2));
}
// (p0 + p1) + (p2 + p3) of the lanes' parts.
__device__ __forceinline__ float own_sum(int lane, const float (&parts)[2]) { return own_of(lane, parts, add); }
__device__ __forceinline__ float own_max(int lane, const float (&most)[2]) { return own_of(lane, most, larger); }
// Tells a quad what lanes `first` and `first` + 1 have of their own rows.
template <class T> __device__ __forceinline__ void tell(T own, int first, T (&rows)[2]) {
    rows[0] = __shfl_sync(ALL, own, first, 4), rows[1] = __shfl_sync(ALL, own, first + 1, 4);
}

// A value that all lanes of a warp have, for the compiler to see that they do.
__device__ __forceinline__ u32 uniform(u32 value) { return __shfl_sync(ALL, value, 0, 32); }

// A division for each lane of a quad, of its own row: limit / most for lanes 0 and 1, most / limit for lanes 2 and 3.
__device__ __forceinline__ float own_quotient(int lane, float limit, float own_most) {
    return __fdiv_rn(lane & 2 ? own_most : limit, lane & 2 ? limit : own_most);
}

// The low bytes of four words.
__device__ __forceinline__ u32 pack(u32 a, u32 b, u32 c, u32 d) {
    return __byte_perm(__byte_perm(a, b, 0x0040), __byte_perm(c, d, 0x0040), 0x5410);
}

template <int N>
__device__ __forceinline__ float exp2_of(float x, const float (&c)[N]) {
    x = fmaxf(x, -126.0f);
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
