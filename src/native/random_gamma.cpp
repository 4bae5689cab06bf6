// Gamma draws of threefry keys in single precision: `ops/random_gamma.py` tells the method, and does
// the same in NumPy for other dtypes and generators.
#include <algorithm>
#include <cmath>

#include "library.h"

extern "C" void arrax_erf_inv(const int64_t* spec, const float* w, const float* x, float* out);

namespace {

struct Key {
  uint32_t first, second;
};

// Threefry-2x32 of the counter (0, `counter`): the child key of that number.
Key child(Key key, uint32_t counter) {
  const uint32_t keys[3] = {key.first, key.second, key.first ^ key.second ^ 0x1BD11BDAu};
  constexpr int rotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  uint32_t x = keys[0], y = counter + keys[1];
  for (int round = 0; round < 5; round++) {
    for (int distance : rotations[round % 2]) {
      x += y;
      y = (y << distance | y >> (32 - distance)) ^ x;
    }
    x += keys[(round + 1) % 3];
    y += keys[(round + 2) % 3] + uint32_t(round + 1);
  }
  return {x, y};
}

// Each operation is rounded by itself, as NumPy's are.
#if defined(__GNUC__) && !defined(__clang__)
#define ARRAX_NO_CONTRACTION __attribute__((optimize("fp-contract=off")))
#else
#define ARRAX_NO_CONTRACTION
#endif

float uniform(Key key) {
  const Key words = child(key, 0);
  const uint32_t bits = (words.first ^ words.second) >> 9 | 0x3F800000u;
  float one_to_two;
  std::memcpy(&one_to_two, &bits, sizeof(bits));
  return one_to_two - 1.0f;
}

ARRAX_NO_CONTRACTION float normal(Key key) {
  const float low = -0.99999994f;
  const float draw = std::max(low, uniform(key) * (1.0f - low) + low);
  const float w = float(-std::log1p(double(draw * -draw)));
  const int64_t one = 1;
  float result;
  arrax_erf_inv(&one, &w, &draw, &result);
  return float(M_SQRT2) * result;
}

// An accepted v, so that d v is a gamma draw with a = d + 1/3.
ARRAX_NO_CONTRACTION float cube(Key key, float d) {
  const float scale = float(1.0 / 3) / std::sqrt(d);
  while (true) {
    Key inner = child(key, 1);
    const float u = uniform(child(key, 2));
    key = child(key, 0);
    float x, root;
    do {
      x = normal(child(inner, 1));
      inner = child(inner, 0);
      root = 1.0f + x * scale;
    } while (root <= 0.0f);
    const float square = x * x, v = root * root * root;
    const bool quick = u >= 1.0f - 0.0331f * (square * square);
    if (!(quick && std::log(u) >= square * 0.5f + d * (1.0f - v + std::log(v)))) return v;
  }
}

ARRAX_NO_CONTRACTION float draw_gamma(Key key, float a, bool log_space) {
  const bool big = a >= 1.0f;
  const float d = (big ? a : a + 1.0f) - float(1.0 / 3);
  const float v = cube(child(key, 0), d), u = uniform(child(key, 1));
  if (!log_space) return d * v * (big ? 1.0f : std::pow(1.0f - u, 1.0f / a));
  const float log_u = std::log1p(-u);
  return std::log(d) + std::log(v) + (big || log_u == 0.0f ? 0.0f : log_u * (1.0f / a));
}

}  // namespace

// A draw for each key (pair of words) and parameter. spec: count, whether to give logarithms.
extern "C" void arrax_random_gamma(const int64_t* spec, const uint32_t* keys, const float* a,
                                   float* out) {
  const bool log_space = spec[1] != 0;
  parallel(spec[0], 256, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
      out[i] = draw_gamma({keys[2 * i], keys[2 * i + 1]}, a[i], log_space);
  });
}

ARRAX_SYMBOLS({"arrax_random_gamma", library_function<arrax_random_gamma>()});
