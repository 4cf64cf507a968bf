// Runs both kernels of a preset on the CPU: `harness PRESET < in > out`. In: a Model without its pointer, the
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

int main(int, char** argv) {
    struct { const char* name; void (*run)(); } presets[] = {
        {"pico", run<Net<16, 4> >}, {"tiny", run<Net<32, 4> >}, {"nano", run<Net<48, 3> >},
        {"micro", run<Net<128, 4> >}, {"mini", run<Net<192, 6> >},
    };
    for (auto& preset : presets)
        if (!strcmp(argv[1], preset.name)) return preset.run(), 0;
    on_cpu::fail("no such preset");
}
