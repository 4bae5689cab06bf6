// Cumulative sums, products, maxima, minima and log-sum-exps along an axis.
#include <cmath>
#include <limits>
#include <vector>

#include "library.h"

namespace {

template <class T> struct Sum {
  static T identity() { return T(0); }
  static T apply(T a, T b) { return a + b; }
};
template <class T> struct Product {
  static T identity() { return T(1); }
  static T apply(T a, T b) { return a * b; }
};
template <class T> struct Largest {
  static T identity() {
    return std::numeric_limits<T>::has_infinity ? T(-std::numeric_limits<T>::infinity())
                                                : std::numeric_limits<T>::lowest();
  }
  static T apply(T a, T b) {  // NaN stays, 0 is above -0
    return b != b || b > a || (b == a && std::signbit(double(a))) ? b : a;
  }
};
template <class T> struct Smallest {
  static T identity() {
    return std::numeric_limits<T>::has_infinity ? std::numeric_limits<T>::infinity()
                                                : std::numeric_limits<T>::max();
  }
  static T apply(T a, T b) {
    return b != b || b < a || (b == a && std::signbit(double(b))) ? b : a;
  }
};
template <class T> struct LogSumExp {
  static T identity() { return T(-std::numeric_limits<T>::infinity()); }
  static T apply(T a, T b) {
    const T high = a > b ? a : b, low = a > b ? b : a;
    if (a != a || b != b) return a + b;
    if (std::isinf(high)) return high;
    return high + std::log1p(std::exp(low - high));
  }
};

// Sums of consecutive floats: prefixes inside vectors, then the carry; several times faster than
// one addition after the other.
template <class T, int lanes>
__attribute__((always_inline)) inline T vector_prefix_sum(const T* in, T* out, int64_t count,
                                                          T carry) {
#ifdef __clang__  // has no shuffles with masks in variables
  for (int64_t i = 0; i < count; i++) out[i] = carry = carry + in[i];
  return carry;
#else
  typedef T Vector __attribute__((vector_size(lanes * sizeof(T)), aligned(alignof(T)), may_alias));
  typedef typename std::conditional<sizeof(T) == 4, int32_t, int64_t>::type Index;
  typedef Index Mask __attribute__((vector_size(lanes * sizeof(T))));
  Mask shift[4], last;
  for (int s = 0; s < 4; s++)
    for (int j = 0; j < lanes; j++) shift[s][j] = j < (1 << s) ? 0 : lanes + j - (1 << s);
  for (int j = 0; j < lanes; j++) last[j] = lanes - 1;
  const Vector zero = {};
  int64_t i = 0;
  Vector total = zero + carry;
  for (; i + lanes <= count; i += lanes) {
    Vector x = *(const Vector*)(in + i);
    x += __builtin_shuffle(zero, x, shift[0]);
    x += __builtin_shuffle(zero, x, shift[1]);
    if (lanes > 4) x += __builtin_shuffle(zero, x, shift[2]);
    if (lanes > 8) x += __builtin_shuffle(zero, x, shift[3]);
    *(Vector*)(out + i) = x + total;
    total += __builtin_shuffle(x, last);
  }
  carry = total[0];
  for (; i < count; i++) out[i] = carry = carry + in[i];
  return carry;
#endif
}

ARRAX_VECTORIZE float prefix_sum(const float* in, float* out, int64_t count, float carry) {
  return vector_prefix_sum<float, 16>(in, out, count, carry);
}
ARRAX_VECTORIZE double prefix_sum(const double* in, double* out, int64_t count, double carry) {
  return vector_prefix_sum<double, 8>(in, out, count, carry);
}
ARRAX_VECTORIZE float total_sum(const float* in, int64_t count) {
  float parts[32] = {};
  int64_t i = 0;
  for (; i + 32 <= count; i += 32)
    for (int j = 0; j < 32; j++) parts[j] += in[i + j];
  float total = 0;
  for (int j = 0; j < 32; j++) total += parts[j];
  for (; i < count; i++) total += in[i];
  return total;
}

struct Shape {
  int64_t outer, count, inner;
  bool reverse;
};

// `T` is what memory holds, `Work` what is computed with.
template <class T, class Work, template <class> class Operation> struct Scan {
  typedef Operation<Work> Op;

  // A run of consecutive elements with a carry from before. Returns the carry after.
  static Work run(const T* in, T* out, int64_t count, Work carry, bool reverse) {
    if constexpr (std::is_same<Op, Sum<float>>::value && std::is_same<T, float>::value) {
      if (!reverse) return prefix_sum(in, out, count, carry);
    }
    if constexpr (std::is_same<Op, Sum<double>>::value && std::is_same<T, double>::value) {
      if (!reverse) return prefix_sum(in, out, count, carry);
    }
    const int64_t step = reverse ? -1 : 1;
    const T* from = reverse ? in + count - 1 : in;
    T* to = reverse ? out + count - 1 : out;
    for (int64_t i = 0; i < count; i++, from += step, to += step) {
      carry = Op::apply(carry, Work(widen(*from)));
      *to = Narrow<T, Work>::apply(carry);
    }
    return carry;
  }

  static Work total(const T* in, int64_t count) {
    if constexpr (std::is_same<Op, Sum<float>>::value && std::is_same<T, float>::value)
      return total_sum(in, count);
    Work sum = Op::identity();
    for (int64_t i = 0; i < count; i++) sum = Op::apply(sum, Work(widen(in[i])));
    return sum;
  }

  // One long line: the totals of its parts, then every part from its carry.
  static void long_line(const T* in, T* out, int64_t count, bool reverse) {
    const int64_t parts = arrax_num_threads(), part = ceil_div(count, parts);
    std::vector<Work> carries(size_t(parts), Op::identity());
    auto begin_of = [&](int64_t p) { return least(count, p * part); };
    parallel(parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; p++)
        if (p != (reverse ? 0 : parts - 1))
          carries[size_t(p)] = total(in + begin_of(p), begin_of(p + 1) - begin_of(p));
    });
    Work carry = Op::identity();
    for (int64_t q = 0; q < parts; q++) {
      const size_t p = size_t(reverse ? parts - 1 - q : q);
      const Work own = carries[p];
      carries[p] = carry;
      carry = Op::apply(carry, own);
    }
    parallel(parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; p++)
        run(in + begin_of(p), out + begin_of(p), begin_of(p + 1) - begin_of(p), carries[size_t(p)],
            reverse);
    });
  }

  // Lines `inner` apart: row after row, columns side by side.
  static void columns(const T* in, T* out, const Shape& s, int64_t block) {
    constexpr int64_t width = 256;
    const int64_t blocks = ceil_div(s.inner, width), first = block % blocks * width;
    const int64_t size = least(width, s.inner - first);
    const int64_t start = block / blocks * s.count * s.inner + first;
    Work carry[width];
    for (int64_t j = 0; j < size; j++) carry[j] = Op::identity();
    for (int64_t i = 0; i < s.count; i++) {
      const int64_t row = start + (s.reverse ? s.count - 1 - i : i) * s.inner;
      for (int64_t j = 0; j < size; j++) {
        carry[j] = Op::apply(carry[j], Work(widen(in[row + j])));
        out[row + j] = Narrow<T, Work>::apply(carry[j]);
      }
    }
  }

  static void apply(const Shape& s, const T* in, T* out) {
    if (s.inner > 1) {
      const int64_t blocks = s.outer * ceil_div(s.inner, 256);
      parallel(blocks, most(1, 100000 / (s.count * least(s.inner, 256) + 1)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t b = begin; b < end; b++) columns(in, out, s, b);
               });
    } else if (s.count >= 1 << 16 && s.outer < arrax_num_threads()) {
      for (int64_t line = 0; line < s.outer; line++)
        long_line(in + line * s.count, out + line * s.count, s.count, s.reverse);
    } else {
      parallel(s.outer, most(1, 100000 / (s.count + 1)), [&](int64_t begin, int64_t end) {
        for (int64_t line = begin; line < end; line++)
          run(in + line * s.count, out + line * s.count, s.count, Op::identity(), s.reverse);
      });
    }
  }
};

template <class T, class Work> void scan(int64_t kind, const Shape& s, const void* in, void* out) {
  const T* from = (const T*)in;
  T* to = (T*)out;
  switch (kind) {
    case 0: return Scan<T, Work, Sum>::apply(s, from, to);
    case 1: return Scan<T, Work, Product>::apply(s, from, to);
    case 2: return Scan<T, Work, Largest>::apply(s, from, to);
    case 3: return Scan<T, Work, Smallest>::apply(s, from, to);
    case 4:
      if constexpr (std::is_floating_point<Work>::value)
        return Scan<T, Work, LogSumExp>::apply(s, from, to);
  }
}

}  // namespace

// Scans [outer, count, inner] arrays along the middle axis; in and out may be the same memory.
// spec: dtype, kind (0 sum, 1 product, 2 max, 3 min, 4 log-sum-exp), outer, count, inner, reverse.
extern "C" void arrax_scan(const int64_t* spec, const void* in, void* out) {
  const Shape s{spec[2], spec[3], spec[4], spec[5] != 0};
  switch (spec[0]) {
    case kInt8: return scan<int8_t, int8_t>(spec[1], s, in, out);
    case kInt16: return scan<int16_t, int16_t>(spec[1], s, in, out);
    case kInt32: return scan<int32_t, int32_t>(spec[1], s, in, out);
    case kInt64: return scan<int64_t, int64_t>(spec[1], s, in, out);
    case kBool: case kUint8: return scan<uint8_t, uint8_t>(spec[1], s, in, out);
    case kUint16: return scan<uint16_t, uint16_t>(spec[1], s, in, out);
    case kUint32: return scan<uint32_t, uint32_t>(spec[1], s, in, out);
    case kUint64: return scan<uint64_t, uint64_t>(spec[1], s, in, out);
    case kFloat16: return scan<Float16, float>(spec[1], s, in, out);
    case kBfloat16: return scan<Bfloat16, float>(spec[1], s, in, out);
    case kFloat32: return scan<float, float>(spec[1], s, in, out);
    case kFloat64: return scan<double, double>(spec[1], s, in, out);
  }
}

ARRAX_SYMBOLS({"arrax_scan", (void*)arrax_scan});
