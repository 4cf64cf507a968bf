// The exact network on a GPU: the same integers as src/network/scalar.rs, bit for bit.
//
// A warp takes a tile of 16 lines. Quad g of its lanes (lanes 4g to 4g + 3) has lines g and g + 8, and lane
// t of a quad owns the features i with i mod 4 = t: its partial sum is the definition's part t, and two
// shuffles add the four parts in the definition's order. Products go to the tensor cores
// (mma.m16n8k32, int8). Which input has which k and which output which column is ours to choose, since
// integer sums have no order, so the host packs the weights such that a lane feeds in the features that
// it owns and gets out the features that it owns: between two products no lane needs another's numbers.
// Only attention, where a lane takes whole heads, exchanges rows, through the warp's shared memory.
// docs/gpu.md has the reasons and the arithmetic.
//
// ../ptx/ is made from this file and what it includes by build.sh; a test holds the two together. ../tests/stand_in/
// compiles them for the CPU.
#include "decoder.cuh"

// The tokens of a lane's two lines, of those of a tile.
struct Tokens {
    u32 of[2];
    __device__ __forceinline__ Tokens(const u8* tile, int lane) {
        of[0] = tile[lane / 4], of[1] = tile[8 + lane / 4];
    }
};

// One position of a tile, from its tokens there to the weights of the symbols that may come next, in `scratch`.
template <class N>
__device__ __forceinline__ void run_position(const Model& m, const u8* bytes, int lane, u8* scratch, u32 position,
                                             const Tokens& tokens, const Memory& memory) {
    int g = lane / 4, t = lane % 4;
    float x[2][N::F];
    u32 record[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
        record[r] = position * m.vocab + tokens.of[r];
        const float4* from = (const float4*)(m.bytes + m.streams) + (size_t)record[r] * N::F + t * (N::F / 4);
#pragma unroll
        for (int j = 0; j < N::F / 4; j++) {
            float4 v = from[j];
            x[r][4 * j] = v.x, x[r][4 * j + 1] = v.y, x[r][4 * j + 2] = v.z, x[r][4 * j + 3] = v.w;
        }
    }
    // The first layer reads four positions at a time: those behind this one have its row until they come.
    uint4* rows = (uint4*)(memory.rows + position / 4 * (4 * LINES)) + 8 * (t % 2) + g;
    u32 row = (t % 2 ? record[1] : record[0]) * N::KV_ROW;
    if (t / 2 == 0 && position % 4 == 0) *rows = make_uint4(row, row, row, row);
    if (t / 2 == 1 && position % 4 != 0) ((u32*)rows)[position % 4] = row;
    __syncwarp();
    Attention<N> attention = {scratch, (m.block + 3) / 4 * 4, lane};
    for (u32 index = 0; index < m.layers; index++) {
        const Layer& l = ((const Layer*)bytes)[index];
        Inputs<N> in;
        u8 *keys = memory.cache, *values = keys + attention.positions * N::KEYS;
        if (index > 0) {
            size_t before = (size_t)(index - 1) * attention.positions * (N::KEYS + N::VALUES);
            keys += before, values += before;
            in.norm(x, lane);
            attention.project(bytes + l.qkv, bytes + l.qkv_outputs, in, m.softmax, keys + position * N::KEYS,
                              values + position / 4 * (4 * N::VALUES) + position % 4);
        }
#pragma unroll 1
        for (int task = t; task < 2 * N::H; task += 4) {
            int r = task / N::H, h = task % N::H, line = 8 * r + g;
            if (index == 0) {
                const u8* queries = m.bytes + m.queries + (size_t)(r ? record[1] : record[0]) * N::QUERY;
                TableRows<N> rows(m.bytes + m.keys_values + h * N::KV_HEAD, memory.rows + 4 * line);
                attention.mix(r, h, position, queries + h * N::D, ((const float*)(queries + N::W))[h], rows);
            } else {
                int own = line * N::H + h;
                CacheRows<N> rows(keys, values, line, h);
                attention.mix(r, h, position, attention.queries() + own * N::D, attention.query_scales()[own], rows);
            }
        }
        __syncwarp();
        attention.collect(in);
#pragma unroll
        for (int tile = 0; tile < N::W / 8; tile++) {
            float y[2][2];
            in.product(bytes + l.projection, bytes + l.projection_outputs, tile, lane, y);
#pragma unroll
            for (int r = 0; r < 2; r++) {
                x[r][2 * tile] = add(x[r][2 * tile], y[r][0]);
                x[r][2 * tile + 1] = add(x[r][2 * tile + 1], y[r][1]);
            }
        }
        __syncwarp(); // the hidden layer takes the place of what attention mixed
        feed_forward<N>(bytes, l, lane, (u32*)scratch, x);
        __syncwarp();
    }
    distribution<N>(m, bytes, lane, (float*)scratch, x);
}

// The weights, in shared memory where they fit, and this warp's part of the rest of it.
template <class N> __device__ __forceinline__ const u8* stage(const Model& m, u8* shared, u8*& scratch) {
    u32 staged = N::STAGED ? m.staged : 0;
    scratch = shared + staged + uniform(threadIdx.x / 32) * m.warp_bytes;
    if (!N::STAGED) return m.bytes;
    for (u32 at = 16 * threadIdx.x; at < staged; at += 16 * blockDim.x) begin_copy(shared + at, m.bytes + at);
    copied();
    __syncthreads();
    return shared;
}

// All positions of many tiles of known lines; what comes back are the slots of each token behind another.
struct Known {
    u8* memory;          // a Memory for each warp of the grid
    const u8* tokens;    // (tiles, block + 1, 16)
    const u32* lengths;  // (tiles): positions to take
    uint2* slots;        // (groups, block, tiles of a group, 16): left end and width of the next token's
    unsigned long long memory_bytes; // of a warp
    u32 tiles, group_tiles;
};

template <class N> __device__ __forceinline__ void known_kernel(const Model& m, const Known& k) {
    SHARED(shared);
    u8* scratch;
    const u8* bytes = stage<N>(m, shared, scratch);
    int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    u32 warp = blockIdx.x * (blockDim.x / 32) + uniform(threadIdx.x / 32), warps = gridDim.x * (blockDim.x / 32);
    for (u32 tile = warp; tile < k.tiles; tile += warps) {
        const u8* tokens = k.tokens + (size_t)tile * (m.block + 1) * LINES;
        Memory memory(k.memory + warp * k.memory_bytes, m.block);
        uint2* to = k.slots + ((size_t)(tile / k.group_tiles) * m.block * k.group_tiles + tile % k.group_tiles) * LINES + 8 * t + g;
        u32 length = uniform(k.lengths[tile]);
        for (u32 position = 0; position < length; position++) {
            run_position<N>(m, bytes, lane, scratch, position, Tokens(tokens + position * LINES, lane), memory);
            if (t < 2) {
                float* row = (float*)scratch + t * (8 * m.stride + 8) + g;
                to[(size_t)position * k.group_tiles * LINES] = slots(m, row, tokens[(position + 1) * LINES + 8 * t + g]);
            }
            __syncwarp();
        }
    }
}

// Streams of lines, each of which a team of four warps decodes by itself: its 64 lines are four tiles. A launch takes the next
// groups of each, so that none takes long, and streams that have no place yet get one between two.
struct CodedLines {
    u64 offset, range;        // of the decoder behind the groups so far
    u32 read;                 // words, 0 at the beginning
    u32 words, count, lines;  // where its words begin, how many they are, lines
    u32 groups;               // decoded so far
    u32 fate;
};
struct Decode {
    u8* memory;            // a Memory for each warp of the grid
    const u32* words;      // of all streams
    CodedLines* streams;
    u8* tokens;            // (streams, groups, block, 64); behind a line's end symbol stand more of them
    unsigned long long memory_bytes; // of a warp
    u32 count, most_groups;          // streams, and the most groups of one
    u32 groups;                      // to decode of each in this launch
    u32 start, end;                  // symbols
};
static const u32 TEAM = 4;
static const u32 TEAM_BYTES = 80, TILE_TOKENS = 16;
// Of a group, and of a stream, which has ended well if the words end where the lines do.
enum { GOES_ON, ENDED, UNDECODABLE };

// What the warps of a team tell each other, behind what its first warp needs for itself, and a tile's tokens behind what
// each needs: TEAM_BYTES of each warp's shared memory.
struct Team {
    RangeDecoder decoder;
    u32 running[2]; // lines that have not ended, a bit for each
    u32 outcome;
};

// Decodes the symbols of a position in the order of lines: a warp does this for its team, whose rows begin in `rows`.
__device__ __forceinline__ void decode_position(const Model& m, const Decode& d, u32 lane, u8* rows, Team* team, bool is_last,
                                                u8* tokens) {
    RangeDecoder decoder = team->decoder;
    u32 left = 0, undecodable = 0;
#pragma unroll 1
    for (u32 half = 0; half < 2; half++) {
        u32 running = team->running[half], line = 32 * half + lane; // this lane's line
        u8* tile = rows + line / LINES * m.warp_bytes;
        u32 row_of_line = tile - rows + 4 * (line % LINES / 8 * (8 * m.stride + 8) + line % 8);
        auto row_of = [&](u32 bit) { return (const u32*)(rows + __shfl_sync(ALL, row_of_line, bit, 32)); };
        auto begin_of = [&](const u32* row) { return lane < m.vocab ? row[8 * lane] : SLOTS; };
        u32 mine = d.end;
        const u32* row = row_of(__ffs(running) - 1);
        u32 begin = begin_of(row);
#pragma unroll 1
        for (u32 rest = running; rest != 0;) {
            u32 bit = __ffs(rest) - 1;
            rest &= rest - 1;
            // The next row is on its way meanwhile: any, behind the last.
            const u32* next_row = row_of(__ffs(rest) - 1);
            u32 next_begin = begin_of(next_row);
            u32 token = decoder.decode(begin, row, m.vocab, lane);
            if (lane == bit) mine = token;
            row = next_row, begin = next_begin;
        }
        undecodable |= __ballot_sync(ALL, mine >= m.vocab || mine == d.start);
        running = __ballot_sync(ALL, mine != d.end);
        left |= running;
        (tile + m.warp_bytes - TILE_TOKENS)[line % LINES] = (u8)mine;
        tokens[line] = (u8)mine;
        __syncwarp();
        team->running[half] = running;
    }
    team->decoder = decoder;
    team->outcome = undecodable != 0 || (left != 0 && is_last) ? UNDECODABLE : left != 0 ? GOES_ON : ENDED;
}

template <class N> __device__ __forceinline__ void decode_kernel(const Model& m, const Decode& d) {
    SHARED(shared);
    u8* scratch;
    const u8* bytes = stage<N>(m, shared, scratch);
    u32 lane = threadIdx.x % 32, warp = uniform(threadIdx.x / 32), number = warp / TEAM, tile = warp % TEAM;
    u32 teams = blockDim.x / (32 * TEAM);
    u8 *rows = scratch - tile * m.warp_bytes, *own_tokens = scratch + m.warp_bytes - TILE_TOKENS;
    Team* team = (Team*)(rows + m.warp_bytes - TEAM_BYTES);
    Memory memory(d.memory + (blockIdx.x * (blockDim.x / 32) + warp) * d.memory_bytes, m.block);
    for (u32 index = blockIdx.x * teams + number; index < d.count; index += gridDim.x * teams) {
        // Teams take turns with who decodes, since each scheduler of a multiprocessor has the same warp of all teams.
        bool decodes = tile == index % TEAM;
        CodedLines& stream = d.streams[index];
        u32 lines = stream.lines, groups = stream.groups, until = groups + d.groups, fate = stream.fate;
        if (decodes) {
            const u32* words = d.words + stream.words;
            team->decoder = stream.read == 0 ? RangeDecoder(words, stream.count)
                                             : RangeDecoder(words, stream.count, stream.read, stream.offset, stream.range);
        }
        for (; fate == GOES_ON && groups < until; groups++) {
            u32 rest = lines - groups * (TEAM * LINES);
            if (lane < LINES) own_tokens[lane] = (u8)d.start;
            if (decodes) {
                team->running[0] = rest < 32 ? (1u << rest) - 1 : ALL;
                team->running[1] = rest < 32 ? 0 : rest < 64 ? (1u << (rest - 32)) - 1 : ALL;
            }
            __syncwarp();
            u32 position = 0, outcome;
            do {
                if (tile * LINES < rest) {
                    run_position<N>(m, bytes, lane, scratch, position, Tokens(own_tokens, lane), memory);
                    if (lane % 4 < 2) cumulate(m, (float*)scratch + lane % 4 * (8 * m.stride + 8) + lane / 4);
                }
                team_barrier(number);
                if (decodes) {
                    u8* tokens = d.tokens + ((size_t)(index * d.most_groups + groups) * m.block + position) * (TEAM * LINES);
                    decode_position(m, d, lane, rows, team, position + 1 == m.block, tokens);
                }
                team_barrier(number);
                outcome = team->outcome;
                position++;
            } while (outcome == GOES_ON);
            if (outcome == UNDECODABLE) fate = UNDECODABLE;
            else if (rest <= TEAM * LINES) fate = team->decoder.is_exhausted() ? ENDED : UNDECODABLE;
        }
        if (decodes && lane == 0) {
            stream.offset = team->decoder.offset, stream.range = team->decoder.range, stream.read = team->decoder.read;
            stream.groups = groups, stream.fate = fate;
        }
        team_barrier(number); // what the team was told has been read
    }
}

// The most threads of a block, as ../src/device_model.rs launches them: those for which a multiprocessor has registers, and in
// shared memory room for what they need.
// One block a multiprocessor, or the compiler makes room for two by keeping registers in memory.
#define KERNELS(name, width, heads, threads)                                                     \
    extern "C" __global__ void __launch_bounds__(threads, 1) name##_known(Model m, Known k) {    \
        known_kernel<Net<width, heads> >(m, k);                                                  \
    }                                                                                            \
    extern "C" __global__ void __launch_bounds__(threads, 1) name##_decode(Model m, Decode d) {  \
        decode_kernel<Net<width, heads> >(m, d);                                                 \
    }

// Each preset by itself: the driver compiles what it loads.
#if defined(PICO)
KERNELS(pico, 16, 4, 768)
#elif defined(TINY)
KERNELS(tiny, 32, 4, 768)
#elif defined(NANO)
KERNELS(nano, 48, 3, 512)
#elif defined(MICRO)
KERNELS(micro, 128, 4, 256)
#elif defined(MINI)
KERNELS(mini, 192, 6, 256)
#endif
