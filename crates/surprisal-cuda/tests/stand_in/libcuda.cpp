// A CUDA driver whose one device is the CPU: as much of libcuda as the program calls. It runs the kernels of
// kernels.cu, so tests run kernels, host and the whole program where there is no GPU. A stream's work is done when it
// is waited for and not before, so that reading without waiting shows.
#include <algorithm>
#include <mutex>
#include <time.h>
#include "kernels.cu"

typedef int Result;
enum { OK = 0, INVALID = 1, NO_MEMORY = 2, LAUNCH_FAILED = 719 };

// SURPRISAL_TEST_GPU: "wrong N", a device that computes something else from launch N on (from 1); "garbage N", one that
// decodes to anything from there on; "fails N", one that does not run; "memory", one without any. "instant", one that takes
// no time, which shows what the host does beside a device: for the lines that benches/gpu_host.py makes. At the end it says on
// stderr how many seconds of processor time it took all the same.
static bool is(const char* how, long launch) {
    const char* said = getenv("SURPRISAL_TEST_GPU");
    size_t len = strlen(how);
    return said && !strncmp(said, how, len) && launch >= atol(said + len);
}

static std::mutex running;
static double seconds; // of processor time in place of the device
static double now() {
    timespec t;
    return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), t.tv_sec + 1e-9 * t.tv_nsec;
}
static long launches;
static bool garbage() { return is("garbage", launches); }

// Where a token's slots begin by the instant device: lines are abcdefgh+ijklmnop=hgfedcba0, of any digits.
static u32 instant_left(u32 token, u32 position, const u8* line) {
    if (token >= 14) return SLOTS;
    if (position < 8 || (position > 8 && position < 17)) return token <= 10 ? (SLOTS - 14) / 10 * token : SLOTS - 14 + token;
    u32 plus = 12, equals = 13, end = 11;
    u32 sure = position == 8 ? plus : position == 17 ? equals : position < 26 ? line[(26 - position) * LINES] : position == 26 ? 0 : end;
    return token <= sure ? token : SLOTS - 14 + token;
}

struct Stream { std::vector<std::function<Result()>> work; };
struct Function {
    const char* name;
    std::function<void(bool)> (*prepare)(u32, u32, size_t, void**); // copies the arguments
    int most_shared;
};
static const int MOST_SHARED = 232448; // of a block, if it is asked for

// A kernel and how it goes wrong.
template <class N> static std::function<void(bool)> known(u32 blocks, u32 threads, size_t shared, void** a) {
    Model m = *(Model*)a[0];
    Known k = *(Known*)a[1];
    if (is("instant", 0) && k.tiles > 1)
        return [=](bool) {
            for (u32 i = 0; i < k.tiles * m.block * LINES; i++) {
                u32 tile = i / (m.block * LINES), position = i / LINES % m.block;
                const u8* line = k.tokens + (size_t)tile * (m.block + 1) * LINES + i % LINES;
                u32 token = line[(position + 1) * LINES], left = instant_left(token, position, line);
                u32 group = tile / k.group_tiles * m.block + position;
                k.slots[(group * k.group_tiles + tile % k.group_tiles) * LINES + i % LINES] =
                    make_uint2(left, instant_left(token + 1, position, line) - left);
            }
        };
    return [=](bool wrong) {
        on_cpu::launch(blocks, threads, shared, [&] { known_kernel<N>(m, k); });
        if (wrong) k.slots[2 * k.group_tiles * LINES + 8].y++; // of line 8 at position 2
    };
}

// What the instant device decodes a stream to.
static void decode_instantly(const Model& m, const Decode& d, u32 index) {
    CodedLines& of = d.streams[index];
    if (of.fate != GOES_ON) return;
    u64 offset = 0, range = ~0ull;
    u32 read = 0;
    auto shift = [&] { offset = offset << 32 | (read < of.count ? d.words[of.words + read] : 0), read++; };
    shift(), shift();
    u32 groups = (of.lines + TEAM * LINES - 1) / (TEAM * LINES);
    for (u32 group = 0; group < groups; group++) {
        u8* tokens = d.tokens + (size_t)(index * d.most_groups + group) * m.block * TEAM * LINES;
        u32 lines = std::min(of.lines - group * TEAM * LINES, TEAM * LINES);
        for (u32 position = 0; position < m.block; position++)
            for (u32 line = 0; line < lines; line++) {
                // Its tokens stand as far apart as `instant_left` expects, from the start symbol.
                static thread_local u8 known[64][32 * LINES];
                u64 scale = range >> 20;
                u32 token = 0;
                while (token + 1 < m.vocab && instant_left(token + 1, position, known[line]) * scale <= offset) token++;
                u32 left = instant_left(token, position, known[line]);
                offset -= scale * left, range = scale * (instant_left(token + 1, position, known[line]) - left);
                if (range >> 32 == 0) range <<= 32, shift();
                known[line][(position + 1) * LINES] = tokens[position * TEAM * LINES + line] = (u8)token;
            }
    }
    of.fate = ENDED;
}

template <class N> static std::function<void(bool)> decode(u32 blocks, u32 threads, size_t shared, void** a) {
    Model m = *(Model*)a[0];
    Decode d = *(Decode*)a[1];
    return [=](bool wrong) {
        // Not the lines that the device is compared with the CPU by.
        bool is_instant = is("instant", 0) && d.streams[0].lines > LINES;
        for (u32 i = 0; is_instant && i < d.count; i++) decode_instantly(m, d, i);
        if (!is_instant) on_cpu::launch(blocks, threads, shared, [&] { decode_kernel<N>(m, d); });
        if (wrong) d.tokens[0]++;
        for (u32 i = 0; garbage() && i < d.count; i++) {
            u32 groups = (d.streams[i].lines + TEAM * LINES - 1) / (TEAM * LINES), len = m.block * TEAM * LINES;
            d.streams[i].fate = ENDED;
            for (u32 j = 0; j < groups * len; j++) d.tokens[i * d.most_groups * len + j] = (u8)(j * 2654435761u >> (j % 32));
        }
    };
}

#define BOTH(name, w, h) {#name "_known", known<Net<w, h> >, 49152}, {#name "_decode", decode<Net<w, h> >, 49152}
static Function functions[] = {BOTH(pico, 16, 4), BOTH(tiny, 32, 4), BOTH(nano, 48, 3), BOTH(micro, 128, 4), BOTH(mini, 192, 6)};

extern "C" {
Result cuInit(u32) {
    static int said = is("instant", 0) ? atexit([] { fprintf(stderr, "in place of a device: %.3f s\n", seconds); }) : 0;
    return (void)said, OK;
}
Result cuGetErrorName(Result, const char** name) { return *name = "an error", OK; }
Result cuGetErrorString(Result, const char** text) { return *text = "an error of the driver on the CPU", OK; }
Result cuDeviceGetCount(int* count) { return *count = 1, OK; }
Result cuDeviceGet(int* device, int ordinal) { return *device = ordinal, ordinal == 0 ? OK : INVALID; }
Result cuDeviceGetName(char* name, int len, int) { return snprintf(name, len, "the CPU in place of a GPU"), OK; }
Result cuDeviceGetAttribute(int* value, int attribute, int) {
    switch (attribute) {
        case 16: *value = 2; return OK;      // multiprocessors
        case 75: *value = 8; return OK;      // compute capability
        case 97: *value = MOST_SHARED; return OK;
        default: return INVALID;
    }
}
Result cuDevicePrimaryCtxRetain(void** context, int) { return *context = &functions, OK; }
Result cuCtxSetCurrent(void*) { return OK; }
Result cuModuleLoadData(void** module, const void* ptx) {
    *module = &functions;
    return strstr((const char*)ptx, "_known(") ? OK : INVALID;
}
Result cuModuleGetFunction(void** function, void*, const char* name) {
    for (Function& f : functions)
        if (!strcmp(f.name, name)) return *function = &f, OK;
    return INVALID;
}
Result cuFuncSetAttribute(Function* f, int, int value) { return value > MOST_SHARED ? INVALID : (f->most_shared = value, OK); }
Result cuMemAlloc_v2(uint64_t* pointer, size_t bytes) {
    void* p = nullptr;
    if (is("memory", 0) || posix_memalign(&p, 256, bytes)) return NO_MEMORY;
    if (!is("instant", 0)) memset(p, 0x5a, bytes);
    return *pointer = (uint64_t)p, OK;
}
Result cuMemFree_v2(uint64_t pointer) { return free((void*)pointer), OK; }
Result cuMemHostAlloc(void** pointer, size_t bytes, u32 flags) {
    if (flags != 1) return INVALID; // portable
    return *pointer = malloc(bytes), *pointer ? OK : NO_MEMORY;
}
Result cuMemFreeHost(void* pointer) { return free(pointer), OK; }
static Result copy(void* to, const void* from, size_t bytes, Stream* stream) {
    return stream->work.push_back([=] { return memcpy(to, from, bytes), OK; }), OK;
}
Result cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, Stream* s) { return copy((void*)to, from, bytes, s); }
Result cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, Stream* s) { return copy(to, (void*)from, bytes, s); }
Result cuStreamCreate(Stream** stream, u32) { return *stream = new Stream, OK; }
Result cuStreamDestroy_v2(Stream* stream) { return delete stream, OK; }
Result cuStreamSynchronize(Stream* stream) {
    Result result = OK;
    double began = now();
    for (auto& work : stream->work)
        if (result == OK) result = work();
    double took = now() - began;
    std::lock_guard<std::mutex> one(running);
    return seconds += took, stream->work.clear(), result;
}
Result cuLaunchKernel(Function* f, u32 blocks, u32, u32, u32 threads, u32, u32, u32 shared, Stream* stream, void** arguments, void**) {
    if ((int)shared > f->most_shared) return INVALID;
    auto kernel = f->prepare(blocks, threads, shared, arguments);
    stream->work.push_back([=] {
        std::lock_guard<std::mutex> one(running);
        if (is("fails", ++launches)) return LAUNCH_FAILED;
        return kernel(is("wrong", launches)), OK;
    });
    return OK;
}
}

// An element of a fragment, as CuTe lays it out: a lane's index has the shape (4, 8), that of a value (inner, 2, 2), and
// an index is the sum of coordinates times strides.
struct Layout {
    int lane[2], inner, value[3];
    int at(int thread, int v) const {
        return thread % 4 * lane[0] + thread / 4 * lane[1] + v % inner * value[0] + v / inner % 2 * value[1] +
               v / inner / 2 * value[2];
    }
};

// The product of the stand-in's mma against a plain one, with fragments as NVIDIA's CUTLASS describes them:
// MMA_Traits<SM80_16x8x32_S32S8S8S32_TN> in include/cute/atom/mma_traits_sm80.hpp, whose A is (M, K), B (N, K) and
// C (M, N), the first index running fastest.
extern "C" bool mma_is_the_product_of_matrices() {
    const Layout a_of = {{64, 1}, 4, {16, 8, 256}}, b_of = {{32, 1}, 4, {8, 128, 0}}, c_of = {{32, 1}, 2, {16, 8, 0}};
    std::vector<int8_t> a(16 * 32), b(8 * 32);
    std::vector<int> c(16 * 8), expected(16 * 8);
    u32 seed = 1;
    auto random = [&] { return (int)((seed = seed * 1664525 + 1013904223) >> 16) % 256 - 128; };
    for (auto& x : a) x = (int8_t)random();
    for (auto& x : b) x = (int8_t)random();
    for (auto& x : expected) x = random();
    c = expected;
    for (int m = 0; m < 16; m++)
        for (int n = 0; n < 8; n++)
            for (int k = 0; k < 32; k++) expected[m + 16 * n] += a[m + 16 * k] * b[n + 8 * k];
    on_cpu::launch(1, 32, 0, [&] {
        int lane = (int)threadIdx.x, sums[4];
        u32 ra[4] = {}, rb[2] = {};
        for (int v = 0; v < 16; v++) ra[v / 4] |= (u32)(u8)a[a_of.at(lane, v)] << 8 * (v % 4);
        for (int v = 0; v < 8; v++) rb[v / 4] |= (u32)(u8)b[b_of.at(lane, v)] << 8 * (v % 4);
        for (int v = 0; v < 4; v++) sums[v] = c[c_of.at(lane, v)];
        mma(sums, ra[0], ra[1], ra[2], ra[3], {rb[0], rb[1]});
        for (int v = 0; v < 4; v++) c[c_of.at(lane, v)] = sums[v];
    });
    return c == expected;
}
