// Random bits by Threefry-2x32 (Salmon et al., 2011), in JAX's "partitionable" order: element i
// comes from the 64-bit counter i alone.
#include "library.h"

namespace {

constexpr int64_t kBlock = 512;

// Twenty rounds on a block of counters; plain loops over lanes, so that they vectorize.
ARRAX_VECTORIZE void threefry_block(uint32_t key0, uint32_t key1, uint64_t start,
                                    uint32_t* __restrict first, uint32_t* __restrict second) {
  const uint32_t keys[3] = {key0, key1, key0 ^ key1 ^ 0x1BD11BDAu};
  constexpr int rotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  constexpr int lanes = 32;
  for (int64_t base = 0; base < kBlock; base += lanes) {
    uint32_t x[lanes], y[lanes];
    for (int j = 0; j < lanes; j++) {
      const uint64_t counter = start + uint64_t(base + j);
      x[j] = uint32_t(counter >> 32) + keys[0];
      y[j] = uint32_t(counter) + keys[1];
    }
#pragma GCC unroll 5
    for (int round = 0; round < 5; round++) {
#pragma GCC unroll 4
      for (int step = 0; step < 4; step++) {
        const int distance = rotations[round % 2][step];
        for (int j = 0; j < lanes; j++) {
          x[j] += y[j];
          y[j] = (y[j] << distance | y[j] >> (32 - distance)) ^ x[j];
        }
      }
      for (int j = 0; j < lanes; j++) {
        x[j] += keys[(round + 1) % 3];
        y[j] += keys[(round + 2) % 3] + uint32_t(round + 1);
      }
    }
    for (int j = 0; j < lanes; j++) first[base + j] = x[j], second[base + j] = y[j];
  }
}

// The same for keys and counters that differ from lane to lane.
ARRAX_VECTORIZE void threefry_range(const uint32_t* __restrict key0, const uint32_t* __restrict key1,
                                    const uint32_t* __restrict x0, const uint32_t* __restrict y0,
                                    int64_t count, uint32_t* __restrict first,
                                    uint32_t* __restrict second) {
  constexpr int rotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  for (int64_t i = 0; i < count; i++) {
    const uint32_t keys[3] = {key0[i], key1[i], key0[i] ^ key1[i] ^ 0x1BD11BDAu};
    uint32_t x = x0[i] + keys[0], y = y0[i] + keys[1];
#pragma GCC unroll 5
    for (int round = 0; round < 5; round++) {
#pragma GCC unroll 4
      for (int step = 0; step < 4; step++) {
        const int distance = rotations[round % 2][step];
        x += y;
        y = (y << distance | y >> (32 - distance)) ^ x;
      }
      x += keys[(round + 1) % 3];
      y += keys[(round + 2) % 3] + uint32_t(round + 1);
    }
    first[i] = x;
    second[i] = y;
  }
}

template <class T>
void write_bits(const uint32_t* x, const uint32_t* y, int64_t count, T* out) {
  for (int64_t j = 0; j < count; j++)
    out[j] = sizeof(T) == 8 ? T(uint64_t(x[j]) << 32 | y[j]) : T(x[j] ^ y[j]);
}

}  // namespace

// For each of `keys` keys (pairs of uint32), `count` random integers of `bytes` bytes.
// spec: keys, count, bytes.
extern "C" void arrax_threefry_bits(const int64_t* spec, const uint32_t* key, void* out) {
  const int64_t keys = spec[0], count = spec[1], bytes = spec[2];
  const int64_t blocks = ceil_div(count, kBlock);
  parallel(keys * blocks, 32, [&](int64_t begin, int64_t end) {
    uint32_t x[kBlock], y[kBlock];
    for (int64_t task = begin; task < end; task++) {
      const int64_t which = task / blocks, start = task % blocks * kBlock;
      threefry_block(key[2 * which], key[2 * which + 1], uint64_t(start), x, y);
      const int64_t size = least(kBlock, count - start);
      char* to = (char*)out + (which * count + start) * bytes;
      switch (bytes) {
        case 1: write_bits(x, y, size, (uint8_t*)to); break;
        case 2: write_bits(x, y, size, (uint16_t*)to); break;
        case 4: write_bits(x, y, size, (uint32_t*)to); break;
        case 8: write_bits(x, y, size, (uint64_t*)to); break;
      }
    }
  });
}

// Threefry of `count` keys and counters: first[i], second[i] from (key0[i], key1[i]) and (x[i], y[i]).
// spec: count.
extern "C" void arrax_threefry_words(const int64_t* spec, const uint32_t* key0,
                                     const uint32_t* key1, const uint32_t* x, const uint32_t* y,
                                     uint32_t* first, uint32_t* second) {
  parallel(spec[0], 1 << 14, [&](int64_t begin, int64_t end) {
    threefry_range(key0 + begin, key1 + begin, x + begin, y + begin, end - begin, first + begin,
                   second + begin);
  });
}

ARRAX_SYMBOLS({"arrax_threefry_bits", library_function<arrax_threefry_bits>()},
              {"arrax_threefry_words", library_function<arrax_threefry_words>()});
