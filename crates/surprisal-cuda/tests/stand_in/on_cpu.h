// Enough of CUDA to run kernels.cu on a CPU, for its arithmetic: each lane of a block is a coroutine, and at
// every exchange all lanes of a warp meet. That they meet at the same kind of exchange is checked.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>
#include <setjmp.h>
#include <ucontext.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(n)
#define SHARED(name) u8* name = on_cpu::shared

struct alignas(8) uint2 { u32 x, y; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) uint4 { u32 x, y, z, w; };
struct alignas(16) float4 { float x, y, z, w; };
inline uint2 make_uint2(u32 x, u32 y) { return {x, y}; }
inline uint4 make_uint4(u32 x, u32 y, u32 z, u32 w) { return {x, y, z, w}; }
struct Index { u32 x; };
static Index threadIdx, blockIdx, blockDim, gridDim;

namespace on_cpu {
static u8* shared;
enum Kind { RUNNING, SHUFFLE, PRODUCT, WARP, TEAM_OF_WARPS, BLOCK, DONE };
struct Lane {
    ucontext_t context; // to begin with
    jmp_buf stopped;    // to go on from: faster, since it leaves signals alone
    bool begun;
    std::vector<char> stack;
    Kind kind;
    u32 sent[2][6]; // what it sends in even and odd exchanges
    u32 exchanges;
};
static jmp_buf scheduler;
// Never destroyed: a program may end while one of its threads still runs a kernel.
static std::vector<Lane>& lanes = *new std::vector<Lane>;
static std::function<void()>& kernel = *new std::function<void()>;

inline void fail(const char* what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

// Stops this lane until all lanes of its warp (or team of four, or block) are here.
static __attribute__((noinline)) void meet(Kind kind) {
    Lane& me = lanes[threadIdx.x];
    me.kind = kind;
    if (!_setjmp(me.stopped)) _longjmp(scheduler, 1);
}

// Lets a lane go on until it stops.
static __attribute__((noinline)) void resume(Lane& lane) {
    if (_setjmp(scheduler)) return;
    if (lane.begun) _longjmp(lane.stopped, 1);
    lane.begun = true;
    setcontext(&lane.context);
}

// Sends six words and gives those of the warp's 32 lanes.
inline const u32* exchange(Kind kind, const u32 (&words)[6], u32 from, bool send) {
    Lane& me = lanes[threadIdx.x];
    if (send) {
        memcpy(me.sent[me.exchanges++ % 2], words, sizeof words);
        meet(kind);
    }
    Lane& other = lanes[threadIdx.x / 32 * 32 + from];
    return other.sent[(me.exchanges - 1) % 2];
}

inline void entry() {
    kernel();
    lanes[threadIdx.x].kind = DONE;
    _longjmp(scheduler, 1);
}

inline void run_block(u32 threads) {
    lanes.resize(threads);
    for (u32 i = 0; i < threads; i++) {
        Lane& lane = lanes[i];
        lane.stack.resize(1 << 17);
        lane.kind = RUNNING, lane.exchanges = 0, lane.begun = false;
        getcontext(&lane.context);
        lane.context.uc_stack.ss_sp = lane.stack.data();
        lane.context.uc_stack.ss_size = lane.stack.size();
        lane.context.uc_link = nullptr;
        makecontext(&lane.context, entry, 0);
    }
    for (u32 done = 0; done < threads;) {
        for (u32 warp = 0; warp < threads; warp += 32) {
            while (lanes[warp].kind < TEAM_OF_WARPS) {
                for (u32 i = warp; i < warp + 32; i++) {
                    threadIdx.x = i;
                    lanes[i].kind = RUNNING;
                    resume(lanes[i]);
                }
                for (u32 i = warp; i < warp + 32; i++)
                    if (lanes[i].kind != lanes[warp].kind) fail("the lanes of a warp diverge at an exchange");
                if (lanes[warp].kind == DONE) done += 32;
            }
        }
        // Those that all wait at a barrier go on.
        auto go_on = [&](Kind kind, u32 first, u32 count) {
            if (first + count > threads) return false;
            for (u32 i = first; i < first + count; i += 32)
                if (lanes[i].kind != kind) return false;
            for (u32 i = first; i < first + count; i++) lanes[i].kind = RUNNING;
            return true;
        };
        bool goes_on = go_on(BLOCK, 0, threads);
        for (u32 team = 0; team < threads; team += 128) goes_on |= go_on(TEAM_OF_WARPS, team, 128);
        if (!goes_on && done < threads) fail("a warp misses a barrier");
    }
}

template <class Kernel> void launch(u32 blocks, u32 threads, size_t shared_bytes, Kernel work) {
    std::vector<uint4> memory(shared_bytes / 16 + 1);
    memset(memory.data(), 0x5a, shared_bytes);
    shared = (u8*)memory.data();
    kernel = work;
    gridDim.x = blocks, blockDim.x = threads;
    for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++) run_block(threads);
}
} // namespace on_cpu

inline void begin_copy(u8* to, const u8* from) { memcpy(to, from, 16); }
inline void copied() {}
inline void __syncthreads() { on_cpu::meet(on_cpu::BLOCK); }
inline void team_barrier(u32) { on_cpu::meet(on_cpu::TEAM_OF_WARPS); }
inline void __syncwarp() { on_cpu::meet(on_cpu::WARP); }
template <class T> T value_of_lane(T value, u32 lane) {
    u32 words[6] = {};
    memcpy(words, &value, 4);
    memcpy(&value, on_cpu::exchange(on_cpu::SHUFFLE, words, lane, true), 4);
    return value;
}
inline u32 __ballot_sync(u32, bool value) {
    u32 words[6] = {value}, lanes = 0;
    on_cpu::exchange(on_cpu::SHUFFLE, words, 0, true);
    for (u32 lane = 0; lane < 32; lane++) lanes |= on_cpu::exchange(on_cpu::SHUFFLE, words, lane, false)[0] << lane;
    return lanes;
}
inline int __popc(u32 a) { return __builtin_popcount(a); }
inline int __ffs(u32 a) { return __builtin_ffs((int)a); }
template <class T> T __shfl_xor_sync(u32, T value, int mask) { return value_of_lane(value, threadIdx.x % 32 ^ mask); }
template <class T> T __shfl_sync(u32, T value, u32 from, u32 width) {
    u32 lane = threadIdx.x % 32;
    return value_of_lane(value, lane / width * width + from % width);
}

// The fragments of m16n8k32: a register of A is four k of row lane / 4 (+ 8 for the second and fourth) from k =
// 4 * (lane % 4) (+ 16 for the third and fourth); of B four k of column lane / 4; C is row lane / 4 (+ 8), columns
// 2 * (lane % 4) and the next. A test holds this against CUTLASS's description of the instruction.
inline void mma(int (&c)[4], u32 a0, u32 a1, u32 a2, u32 a3, uint2 b) {
    using namespace on_cpu;
    u32 words[6] = {a0, a1, a2, a3, b.x, b.y};
    u32 lane = threadIdx.x % 32;
    exchange(PRODUCT, words, lane, true);
    for (int i = 0; i < 4; i++) {
        u32 row = lane / 4, column = 2 * (lane % 4) + i % 2;
        for (int k = 0; k < 32; k++) {
            const u32* a = exchange(PRODUCT, words, 4 * row + k % 16 / 4, false);
            const u32* w = exchange(PRODUCT, words, 4 * column + k % 16 / 4, false);
            int8_t x = (int8_t)(a[i / 2 + 2 * (k / 16)] >> 8 * (k % 4)), y = (int8_t)(w[4 + k / 16] >> 8 * (k % 4));
            c[i] += x * y;
        }
    }
}

inline int byte_of(u32 word, int i, bool is_signed) {
    return is_signed ? (int8_t)(word >> 8 * i) : (u8)(word >> 8 * i);
}
inline int dot(u32 a, u32 b, int c, bool is_signed) {
    for (int i = 0; i < 4; i++) c += byte_of(a, i, is_signed) * byte_of(b, i, true);
    return c;
}
inline int __dp4a(int a, int b, int c) { return dot(a, b, c, true); }
inline int dot_unsigned(u32 a, u32 b, int c) { return dot(a, b, c, false); }
inline u32 __byte_perm(u32 x, u32 y, u32 selector) {
    uint64_t both = x | (uint64_t)y << 32;
    u32 out = 0;
    for (int i = 0; i < 4; i++) out |= (u32)(both >> 8 * (selector >> 4 * i & 7) & 0xff) << 8 * i;
    return out;
}
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline float __int2float_rn(int a) { return (float)a; }
inline int __float2int_rz(float a) { return a >= 2147483648.0f ? INT32_MAX : (int)a; }
inline u32 __float2uint_rz(float a) { return (u32)a; }
inline u32 __float_as_uint(float a) { u32 b; memcpy(&b, &a, 4); return b; }
inline float __uint_as_float(u32 a) { float b; memcpy(&b, &a, 4); return b; }
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
