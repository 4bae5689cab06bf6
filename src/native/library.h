// Kernels that compiled programs call: matrix products, convolutions, sorts, scans, indexing, FFTs,
// random bits. Every function takes `spec`, a constant array of int64 that describes the call,
// then pointers to contiguous data; `arrax/library/` writes the specs. They need
// no GIL, and use the thread pool when the work is worth it. They may throw (std::bad_alloc, mostly):
// callers outside C++ get them through `library_function`, as functions that return a Status.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>

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
    size_t bytes;
    if (__builtin_mul_overflow(size_t(count), sizeof(T), &bytes) || bytes > SIZE_MAX - 127)
      throw std::bad_alloc();
    bytes = (bytes + 127) / 64 * 64;
    if (bytes > size_) {
      std::free(memory_);
      size_ = 0;
      memory_ = std::aligned_alloc(64, bytes);
      if (!memory_ && pool_release()) memory_ = std::aligned_alloc(64, bytes);
      if (!memory_) throw std::bad_alloc();
      size_ = bytes;
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

// A body of a parallel loop whose first exception comes out in the thread that started the loop.
template <class Body> struct Carrier {
  const Body& body;
  std::atomic<bool> failed{false};
  std::exception_ptr error;

  static void run(void* argument, int64_t begin, int64_t end) {
    auto* self = static_cast<Carrier*>(argument);
    if (self->failed.load(std::memory_order_relaxed)) return;
    try {
      self->body(begin, end);
    } catch (...) {
      if (!self->failed.exchange(true)) self->error = std::current_exception();
    }
  }
};

// Calls body(begin, end) on ranges of [0, count), in parallel if there is more than one grain.
template <class Body> void parallel(int64_t count, int64_t grain, const Body& body) {
  if (count <= grain) {
    if (count > 0) body(int64_t{0}, count);
    return;
  }
  Carrier<Body> carrier{body};
  arrax_parallel_for(Carrier<Body>::run, &carrier, count, grain);
  if (carrier.error) std::rethrow_exception(carrier.error);
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

// ---- the boundary to machine code ----

constexpr size_t kAnyStack = 0;
// What LAPACK and BLAS may need: OpenBLAS keeps tables of all threads' jobs on the caller's stack.
constexpr size_t kDeepStack = size_t{6} << 20;

// Room that LAPACK is given: OpenBLAS takes buffers of 32 MiB for its threads when it first needs
// them, and ends the process where it gets none.
constexpr size_t kLapackRoom = size_t{96} << 20;

// Calls function(argument) on this thread if so much of its stack is left, else on another one with
// a stack of 16 MiB, once there is kLapackRoom. Throws std::bad_alloc where there is no memory for that.
void call_with_room(size_t bytes, void (*function)(void*), void* argument);

// The Status for the C++ exception that is being handled.
int32_t status_of_exception();

template <auto function, size_t stack> struct LibraryFunction;
template <class... A, void (*function)(A...), size_t stack>
struct LibraryFunction<function, stack> {
  static int32_t call(A... arguments) noexcept {
    try {
      if constexpr (stack == kAnyStack) {
        function(arguments...);
      } else {
        auto body = [&] { function(arguments...); };
        call_body(body);
      }
      return kDone;
    } catch (...) {
      return status_of_exception();
    }
  }

  // An exception of the other thread is thrown again in this one.
  template <class Body> static void call_body(Body& body) {
    struct Call {
      Body& body;
      std::exception_ptr error;
    } call{body, nullptr};
    call_with_room(stack, [](void* argument) {
      auto* self = static_cast<Call*>(argument);
      try {
        self->body();
      } catch (...) {
        self->error = std::current_exception();
      }
    }, &call);
    if (call.error) std::rethrow_exception(call.error);
  }
};

// The address for symbol tables: `int32_t name(spec, pointers...)`, which returns a Status.
template <auto function, size_t stack = kAnyStack> void* library_function() {
  return reinterpret_cast<void*>(&LibraryFunction<function, stack>::call);
}
