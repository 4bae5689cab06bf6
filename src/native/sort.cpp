// Sorting: keys become unsigned integers of the same order, which radix sort (large) or
// comparisons (small) put in order. NaNs come last, as JAX has it.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "library.h"

namespace {

// ---- keys -----------------------------------------------------------------------------------

// The unsigned integer whose order is the order of the values. `equal_zeros`: -0 and 0 get the
// same key, for sorts that move other operands along.
template <class Key, class Signed> Key float_key(Key bits, Key infinity, bool equal_zeros) {
  const Key sign = Key(1) << (sizeof(Key) * 8 - 1);
  if (Key(bits & ~sign) > infinity) return Key(~Key(0));
  if (equal_zeros && bits == sign) bits = 0;
  return bits ^ (Key(Signed(bits) >> (sizeof(Key) * 8 - 1)) | sign);
}

template <class Key> Key float_bits(Key key) {
  const Key sign = Key(1) << (sizeof(Key) * 8 - 1);
  return key & sign ? Key(key ^ sign) : Key(~key);
}

// What a dtype's values and keys are.
template <class K, class S, int kind, K infinity = 0> struct Order {
  typedef K Key;
  static constexpr bool has_zeros = kind == 2;  // -0 and 0
  static Key key(Key bits, bool equal_zeros) {
    if (kind == 0) return bits;                                         // unsigned
    if (kind == 1) return bits ^ (Key(1) << (sizeof(Key) * 8 - 1));     // signed
    return float_key<Key, S>(bits, infinity, equal_zeros);
  }
  // The total order, where -NaN comes first and -0 before 0.
  static Key total_key(Key bits) {
    if (kind != 2) return key(bits, false);
    const Key sign = Key(1) << (sizeof(Key) * 8 - 1);
    return bits & sign ? Key(~bits) : Key(bits | sign);
  }
  static Key bits(Key key) {
    if (kind == 0) return key;
    if (kind == 1) return key ^ (Key(1) << (sizeof(Key) * 8 - 1));
    return float_bits(key);
  }
};

typedef Order<uint8_t, int8_t, 0> Unsigned8;
typedef Order<uint16_t, int16_t, 0> Unsigned16;
typedef Order<uint32_t, int32_t, 0> Unsigned32;
typedef Order<uint64_t, int64_t, 0> Unsigned64;
typedef Order<uint8_t, int8_t, 1> Signed8;
typedef Order<uint16_t, int16_t, 1> Signed16;
typedef Order<uint32_t, int32_t, 1> Signed32;
typedef Order<uint64_t, int64_t, 1> Signed64;
typedef Order<uint16_t, int16_t, 2, 0x7c00> Half;
typedef Order<uint16_t, int16_t, 2, 0x7f80> Brain;
typedef Order<uint32_t, int32_t, 2, 0x7f800000> Single;
typedef Order<uint64_t, int64_t, 2, 0x7ff0000000000000> Double;

// Calls visit(Order{}) for a dtype that is one number.
template <class Visit> void with_order(int64_t dtype, const Visit& visit) {
  switch (dtype) {
    case kBool: case kUint8: return visit(Unsigned8{});
    case kUint16: return visit(Unsigned16{});
    case kUint32: return visit(Unsigned32{});
    case kUint64: return visit(Unsigned64{});
    case kInt8: return visit(Signed8{});
    case kInt16: return visit(Signed16{});
    case kInt32: return visit(Signed32{});
    case kInt64: return visit(Signed64{});
    case kFloat16: return visit(Half{});
    case kBfloat16: return visit(Brain{});
    case kFloat32: return visit(Single{});
    case kFloat64: return visit(Double{});
  }
}

// ---- radix sort -------------------------------------------------------------------------------

struct Keyed64 {
  uint64_t key;
  uint32_t index;
};

inline uint64_t sort_key(uint8_t x) { return x; }
inline uint64_t sort_key(uint16_t x) { return x; }
inline uint64_t sort_key(uint32_t x) { return x; }
inline uint64_t sort_key(uint64_t x) { return x; }
inline uint64_t sort_key(const Keyed64& x) { return x.key; }

constexpr int64_t kSmall = 512, kParallel = 1 << 16, kMaximumParts = 64;

// Sorts `data` by bits [low, high) of the keys, stably; `spare` has the same size. Least
// significant digit first; in parallel, each part of the data keeps its own counts.
template <class Item>
void radix_sort(Item* data, Item* spare, int64_t count, int low, int high) {
  constexpr int digit = 8, buckets = 1 << digit;  // more ends of buckets than that miss the cache
  Item* from = data;
  Item* to = spare;
  const int64_t parts = count < kParallel ? 1 : least(arrax_num_threads(), kMaximumParts);
  const int64_t part = ceil_div(count, parts);
  std::vector<uint32_t> counts(size_t(parts * buckets));
  for (int shift = low; shift < high; shift += digit) {
    const uint64_t mask = (uint64_t(1) << least(digit, high - shift)) - 1;
    parallel(parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; p++) {
        uint32_t own[buckets] = {};
        for (int64_t i = p * part; i < least(count, (p + 1) * part); i++)
          own[sort_key(from[i]) >> shift & mask]++;
        std::copy_n(own, buckets, &counts[size_t(p * buckets)]);
      }
    });
    uint32_t total = 0;
    bool single = false;
    for (int64_t b = 0; b < buckets; b++) {
      const uint32_t start = total;
      for (int64_t p = 0; p < parts; p++) {
        const uint32_t own = counts[size_t(p * buckets + b)];
        counts[size_t(p * buckets + b)] = total;
        total += own;
      }
      single |= int64_t(total - start) == count;
    }
    if (single) continue;
    parallel(parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; p++) {
        uint32_t place[buckets];
        std::copy_n(&counts[size_t(p * buckets)], buckets, place);
        for (int64_t i = p * part; i < least(count, (p + 1) * part); i++) {
          const Item item = from[i];
          to[place[sort_key(item) >> shift & mask]++] = item;
        }
      }
    });
    std::swap(from, to);
  }
  if (from != data) std::memcpy((void*)data, from, size_t(count) * sizeof(Item));
}

template <class Item>
void sort_items(Item* data, Scratch& spare, int64_t count, int low, int high, bool stable) {
  if (count > kSmall) return radix_sort(data, spare.get<Item>(count), count, low, high);
  auto less = [low](const Item& a, const Item& b) { return sort_key(a) >> low < sort_key(b) >> low; };
  if (stable) std::stable_sort(data, data + count, less);
  else std::sort(data, data + count, less);
}

struct SortScratch {
  Scratch items, spare, order;
};
SortScratch& sort_scratch() {
  static thread_local SortScratch scratch;
  return scratch;
}

// ---- one operand --------------------------------------------------------------------------------

// Keys of 8 or 16 bits are counted, not moved.
template <class O>
void count_line(const typename O::Key* from, typename O::Key* to, int64_t count, int64_t step) {
  typedef typename O::Key Key;
  constexpr size_t buckets = size_t(1) << (sizeof(Key) * 8);
  std::vector<uint32_t> counts(2 * buckets);  // two tables: equal neighbours need not wait
  int64_t i = 0;
  for (; i + 1 < count; i += 2) {
    counts[O::key(from[i * step], false)]++;
    counts[buckets + O::key(from[(i + 1) * step], false)]++;
  }
  if (i < count) counts[O::key(from[i * step], false)]++;
  int64_t place = 0;
  for (size_t b = 0; b < buckets; b++) {
    const Key bits = O::bits(Key(b));
    const int64_t end = place + counts[b] + counts[buckets + b];
    for (; place < end; place++) to[place * step] = bits;
  }
}

// A long line of 32- or 64-bit keys: values become keys as the first pass reads them, and values
// again as the last one writes them. Digits that all keys share take no pass.
template <class O> class LongLine {
  typedef typename O::Key Key;
  static constexpr int kDigit = 8, kBuckets = 1 << kDigit, kBits = int(sizeof(Key) * 8);
  static constexpr int kPasses = (kBits + kDigit - 1) / kDigit;

 public:
  LongLine(const Key* from, Key* to, int64_t count, int64_t step)
      : from_(from), to_(to), count_(count), step_(step),
        parts_(count < kParallel ? 1 : least(arrax_num_threads(), kMaximumParts)),
        part_(ceil_div(count, parts_)), counts_(size_t(parts_ * kPasses * kBuckets)) {}

  void run() {
    count_values();
    int live[kPasses], passes = 0;
    for (int pass = 0; pass < kPasses; pass++)
      if (!shared(pass)) live[passes++] = pass;
    Key* const first = sort_scratch().items.get<Key>(count_);
    Key* const second = passes > 2 ? sort_scratch().spare.get<Key>(count_) : nullptr;
    const Values value{from_, step_};
    const Results result{to_, step_};
    if (passes < 2) {
      if (passes == 1) move(live[0], value, Keys{first});
      else each([&](int64_t i) { first[i] = value(i); });
      each([&](int64_t i) { result(i, first[i]); });
      return;
    }
    move(live[0], value, Keys{first});
    Key* now = first;
    for (int q = 1; q < passes; q++) {
      if (parts_ > 1) recount(live[q], Keys{now});
      Key* const next = now == first ? second : first;
      if (q == passes - 1) move(live[q], Keys{now}, result);
      else move(live[q], Keys{now}, Keys{next});
      now = next;
    }
  }

 private:
  // Where passes read and write. Loops copy these and their counts to their own stack, where the
  // compiler knows that no key is stored.
  struct Values {
    const Key* from;
    int64_t step;
    Key operator()(int64_t i) const { return O::key(from[i * step], false); }
  };
  struct Keys {
    Key* keys;
    Key operator()(int64_t i) const { return keys[i]; }
    void operator()(int64_t i, Key key) const { keys[i] = key; }
  };
  struct Results {
    Key* to;
    int64_t step;
    void operator()(int64_t i, Key key) const { to[i * step] = O::bits(key); }
  };

  static int64_t digit(Key key, int pass) { return int64_t(key >> (pass * kDigit)) & (kBuckets - 1); }
  uint32_t* counts(int64_t part, int pass) {
    return &counts_[size_t((part * kPasses + pass) * kBuckets)];
  }
  template <class Body> void each(const Body& body) const {
    parallel(parts_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * part_; i < least(count_, end * part_); i++) body(i);
    });
  }

  void count_values() {
    parallel(parts_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; p++) {
        const Values value{from_, step_};
        const int64_t last = least(count_, (p + 1) * part_);
        uint32_t own[kPasses * kBuckets] = {};
        for (int64_t i = p * part_; i < last; i++) {
          const Key key = value(i);
#pragma GCC unroll 8
          for (int pass = 0; pass < kPasses; pass++) own[pass * kBuckets + digit(key, pass)]++;
        }
        std::copy_n(own, kPasses * kBuckets, counts(p, 0));
      }
    });
  }

  // What each part holds after the passes before.
  template <class Read> void recount(int pass, const Read& read) {
    parallel(parts_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; p++) {
        const Read reader = read;
        const int64_t last = least(count_, (p + 1) * part_);
        uint32_t own[kBuckets] = {};
        for (int64_t i = p * part_; i < last; i++) own[digit(reader(i), pass)]++;
        std::copy_n(own, kBuckets, counts(p, pass));
      }
    });
  }

  bool shared(int pass) {
    const int64_t bucket = digit(O::key(from_[0], false), pass);
    int64_t equal = 0;
    for (int64_t p = 0; p < parts_; p++) equal += counts(p, pass)[bucket];
    return equal == count_;
  }

  template <class Read, class Write> void move(int pass, const Read& read, const Write& write) {
    uint32_t total = 0;
    for (int64_t b = 0; b < kBuckets; b++)
      for (int64_t p = 0; p < parts_; p++) {
        const uint32_t own = counts(p, pass)[b];
        counts(p, pass)[b] = total;
        total += own;
      }
    parallel(parts_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; p++) {
        const Read reader = read;
        const Write writer = write;
        const int64_t last = least(count_, (p + 1) * part_);
        const int shift = pass * kDigit;
        uint32_t place[kBuckets];
        std::copy_n(counts(p, pass), kBuckets, place);
        for (int64_t i = p * part_; i < last; i++) {
          const Key key = reader(i);
          writer(place[(key >> shift) & (kBuckets - 1)]++, key);
        }
      }
    });
  }

  const Key* from_;
  Key* to_;
  int64_t count_, step_, parts_, part_;
  std::vector<uint32_t> counts_;
};

// -0 and 0 are equal: gives the zeros of a sorted line the order that they have in `from`. They are
// there already where the line `has_signs`, each zero with its own, and all zeros have one sign.
template <class O>
void order_zeros(const typename O::Key* from, typename O::Key* to, int64_t count, int64_t step,
                 bool has_signs) {
  typedef typename O::Key Key;
  if constexpr (O::has_zeros) {
    const Key zero = O::key(0, true);
    auto first = [&](auto reached) {
      int64_t low = 0, high = count;
      while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (reached(O::key(to[middle * step], true))) high = middle;
        else low = middle + 1;
      }
      return low;
    };
    const int64_t begin = first([=](Key key) { return key >= zero; });
    const int64_t end = first([=](Key key) { return key > zero; });
    if (begin == end || (has_signs && to[begin * step] == to[(end - 1) * step])) return;
    int64_t place = begin;
    for (int64_t k = 0; place < end; k++)
      if (O::key(from[k * step], true) == zero) to[place++ * step] = from[k * step];
  }
}

// The values in order, -0 before 0.
template <class O>
void sort_keys(const typename O::Key* from, typename O::Key* to, int64_t count, int64_t step) {
  typedef typename O::Key Key;
  if constexpr (sizeof(Key) <= 2) {
    if (count > (sizeof(Key) == 1 ? 256 : 1 << 14)) return count_line<O>(from, to, count, step);
  } else if (count > 4096) {
    return LongLine<O>(from, to, count, step).run();
  }
  SortScratch& scratch = sort_scratch();
  Key* keys = step == 1 ? to : scratch.items.get<Key>(count);
  for (int64_t i = 0; i < count; i++) keys[i] = O::key(from[i * step], false);
  sort_items(keys, scratch.spare, count, 0, int(sizeof(Key) * 8), false);
  for (int64_t i = 0; i < count; i++) to[i * step] = O::bits(keys[i]);
}

template <class O>
void sort_line(const typename O::Key* from, typename O::Key* to, int64_t count, int64_t step) {
  sort_keys<O>(from, to, count, step);
  order_zeros<O>(from, to, count, step, true);
}

// ---- several operands -----------------------------------------------------------------------------

// Brings `order` into the stable order of one more significant key.
template <class O>
void refine(const typename O::Key* values, int64_t count, int64_t step, uint32_t* order) {
  SortScratch& scratch = sort_scratch();
  constexpr int bits = int(sizeof(typename O::Key) * 8);
  if constexpr (bits <= 32) {
    uint64_t* items = scratch.items.get<uint64_t>(count);
    parallel(count, 1 << 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++)
        items[i] = uint64_t(O::key(values[order[i] * step], true)) << 32 | order[i];
    });
    sort_items(items, scratch.spare, count, 32, 32 + bits, true);
    for (int64_t i = 0; i < count; i++) order[i] = uint32_t(items[i]);
  } else {
    Keyed64* items = scratch.items.get<Keyed64>(count);
    for (int64_t i = 0; i < count; i++) items[i] = {O::key(values[order[i] * step], true), order[i]};
    sort_items(items, scratch.spare, count, 0, bits, true);
    for (int64_t i = 0; i < count; i++) order[i] = items[i].index;
  }
}

void refine_any(int64_t dtype, const char* values, int64_t count, int64_t step, uint32_t* order) {
  with_order(dtype, [&](auto o) {
    typedef decltype(o) O;
    refine<O>((const typename O::Key*)values, count, step, order);
  });
}

int64_t bytes_of(int64_t dtype) {
  static const int64_t sizes[] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};
  return sizes[dtype];
}

template <class Item>
void permute(const void* in, void* out, int64_t count, int64_t step, const uint32_t* order) {
  const Item* from = (const Item*)in;
  Item* to = (Item*)out;
  parallel(count, 1 << 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) to[i * step] = from[order[i] * step];
  });
}

struct Wide { uint64_t parts[2]; };

void permute_any(int64_t bytes, const void* in, void* out, int64_t count, int64_t step,
                 const uint32_t* order) {
  switch (bytes) {
    case 1: return permute<uint8_t>(in, out, count, step, order);
    case 2: return permute<uint16_t>(in, out, count, step, order);
    case 4: return permute<uint32_t>(in, out, count, step, order);
    case 8: return permute<uint64_t>(in, out, count, step, order);
    case 16: return permute<Wide>(in, out, count, step, order);
  }
}

// Complex numbers: by real, then by imaginary part.
void refine_operand(int64_t dtype, const char* line, int64_t count, int64_t step, uint32_t* order) {
  if (dtype == kComplex64 || dtype == kComplex128) {
    const int64_t part = dtype == kComplex64 ? kFloat32 : kFloat64;
    refine_any(part, line + bytes_of(part), count, 2 * step, order);
    refine_any(part, line, count, 2 * step, order);
    return;
  }
  refine_any(dtype, line, count, step, order);
}

}  // namespace

// Sorts lines of [outer, count, inner] arrays along the middle axis: operands move together, by
// the first `keys` of them in lexicographic order, stably. Lines have fewer than 2^32 elements.
// spec: outer, count, inner, keys, operands, then each operand's dtype.
extern "C" void arrax_sort(const int64_t* spec, void* const* in, void* const* out) {
  const int64_t outer = spec[0], count = spec[1], inner = spec[2], keys = spec[3];
  const int64_t operands = spec[4], *dtypes = spec + 5;
  const int64_t lines = outer * inner;
  auto sort_lines = [&](int64_t begin, int64_t end) {
    for (int64_t line = begin; line < end; line++) {
      const int64_t start = line / inner * count * inner + line % inner;
      if (operands == 1 && dtypes[0] != kComplex64 && dtypes[0] != kComplex128) {
        with_order(dtypes[0], [&](auto o) {
          typedef decltype(o) O;
          typedef typename O::Key Key;
          sort_line<O>((const Key*)in[0] + start, (Key*)out[0] + start, count, inner);
        });
        continue;
      }
      uint32_t* order = sort_scratch().order.get<uint32_t>(count);
      for (int64_t i = 0; i < count; i++) order[i] = uint32_t(i);
      for (int64_t k = keys - 1; k >= 0; k--)
        refine_operand(dtypes[k], (const char*)in[k] + start * bytes_of(dtypes[k]), count, inner, order);
      for (int64_t k = 0; k < operands; k++) {
        const int64_t bytes = bytes_of(dtypes[k]);
        permute_any(bytes, (const char*)in[k] + start * bytes, (char*)out[k] + start * bytes, count,
                    inner, order);
      }
    }
    SortScratch& scratch = sort_scratch();
    scratch.items.trim(), scratch.spare.trim(), scratch.order.trim();
  };
  // Long lines are sorted by all threads together, short ones side by side.
  if (lines > 1 && count < kParallel) parallel(lines, most(1, 20000 / most(count, 1)), sort_lines);
  else sort_lines(0, lines);
}

// Gives the sorted lines of `out` the zeros of those of `in`, in their order.
// spec: dtype, outer, count, inner.
extern "C" void arrax_order_zeros(const int64_t* spec, const void* in, void* out) {
  const int64_t outer = spec[1], count = spec[2], inner = spec[3];
  with_order(spec[0], [&](auto o) {
    typedef decltype(o) O;
    typedef typename O::Key Key;
    for (int64_t line = 0; line < outer * inner; line++) {
      const int64_t start = line / inner * count * inner + line % inner;
      order_zeros<O>((const Key*)in + start, (Key*)out + start, count, inner, false);
    }
  });
}

namespace {

inline bool comes_before(const Keyed64& a, const Keyed64& b) {
  return a.key != b.key ? a.key < b.key : a.index < b.index;
}

// The room that `best_of` needs: it cuts the candidates down to k whenever they fill it.
inline int64_t room_of(int64_t k) { return 4 * k + 128; }

// Candidates for the k largest among elements [begin, end): at least those, at most room_of(k).
// Keys are inverted, so that large elements have small ones. Once k are known, only what is
// better than all of them is looked at; equal elements lose to those before them.
template <class O>
int64_t best_of(const typename O::Key* from, int64_t begin, int64_t end, int64_t k,
                Keyed64* items) {
  typedef typename O::Key Key;
  const int64_t room = room_of(k);
  int64_t found = 0, i = begin;
  for (; i < end && found < room; i++, found++)
    items[found] = {uint64_t(Key(~O::total_key(from[i]))), uint32_t(i)};
  while (i < end) {
    std::nth_element(items, items + k - 1, items + found, comes_before);
    found = k;
    const Key limit = Key(items[k - 1].key);
    for (; i < end && found < room; i++) {
      const Key key = Key(~O::total_key(from[i]));
      if (key < limit) items[found++] = {uint64_t(key), uint32_t(i)};
    }
  }
  return found;
}

// Candidates for the k largest of a row, from several threads where it is long.
template <class O>
int64_t row_candidates(const typename O::Key* from, int64_t count, int64_t k, Keyed64*& items) {
  Scratch& memory = sort_scratch().items;
  const int64_t room = room_of(k), parts = count < kParallel ? 1 : arrax_num_threads();
  if (parts * room > count / 2) {  // no fewer candidates than elements
    items = memory.get<Keyed64>(count);
    for (int64_t i = 0; i < count; i++)
      items[i] = {uint64_t(typename O::Key(~O::total_key(from[i]))), uint32_t(i)};
    return count;
  }
  items = memory.get<Keyed64>(parts * room);
  Keyed64* const all = items;
  std::vector<int64_t> found(size_t(parts), 0);
  const int64_t part = ceil_div(count, parts);
  parallel(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; p++)
      found[size_t(p)] = best_of<O>(from, least(count, p * part), least(count, (p + 1) * part), k,
                                    all + p * room);
  });
  int64_t total = found[0];
  for (int64_t p = 1; p < parts; total += found[size_t(p++)])
    std::memmove((void*)(all + total), all + p * room, size_t(found[size_t(p)]) * sizeof(Keyed64));
  return total;
}

}  // namespace

// The k largest of each row in the total order (NaN first, 0 before -0), equal ones in order.
// spec: dtype, rows, count, k.
extern "C" void arrax_top_k(const int64_t* spec, const void* in, void* values, int32_t* indices) {
  const int64_t rows = spec[1], count = spec[2], k = spec[3];
  if (k == 0) return;
  with_order(spec[0], [&](auto o) {
    typedef decltype(o) O;
    typedef typename O::Key Key;
    auto some_rows = [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; row++) {
        const Key* from = (const Key*)in + row * count;
        Keyed64* items;
        const int64_t found = row_candidates<O>(from, count, k, items);
        if (k < found) std::nth_element(items, items + k, items + found, comes_before);
        std::sort(items, items + least(k, found), comes_before);
        for (int64_t i = 0; i < k; i++) {
          ((Key*)values)[row * k + i] = from[items[i].index];
          indices[row * k + i] = int32_t(items[i].index);
        }
      }
      sort_scratch().items.trim();
    };
    // Rows side by side; few long ones are searched by all threads together.
    if (rows < arrax_num_threads()) some_rows(0, rows);
    else parallel(rows, most(1, 50000 / most(count, 1)), some_rows);
  });
}

ARRAX_SYMBOLS({"arrax_sort", library_function<arrax_sort>()},
              {"arrax_order_zeros", library_function<arrax_order_zeros>()},
              {"arrax_top_k", library_function<arrax_top_k>()});
