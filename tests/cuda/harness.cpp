// Runs both kernels of a preset on the CPU: `harness PRESET < in > out`; `harness mma` checks the product. In: a Model without its pointer, the
// length of its bytes and the number of tiles, all as u32; the bytes; tokens (tiles, block + 1, 16). Out: what the
// step kernel gives, (block, tiles, 16, stride) u32, then what the known kernel gives, (tiles, block, 16) uint2.
#include "kernels.cu"

static void get(void* to, size_t bytes) {
    if (fread(to, 1, bytes, stdin) != bytes) on_cpu::fail("the input is too short");
}

template <class N> static void run() {
    Model m;
    u32 words[12], len, tiles;
    get(words, sizeof words), get(&len, 4), get(&tiles, 4);
    memcpy(&m.staged, words, sizeof words);
    std::vector<uint4> bytes(len / 16 + 1);
    get(bytes.data(), len);
    m.bytes = (u8*)bytes.data();
    std::vector<u8> tokens((size_t)tiles * (m.block + 1) * LINES);
    get(tokens.data(), tokens.size());
    const u32 warps = 2;
    size_t shared = (N::STAGED ? m.staged : 0) + warps * m.warp_bytes;
    size_t cache_bytes = (size_t)(m.layers - 1) * m.block * N::POSITION;
    std::vector<uint4> cache(tiles * cache_bytes / 16 + 1);

    // One tile beyond the last stays idle.
    std::vector<u8> history((size_t)tiles * m.block * LINES), next((tiles + 1) * LINES);
    std::vector<u32> positions(tiles + 1), rows((tiles + 1) * LINES * m.stride);
    for (u32 position = 0; position < m.block; position++) {
        for (u32 tile = 0; tile < tiles; tile++) {
            positions[tile] = position;
            memcpy(&next[tile * LINES], &tokens[(size_t)(tile * (m.block + 1) + position) * LINES], LINES);
        }
        positions[tiles] = IDLE;
        Steps s = {(u8*)cache.data(), history.data(), next.data(), positions.data(), rows.data(), cache_bytes, tiles + 1};
        on_cpu::launch((tiles + warps) / warps, 32 * warps, shared, [&] { step_kernel<N>(m, s); });
        fwrite(rows.data(), 4, tiles * LINES * m.stride, stdout);
    }

    // Fewer warps than tiles: a warp takes one after another with the same memory.
    std::vector<u32> lengths(tiles, m.block);
    std::vector<uint2> slots((size_t)tiles * m.block * LINES);
    std::vector<uint4> again(warps * cache_bytes / 16 + 1);
    Known k = {(u8*)again.data(), tokens.data(), lengths.data(), slots.data(), cache_bytes, tiles};
    on_cpu::launch(1, 32 * warps, shared, [&] { known_kernel<N>(m, k); });
    fwrite(slots.data(), sizeof(uint2), slots.size(), stdout);
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
static void check_mma() {
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
    if (c != expected) on_cpu::fail("mma is not the product of the matrices");
}

int main(int, char** argv) {
    if (!strcmp(argv[1], "mma")) return check_mma(), 0;
    struct { const char* name; void (*run)(); } presets[] = {
        {"pico", run<Net<16, 4> >}, {"tiny", run<Net<32, 4> >}, {"nano", run<Net<48, 3> >},
        {"micro", run<Net<128, 4> >}, {"mini", run<Net<192, 6> >},
    };
    for (auto& preset : presets)
        if (!strcmp(argv[1], preset.name)) return preset.run(), 0;
    on_cpu::fail("no such preset");
}
