// A model as ../src/packed_model.rs has it, and the sizes that are known when a kernel is compiled.
#pragma once
#include "arithmetic.cuh"

// How a lane's sums become outputs: two outputs of two lines. The sums start at 1.5 * 2^23 as bits, less what the
// activations' zero adds: those of a line, then those of the other, which are the same.
struct Outputs { int4 start; float2 scale, bias; };

struct Gelu {
    int clamp, shift;
    int c[5];        // coefficients; from the second on times 2^15, and 2^14 more
};

// Where a layer's products are in the model's bytes: fragments of weights, then Outputs.
struct Layer {
    u32 qkv, qkv_outputs, projection, projection_outputs, expand, expand_outputs, contract, contract_outputs;
    u32 hidden;      // hidden units, a multiple of 4
    u32 chunks;      // chunks of 32 of them
    Gelu gelu;
    float unit;      // 32768 / 2^places
    u32 unused[2];
};

// A model's bytes and where things are in them.
struct Model {
    const u8* bytes;
    u32 staged;      // bytes in front that go to shared memory, where they fit
    u32 warp_bytes;  // shared memory of a warp
    u32 layers, block, vocab, stride;
    u32 head, head_outputs;
    u32 streams, queries, keys_values; // tables by position and token
    float softmax;
};

// What the layers remember of a tile: the first one which row of its table each token had, the others keys and values.
struct Memory {
    u32* rows; // (block / 4, 16, 4), bytes from the table's beginning; those behind the present position are of some row
    u8* cache; // (layers - 1): keys and the scales of both, (block, Net::KEYS); values, (block / 4, 16, W, 4)

    // In front of `memory` are the rows.
    __device__ __forceinline__ Memory(u8* memory, u32 block)
        : rows((u32*)memory), cache(memory + (block + 3) / 4 * 4 * LINES * 4) {}
    // A position's place among the rows of a line, which begin at 4 * line.
    static __device__ __forceinline__ u32 row(u32 position) { return position / 4 * (4 * LINES) + position % 4; }
};

// A shape of networks.
template <int W_, int H_> struct Net {
    static const int W = W_;               // features
    static const int H = H_;               // heads
    static const int F = W / 4;            // features of a lane
    static const int D = W / H;            // features of a head
    static const int Q = D / 4;            // of them a lane's
    static const int CHUNKS = (W + 31) / 32;
    static const int TILE_WEIGHTS = CHUNKS * 32 * 8; // bytes of the weights of a tile of 8 outputs,
    static const int TILE_OUTPUTS = 4 * sizeof(Outputs); // and of what makes outputs of its sums
    static const bool STAGED = W <= 48;    // weights in shared memory
    static const int GROUP = D < 8 ? 8 : D; // features that are rounded at a time, whole heads
    static const int MIXED = 8 * D + 8;    // floats of a head's mixed values, all quads
    static const int KEYS = LINES * (W + 8 * H); // bytes of a position in the cache: keys, their scales, those of values,
    static const int VALUES = LINES * W;         // and its part of the values, of which four positions make a word
    static const int KV_ALIGN = D < 8 ? 4 : D < 16 ? 8 : 16; // of a head's keys and values, as `Words` loads them
    static const int KV_HEAD = (2 * D + 8 + KV_ALIGN - 1) / KV_ALIGN * KV_ALIGN; // bytes of a head in a row of the table
    static const int KV_ROW = (H * KV_HEAD + 15) / 16 * 16; // bytes of a row: keys, values and their scales, head by head
    static const int QUERY = (W + 4 * H + 15) / 16 * 16;
    static const int BLOCKED = W / 8 <= 6 ? W / 8 : 4; // output tiles that share their inputs
};
