// A CUDA driver whose one device is the CPU: as much of libcuda as the program calls. It runs the kernels of
// kernels.cu, so a test can run the whole program with --device cuda where there is no GPU. A stream's work is
// done when somebody waits for it and not before, so that who does not wait reads nonsense.
#include <mutex>
#include "kernels.cu"

typedef int Result;
enum { OK = 0, INVALID = 1, NO_MEMORY = 2, LAUNCH_FAILED = 719 };

// SURPRISAL_TEST_GPU: "wrong N", a device that computes something else from launch N on (from 1); "garbage N", one whose
// rows are none from there on; "fails N", one that does not run; "memory", one without any.
static bool is(const char* how, long launch) {
    const char* said = getenv("SURPRISAL_TEST_GPU");
    size_t len = strlen(how);
    return said && !strncmp(said, how, len) && launch >= atol(said + len);
}

static std::mutex running;
static long launches;
static bool garbage() { return is("garbage", launches); }

struct Stream { std::vector<std::function<Result()>> work; };
struct Function {
    const char* name;
    std::function<void(bool)> (*prepare)(u32, u32, size_t, void**); // copies the arguments
};

// A kernel and how it goes wrong.
template <class N> static std::function<void(bool)> step(u32 blocks, u32 threads, size_t shared, void** a) {
    Model m = *(Model*)a[0];
    Steps s = *(Steps*)a[1];
    return [=](bool wrong) {
        on_cpu::launch(blocks, threads, shared, [&] { step_kernel<N>(m, s); });
        for (u32 tile = 0; wrong && tile < s.tiles; tile++) s.rows[tile * LINES * m.stride + 1] += 5;
        if (garbage()) for (u32 i = 0; i < s.tiles * LINES * m.stride; i++) s.rows[i] = i * 2654435761u >> (i % 32);
    };
}
template <class N> static std::function<void(bool)> known(u32 blocks, u32 threads, size_t shared, void** a) {
    Model m = *(Model*)a[0];
    Known k = *(Known*)a[1];
    return [=](bool wrong) {
        on_cpu::launch(blocks, threads, shared, [&] { known_kernel<N>(m, k); });
        if (wrong) k.slots[40].y++;
    };
}

#define BOTH(name, w, h) {#name "_step", step<Net<w, h> >}, {#name "_known", known<Net<w, h> >}
static Function functions[] = {BOTH(pico, 16, 4), BOTH(tiny, 32, 4), BOTH(nano, 48, 3), BOTH(micro, 128, 4), BOTH(mini, 192, 6)};

extern "C" {
Result cuInit(u32) { return OK; }
Result cuGetErrorName(Result, const char** name) { return *name = "an error", OK; }
Result cuGetErrorString(Result, const char** text) { return *text = "an error of the driver on the CPU", OK; }
Result cuDeviceGetCount(int* count) { return *count = 1, OK; }
Result cuDeviceGet(int* device, int ordinal) { return *device = ordinal, ordinal == 0 ? OK : INVALID; }
Result cuDeviceGetName(char* name, int len, int) { return snprintf(name, len, "the CPU in place of a GPU"), OK; }
Result cuDeviceGetAttribute(int* value, int attribute, int) {
    switch (attribute) {
        case 16: *value = 2; return OK;      // multiprocessors
        case 75: *value = 8; return OK;      // compute capability
        case 97: *value = 232448; return OK; // shared memory of a block
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
Result cuFuncSetAttribute(void*, int, int value) { return value <= 232448 ? OK : INVALID; }
Result cuMemAlloc_v2(uint64_t* pointer, size_t bytes) {
    void* p = nullptr;
    if (is("memory", 0) || posix_memalign(&p, 256, bytes)) return NO_MEMORY;
    return memset(p, 0x5a, bytes), *pointer = (uint64_t)p, OK;
}
Result cuMemFree_v2(uint64_t pointer) { return free((void*)pointer), OK; }
Result cuMemHostAlloc(void** pointer, size_t bytes, u32 flags) {
    if (flags != 3) return INVALID; // portable, mapped
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
    for (auto& work : stream->work)
        if (result == OK) result = work();
    return stream->work.clear(), result;
}
Result cuLaunchKernel(Function* f, u32 blocks, u32, u32, u32 threads, u32, u32, u32 shared, Stream* stream, void** arguments, void**) {
    auto kernel = f->prepare(blocks, threads, shared, arguments);
    stream->work.push_back([=] {
        std::lock_guard<std::mutex> one(running);
        if (is("fails", ++launches)) return LAUNCH_FAILED;
        return kernel(is("wrong", launches)), OK;
    });
    return OK;
}
}
