// The range decoder of a block's stream (docs/format.md, "Coded lines"), which all lanes of a warp hold alike.
#pragma once
#include "layers.cuh"

typedef unsigned long long u64;

struct RangeDecoder {
    u64 offset;       // the point, less the lower end of the range
    u64 range;
    const u32* words;
    u32 read, count;  // of the words
    u32 next;         // the word to come, 0 behind the last

    RangeDecoder() = default;
    // At the beginning of the words.
    __device__ __forceinline__ RangeDecoder(const u32* words, u32 count) : RangeDecoder(words, count, 0, 0, ~0ull) {
        shift();
        shift();
    }
    // Where another stood.
    __device__ __forceinline__ RangeDecoder(const u32* words, u32 count, u32 read, u64 offset, u64 range)
        : offset(offset), range(range), words(words), read(read), count(count), next(read < count ? words[read] : 0) {}

    // Takes the next word in.
    __device__ __forceinline__ void shift() {
        offset = offset << 32 | next;
        read++;
        next = read < count ? words[read] : 0;
    }

    // Decodes the symbol of a row of cumulative probabilities, 8 words apart, whose first 32 the lanes have in `begin`, SLOTS
    // behind the last. It is the last that begins at or before the offset, and as many do as lanes say so. One that is not
    // below `vocab` comes out where the words are no encoder's.
    __device__ __forceinline__ u32 decode(u32 begin, const u32* row, u32 vocab, u32 lane) {
        u64 scale = range >> 20;
        u32 symbol = __popc(__ballot_sync(ALL, begin * scale <= offset)) - 1;
        for (u32 first = 32; symbol == first - 1 && first <= vocab; first += 32) {
            begin = first + lane < vocab ? row[8 * (first + lane)] : SLOTS;
            symbol += __popc(__ballot_sync(ALL, begin * scale <= offset));
        }
        u32 in_row = min(symbol, vocab - 1);
        u32 left = row[8 * in_row], right = in_row + 1 < vocab ? row[8 * (in_row + 1)] : SLOTS;
        offset -= scale * left;
        range = scale * (right - left);
        if (range >> 32 == 0) {
            range <<= 32;
            shift();
        }
        return symbol;
    }

    // Whether all words were read and nothing is left, as far as that shows.
    __device__ __forceinline__ bool is_exhausted() const {
        return read >= count && (range == ~0ull || offset < (1ull << 33) - 1);
    }
};
