// A CUDA driver whose one device is the CPU: as much of libcuda as the program calls. It runs the kernels of
// kernels.cu, so a test can run the whole program with --device cuda where there is no GPU.
#include <mutex>
#include "kernels.cu"

typedef int Result;
enum { OK = 0, INVALID = 1 };
static std::mutex running;

struct Function { const char* name; void (*launch)(u32, u32, size_t, void**); };

template <class N> static void step(u32 blocks, u32 threads, size_t shared, void** a) {
    on_cpu::launch(blocks, threads, shared, [&] { step_kernel<N>(*(Model*)a[0], *(Steps*)a[1]); });
}
template <class N> static void known(u32 blocks, u32 threads, size_t shared, void** a) {
    on_cpu::launch(blocks, threads, shared, [&] { known_kernel<N>(*(Model*)a[0], *(Known*)a[1]); });
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
        case 97: *value = 100000; return OK; // shared memory of a block
        default: return INVALID;
    }
}
Result cuDevicePrimaryCtxRetain(void** context, int) { return *context = &functions, OK; }
Result cuCtxSetCurrent(void*) { return OK; }
Result cuModuleLoadData(void** module, const void* ptx) {
    *module = &functions;
    return strstr((const char*)ptx, ".entry tiny_known(") ? OK : INVALID;
}
Result cuModuleGetFunction(void** function, void*, const char* name) {
    for (Function& f : functions)
        if (!strcmp(f.name, name)) return *function = &f, OK;
    return INVALID;
}
Result cuFuncSetAttribute(void*, int, int value) { return value <= 100000 ? OK : INVALID; }
Result cuMemAlloc_v2(uint64_t* pointer, size_t bytes) {
    void* p = nullptr;
    if (posix_memalign(&p, 256, bytes)) return INVALID;
    return memset(p, 0x5a, bytes), *pointer = (uint64_t)p, OK;
}
Result cuMemFree_v2(uint64_t pointer) { return free((void*)pointer), OK; }
Result cuMemHostAlloc(void** pointer, size_t bytes, u32) { return *pointer = malloc(bytes), *pointer ? OK : INVALID; }
Result cuMemFreeHost(void* pointer) { return free(pointer), OK; }
Result cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, void*) { return memcpy((void*)to, from, bytes), OK; }
Result cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, void*) { return memcpy(to, (void*)from, bytes), OK; }
Result cuStreamCreate(void** stream, u32) { return *stream = &functions, OK; }
Result cuStreamDestroy_v2(void*) { return OK; }
Result cuStreamSynchronize(void*) { return OK; }
// SURPRISAL_TEST_GPU=wrong: a device that computes something else; =fails: one that does not run.
Result cuLaunchKernel(Function* f, u32 blocks, u32, u32, u32 threads, u32, u32, u32 shared, void*, void** arguments, void**) {
    std::lock_guard<std::mutex> one(running);
    static int launches;
    const char* how = getenv("SURPRISAL_TEST_GPU");
    if (how && !strcmp(how, "fails") && ++launches > 1) return INVALID;
    f->launch(blocks, threads, shared, arguments);
    if (how && !strcmp(how, "wrong")) ((Known*)arguments[1])->slots[40].y++;
    return OK;
}
}
