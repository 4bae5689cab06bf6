// Kernels that compiled programs call: matrix products, convolutions, sorts, scans, indexing, FFTs,
// random bits. Every function takes `spec`, a constant array of int64 that describes the call,
// then pointers to contiguous data; `engines/cpu/kernels/library.py` writes the specs. They need
// no GIL, raise nothing, and use the thread pool when the work is worth it.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "native.h"

// Simple loops are compiled for several instruction sets; the loader picks one.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__linux__)
#define ARRAX_VECTORIZE \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), optimize("O3")))
#else
#define ARRAX_VECTORIZE
#endif

// Codes of dtypes in specs.
enum DType : int64_t {
  kBool, kInt8, kInt16, kInt32, kInt64, kUint8, kUint16, kUint32, kUint64,
  kFloat16, kBfloat16, kFloat32, kFloat64, kComplex64, kComplex128,
};

// 16-bit floats as they stand in memory.
struct Bfloat16 { uint16_t bits; };
struct Float16 { uint16_t bits; };

inline float as_float(uint32_t bits) { float f; std::memcpy(&f, &bits, 4); return f; }
inline uint32_t as_bits(float value) { uint32_t b; std::memcpy(&b, &value, 4); return b; }

inline float widen(Bfloat16 x) { return as_float(uint32_t(x.bits) << 16); }
inline float widen(Float16 x) {
  // The exponents' bias differs by 112; denormals come right by the multiplication too.
  uint32_t sign = uint32_t(x.bits & 0x8000) << 16, rest = uint32_t(x.bits & 0x7fff) << 13;
  uint32_t scaled = as_bits(as_float(rest) * as_float(0x77800000));
  uint32_t special = rest >= 0x0f800000 ? 0x7f800000 : 0;  // infinity, NaN
  return as_float(sign | scaled | special);
}
template <class T> inline T widen(T x) { return x; }

template <class To, class From> struct Narrow {
  static To apply(From x) { return To(x); }
};
template <> struct Narrow<Bfloat16, float> {
  static Bfloat16 apply(float x) {
    uint32_t bits = as_bits(x);
    if (x != x) return {uint16_t((bits >> 16) | 0x40)};
    return {uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
  }
};
template <> struct Narrow<Float16, float> {
  static Float16 apply(float x) {
    uint32_t bits = as_bits(x), sign = (bits >> 16) & 0x8000;
    bits &= 0x7fffffff;
    if (bits > 0x7f800000) return {uint16_t(sign | 0x7e00)};
    if (bits >= 0x477ff000) return {uint16_t(sign | 0x7c00)};
    if (bits < 0x38800000) {  // a denormal: let the addition round it
      float shifted = as_float(bits) + 0.5f;
      return {uint16_t(sign | (as_bits(shifted) - as_bits(0.5f)))};
    }
    bits += 0xfff + ((bits >> 13) & 1);
    return {uint16_t(sign | ((bits - 0x38000000) >> 13))};
  }
};

// Memory of one thread that grows to the largest request and is reused, 64-byte aligned.
class Scratch {
 public:
  ~Scratch() { std::free(memory_); }
  template <class T> T* get(int64_t count) {
    size_t bytes = (size_t(count) * sizeof(T) + 127) / 64 * 64;
    if (bytes > size_) {
      std::free(memory_);
      memory_ = std::aligned_alloc(64, bytes);
      size_ = memory_ ? bytes : 0;
      if (!memory_) std::abort();  // as out-of-memory ends the process elsewhere
    }
    return static_cast<T*>(memory_);
  }
  // Gives very large memory back; what was got before is gone.
  void trim() {
    if (size_ <= size_t{64} << 20) return;
    std::free(memory_);
    memory_ = nullptr;
    size_ = 0;
  }

 private:
  void* memory_ = nullptr;
  size_t size_ = 0;
};

// Calls body(begin, end) on ranges of [0, count), in parallel if there is more than one grain.
template <class Body> void parallel(int64_t count, int64_t grain, const Body& body) {
  if (count <= grain) {
    if (count > 0) body(int64_t{0}, count);
    return;
  }
  arrax_parallel_for(
      [](void* argument, int64_t begin, int64_t end) { (*static_cast<const Body*>(argument))(begin, end); },
      const_cast<Body*>(&body), count, grain);
}

// Calls body(i) for every i in [0, count); threads take one task after the other, for few tasks of
// unequal or large cost.
template <class Body> void parallel_tasks(int64_t count, const Body& body) {
  const int64_t threads = arrax_num_threads();
  if (count < 2 || threads < 2) {
    for (int64_t i = 0; i < count; i++) body(i);
    return;
  }
  std::atomic<int64_t> next{0};
  parallel(threads < count ? threads : count, 1, [&](int64_t, int64_t) {
    for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) body(i);
  });
}

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
