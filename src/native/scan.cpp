// Cumulative sums, products, maxima, minima and log-sum-exps along an axis, to the same bits for any
// number of threads.
//
// Sums of floats run in blocks: each prefix of a block is added to the sum of the blocks before it,
// which is kept with its rounding errors (Knuth's two-sum). So errors do not grow along the axis.
// Maxima and minima of floats compare integers that have their order.
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "library.h"

namespace {

// Integers wrap around: their sums and products are computed without signs, in 32 bits at least,
// since narrower ones would become signed on the way.
template <class T, bool = std::is_integral<T>::value> struct Wrapping { using type = T; };
template <class T> struct Wrapping<T, true> {
  using type = typename std::conditional<(sizeof(T) > 4), uint64_t, uint32_t>::type;
};

template <class T> struct Sum {
  using W = typename Wrapping<T>::type;
  static T identity() { return T(0); }
  static T apply(T a, T b) { return T(W(a) + W(b)); }
};
template <class T> struct Product {
  using W = typename Wrapping<T>::type;
  static T identity() { return T(1); }
  static T apply(T a, T b) { return T(W(a) * W(b)); }
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

// Floats as integers that have the order of maxima: -0 is below 0, and NaN is `nan`, which wins.
// The mapping is its own inverse (of `nan`, at either end of the integers, it is a NaN).
template <class T> struct Ordered {
  typedef typename std::conditional<sizeof(T) == 4, int32_t, int64_t>::type Key;
  static Key mirror(Key bits) {
    return bits ^ ((bits >> (8 * sizeof(T) - 1)) & std::numeric_limits<Key>::max());
  }
  static Key key(T x, Key nan) {
    Key bits;
    std::memcpy(&bits, &x, sizeof(T));
    return x != x ? nan : mirror(bits);
  }
};

constexpr int64_t kKeys = 1024;  // elements that are turned into keys, and back, at a time

template <class T, class Key>
__attribute__((always_inline)) inline void read_keys(const T* in, Key* keys, int64_t count, Key nan) {
  for (int64_t i = 0; i < count; i++) keys[i] = Ordered<T>::key(in[i], nan);
}
template <class T, class Key>
__attribute__((always_inline)) inline void write_keys(const Key* keys, T* out, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    const Key bits = Ordered<T>::mirror(keys[i]);
    std::memcpy(out + i, &bits, sizeof(T));
  }
}
#define ARRAX_KEYS(T, Key)                                                            \
  ARRAX_VECTORIZE void to_keys(const T* in, Key* keys, int64_t count, Key nan) {      \
    read_keys(in, keys, count, nan);                                                  \
  }                                                                                   \
  ARRAX_VECTORIZE void from_keys(const Key* keys, T* out, int64_t count) {            \
    write_keys(keys, out, count);                                                     \
  }                                                                                   \
  ARRAX_VECTORIZE Key largest_key(const Key* keys, int64_t count) {                   \
    Key most = std::numeric_limits<Key>::min();                                       \
    for (int64_t i = 0; i < count; i++) most = keys[i] > most ? keys[i] : most;       \
    return most;                                                                      \
  }                                                                                   \
  ARRAX_VECTORIZE Key smallest_key(const Key* keys, int64_t count) {                  \
    Key least = std::numeric_limits<Key>::max();                                      \
    for (int64_t i = 0; i < count; i++) least = keys[i] < least ? keys[i] : least;    \
    return least;                                                                     \
  }
ARRAX_KEYS(float, int32_t)
ARRAX_KEYS(double, int64_t)
#undef ARRAX_KEYS

// Running maxima (or minima) of floats after `carry`. Without `out`, the last one alone.
template <class T, bool largest>
T run_extremes(const T* in, T* out, int64_t count, T carry, bool reverse) {
  typedef typename Ordered<T>::Key Key;
  const Key nan = largest ? std::numeric_limits<Key>::max() : std::numeric_limits<Key>::min();
  Key best = Ordered<T>::key(carry, nan), keys[kKeys];
  for (int64_t done = 0; done < count; done += kKeys) {
    const int64_t size = least(kKeys, count - done), first = reverse ? count - done - size : done;
    to_keys(in + first, keys, size, nan);
    if (!out) {
      const Key found = largest ? largest_key(keys, size) : smallest_key(keys, size);
      best = (largest ? found > best : found < best) ? found : best;
      continue;
    }
    const int64_t step = reverse ? -1 : 1;
    for (int64_t i = 0, at = reverse ? size - 1 : 0; i < size; i++, at += step) {
      best = (largest ? keys[at] > best : keys[at] < best) ? keys[at] : best;
      keys[at] = best;
    }
    from_keys(keys, out + first, size);
  }
  T value;
  const Key bits = Ordered<T>::mirror(best);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

constexpr int64_t kBlockBytes = 1 << 14;  // of consecutive sums whose prefixes are one block
constexpr int64_t kColumnRows = 64;       // rows whose prefixes, column by column, are one block
constexpr int64_t kRun = 64;              // sums that are added up one after the other

// The sum of the blocks so far. Errors are NaN once it is infinite, and then count as 0.
template <class T> struct Carry {
  T high = 0, low = 0;
  void add(T x) {
    const T sum = high + x, part = sum - high;
    low += (high - (sum - part)) + (x - part);
    if (low != low) low = 0;
    high = sum;
  }
};

// The prefixes of one block of consecutive floats, after `carry`: prefixes inside vectors, then
// their sums; several times faster than one addition after the other.
template <class T, int lanes>
__attribute__((always_inline)) inline void vector_prefix_sum(const T* in, T* out, int64_t count,
                                                             Carry<T> carry) {
#ifdef __clang__  // has no shuffles with masks in variables
  T sum = 0;
  for (int64_t i = 0; i < count; i++) {
    sum += in[i];
    out[i] = carry.high + (carry.low + sum);
  }
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
  const Vector high = zero + carry.high, low = zero + carry.low;
  Vector total = zero;
  for (; i + lanes <= count; i += lanes) {
    Vector x = *(const Vector*)(in + i);
    x += __builtin_shuffle(zero, x, shift[0]);
    x += __builtin_shuffle(zero, x, shift[1]);
    if (lanes > 4) x += __builtin_shuffle(zero, x, shift[2]);
    if (lanes > 8) x += __builtin_shuffle(zero, x, shift[3]);
    *(Vector*)(out + i) = high + (low + (x + total));
    total += __builtin_shuffle(x, last);
  }
  T sum = total[0];
  for (; i < count; i++) {
    sum += in[i];
    out[i] = carry.high + (carry.low + sum);
  }
#endif
}

template <class T>
__attribute__((always_inline)) inline T vector_total(const T* in, int64_t count) {
  constexpr int lanes = 256 / int(sizeof(T));
  T parts[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int j = 0; j < lanes; j++) parts[j] += in[i + j];
  for (int j = 0; i < count; i++, j++) parts[j] += in[i];
  for (int width = lanes / 2; width; width /= 2)
    for (int j = 0; j < width; j++) parts[j] += parts[j + width];
  return parts[0];
}

ARRAX_VECTORIZE void prefix_sum(const float* in, float* out, int64_t count, Carry<float> carry) {
  vector_prefix_sum<float, 16>(in, out, count, carry);
}
ARRAX_VECTORIZE void prefix_sum(const double* in, double* out, int64_t count, Carry<double> carry) {
  vector_prefix_sum<double, 8>(in, out, count, carry);
}
// The next row of prefixes, column by column, after the sums of the blocks before.
template <class T, class Work>
__attribute__((always_inline)) inline void add_columns_of(const T* in, T* out, Work* sums,
                                                          const Work* high, const Work* low,
                                                          int64_t count) {
#pragma GCC ivdep
  for (int64_t j = 0; j < count; j++) {
    sums[j] += Work(widen(in[j]));
    out[j] = Narrow<T, Work>::apply(high[j] + (low[j] + sums[j]));
  }
}

#define ARRAX_COLUMNS(T, Work)                                                                  \
  ARRAX_VECTORIZE void add_columns(const T* in, T* out, Work* sums, const Work* high,           \
                                   const Work* low, int64_t count) {                            \
    add_columns_of<T, Work>(in, out, sums, high, low, count);                                   \
  }
ARRAX_COLUMNS(Float16, float)
ARRAX_COLUMNS(Bfloat16, float)
ARRAX_COLUMNS(float, float)
ARRAX_COLUMNS(double, double)
#undef ARRAX_COLUMNS

ARRAX_VECTORIZE float block_sum(const float* in, int64_t count) { return vector_total(in, count); }
ARRAX_VECTORIZE double block_sum(const double* in, int64_t count) { return vector_total(in, count); }

struct Shape {
  int64_t outer, count, inner;
  bool reverse;
};

// `T` is what memory holds, `Work` what is computed with.
template <class T, class Work, template <class> class Operation> struct Scan {
  typedef Operation<Work> Op;

  static constexpr int64_t kBlock = kBlockBytes / int64_t(sizeof(Work));
  static constexpr bool blocked = std::is_same<Op, Sum<float>>::value ||
                                  std::is_same<Op, Sum<double>>::value;

  static constexpr bool largest = std::is_same<Op, Largest<Work>>::value;
  static constexpr bool ordered = std::is_floating_point<T>::value &&
                                  (largest || std::is_same<Op, Smallest<Work>>::value);

  // The sum of a block: the same, whoever asks.
  static Work sum_of(const T* in, int64_t count) {
    if constexpr (blocked && std::is_same<T, Work>::value) return block_sum(in, count);
    if constexpr (ordered)
      return run_extremes<T, largest>(in, nullptr, count, Op::identity(), false);
    Work sum = Op::identity();
    for (int64_t i = 0; i < count; i++) sum = Op::apply(sum, Work(widen(in[i])));
    return sum;
  }

  // The prefixes of one block of consecutive elements, after `carry`.
  static void run_block(const T* in, T* out, int64_t size, Carry<Work> carry, bool reverse) {
    if constexpr (std::is_same<T, Work>::value)
      if (!reverse) return prefix_sum(in, out, size, carry);
    Work prefix = 0;
    for (int64_t i = 0; i < size; i++) {
      const int64_t at = reverse ? size - 1 - i : i;
      prefix += Work(widen(in[at]));
      out[at] = Narrow<T, Work>::apply(carry.high + (carry.low + prefix));
      if ((i + 1) % kRun == 0) carry.add(prefix), prefix = 0;
    }
  }

  // Sums of consecutive elements after `carry`, block after block.
  static void run_blocks(const T* in, T* out, int64_t count, Carry<Work> carry, bool reverse) {
    for (int64_t done = 0; done < count; done += kBlock) {
      const int64_t size = least(kBlock, count - done), first = reverse ? count - done - size : done;
      const Work sum = done + size < count ? sum_of(in + first, size) : Work(0);
      run_block(in + first, out + first, size, carry, reverse);
      carry.add(sum);
    }
  }

  // A run of consecutive elements with a carry from before. Returns the carry after.
  static Work run(const T* in, T* out, int64_t count, Work carry, bool reverse) {
    if constexpr (ordered) return run_extremes<T, largest>(in, out, count, carry, reverse);
    const int64_t step = reverse ? -1 : 1;
    const T* from = reverse ? in + count - 1 : in;
    T* to = reverse ? out + count - 1 : out;
    for (int64_t i = 0; i < count; i++, from += step, to += step) {
      carry = Op::apply(carry, Work(widen(*from)));
      *to = Narrow<T, Work>::apply(carry);
    }
    return carry;
  }

  static void line(const T* in, T* out, int64_t count, bool reverse) {
    if constexpr (blocked) run_blocks(in, out, count, {}, reverse);
    else run(in, out, count, Op::identity(), reverse);
  }

  // One long line in parts of a fixed size: their sums, then every part from its carry.
  static void long_line(const T* in, T* out, int64_t count, bool reverse) {
    constexpr int64_t part = kBlock * 16;
    const int64_t parts = ceil_div(count, part), blocks = ceil_div(count, kBlock);
    auto first_of = [&](int64_t i, int64_t size) {  // in the order of the scan
      return reverse ? most(count - (i + 1) * size, 0) : i * size;
    };
    auto size_of = [&](int64_t i, int64_t size) { return least(size, count - i * size); };
    std::vector<Work> sums(size_t(blocked ? blocks : parts), Op::identity());
    const int64_t unit = blocked ? kBlock : part;
    parallel(int64_t(sums.size()), part / unit, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++)
        sums[size_t(i)] = sum_of(in + first_of(i, unit), size_of(i, unit));
    });
    if constexpr (blocked) {
      std::vector<Carry<Work>> carries{size_t(blocks)};
      for (int64_t i = 1; i < blocks; i++) {
        carries[size_t(i)] = carries[size_t(i - 1)];
        carries[size_t(i)].add(sums[size_t(i - 1)]);
      }
      parallel(blocks, part / kBlock, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) {
          const int64_t first = first_of(i, kBlock);
          run_block(in + first, out + first, size_of(i, kBlock), carries[size_t(i)], reverse);
        }
      });
    } else {
      Work carry = Op::identity();
      for (Work& sum : sums) {
        const Work own = sum;
        sum = carry;
        carry = Op::apply(carry, own);
      }
      parallel(parts, 1, [&](int64_t begin, int64_t end) {
        for (int64_t p = begin; p < end; p++)
          run(in + first_of(p, part), out + first_of(p, part), size_of(p, part), sums[size_t(p)],
              reverse);
      });
    }
  }

  // Lines `inner` apart: row after row, columns side by side.
  static void columns(const T* in, T* out, const Shape& s, int64_t block) {
    constexpr int64_t width = 256;
    const int64_t blocks = ceil_div(s.inner, width), first = block % blocks * width;
    const int64_t size = least(width, s.inner - first);
    const int64_t start = block / blocks * s.count * s.inner + first;
    Work carry[width];
    for (int64_t j = 0; j < size; j++) carry[j] = Op::identity();
    auto row_of = [&](int64_t i) { return start + (s.reverse ? s.count - 1 - i : i) * s.inner; };
    if constexpr (blocked) {
      Work high[width] = {}, low[width] = {};
      for (int64_t i = 0; i < s.count; i++) {
        add_columns(in + row_of(i), out + row_of(i), carry, high, low, size);
        if ((i + 1) % kColumnRows) continue;
        for (int64_t j = 0; j < size; j++) {
          Carry<Work> before{high[j], low[j]};
          before.add(carry[j]);
          high[j] = before.high, low[j] = before.low;
          carry[j] = 0;
        }
      }
      return;
    }
    for (int64_t i = 0; i < s.count; i++) {
      const int64_t row = row_of(i);
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
    } else if (s.count >= 1 << 16 && s.outer < 16) {  // whatever the number of threads
      for (int64_t line = 0; line < s.outer; line++)
        long_line(in + line * s.count, out + line * s.count, s.count, s.reverse);
    } else {
      parallel(s.outer, most(1, 100000 / (s.count + 1)), [&](int64_t begin, int64_t end) {
        for (int64_t line = begin; line < end; line++)
          Scan::line(in + line * s.count, out + line * s.count, s.count, s.reverse);
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

ARRAX_SYMBOLS({"arrax_scan", library_function<arrax_scan>()});
