// Gathers of rows, and scatters into rows, by one-dimensional indices.
#include <limits>
#include <vector>

#include "library.h"

namespace {

// Reads an index as int64; unsigned 64-bit ones beyond its range become out of bounds.
inline int64_t index_at(const void* indices, int64_t dtype, int64_t i) {
  switch (dtype) {
    case kInt8: return ((const int8_t*)indices)[i];
    case kInt16: return ((const int16_t*)indices)[i];
    case kInt64: return ((const int64_t*)indices)[i];
    case kUint8: return ((const uint8_t*)indices)[i];
    case kUint16: return ((const uint16_t*)indices)[i];
    case kUint32: return ((const uint32_t*)indices)[i];
    case kUint64: {
      const uint64_t index = ((const uint64_t*)indices)[i];
      return index > uint64_t(INT64_MAX) ? INT64_MAX : int64_t(index);
    }
    default: return ((const int32_t*)indices)[i];
  }
}

// Rows of a single element with int32 indices: the common gather.
#define ARRAX_GATHER_ITEMS(Item)                                                                  \
  ARRAX_VECTORIZE void gather_items(const Item* __restrict source, int64_t rows,                  \
                                    const int32_t* __restrict indices, int64_t begin,             \
                                    int64_t end, const Item* fill, Item* __restrict out) {        \
    const int32_t last = int32_t(least(rows, INT32_MAX) - 1);                                     \
    if (fill) {                                                                                   \
      const Item other = *fill;                                                                   \
      for (int64_t i = begin; i < end; i++) {                                                     \
        const int32_t index = indices[i];                                                         \
        const bool inside = index >= 0 && index <= last;                                          \
        const Item item = source[inside ? index : 0];                                             \
        out[i] = inside ? item : other;                                                           \
      }                                                                                           \
    } else {                                                                                      \
      for (int64_t i = begin; i < end; i++) {                                                     \
        const int32_t index = indices[i] < 0 ? 0 : indices[i];                                    \
        out[i] = source[index > last ? last : index];                                             \
      }                                                                                           \
    }                                                                                             \
  }
ARRAX_GATHER_ITEMS(uint32_t)
ARRAX_GATHER_ITEMS(uint64_t)

}  // namespace

// out[i, :] = source[indices[i], :]. Indices outside are clamped, or, where `fill` is not null,
// give the element that it points to. Negative indices do not wrap.
// spec: bytes of an element, elements of a row, rows of the source, indices, dtype of indices.
extern "C" void arrax_gather_rows(const int64_t* spec, const void* source, const void* indices,
                                  const void* fill, void* out) {
  const int64_t item = spec[0], length = spec[1], rows = spec[2], count = spec[3], dtype = spec[4];
  const int64_t bytes = item * length;
  parallel(count, most(1, 65536 / most(bytes, 1)), [&](int64_t begin, int64_t end) {
    if (length == 1 && item == 4 && dtype == kInt32 && rows > 0)
      return gather_items((const uint32_t*)source, rows, (const int32_t*)indices, begin, end,
                          (const uint32_t*)fill, (uint32_t*)out);
    if (length == 1 && item == 8 && dtype == kInt32 && rows > 0)
      return gather_items((const uint64_t*)source, rows, (const int32_t*)indices, begin, end,
                          (const uint64_t*)fill, (uint64_t*)out);
    for (int64_t i = begin; i < end; i++) {
      int64_t index = index_at(indices, dtype, i);
      char* to = (char*)out + i * bytes;
      if ((uint64_t(index) >= uint64_t(rows) && fill) || rows == 0) {
        for (int64_t j = 0; j < length; j++)
          if (fill) std::memcpy(to + j * item, fill, size_t(item));
          else std::memset(to + j * item, 0, size_t(item));
        continue;
      }
      index = index < 0 ? 0 : least(index, rows - 1);
      std::memcpy(to, (const char*)source + index * bytes, size_t(bytes));
    }
  });
}

namespace {

enum Update : int64_t { kSet, kAdd, kMultiply, kMinimum, kMaximum, kSubtract };

template <class T> T combine(int64_t update, T a, T b) {
  switch (update) {
    case kAdd: return a + b;
    case kSubtract: return a - b;
    case kMultiply: return a * b;
    case kMinimum: return b != b || b < a ? b : a;
    case kMaximum: return b != b || b > a ? b : a;
    default: return b;
  }
}

struct Scatter {
  int64_t update, length, rows, count, index_dtype;
  int64_t first_column, last_column;  // the part of each row to update
};

// One row after the other; `Index` is what the indices are read as.
template <class T, class Work, int64_t update, class Index>
__attribute__((optimize("O3"))) void scatter_rows(const Scatter& s, T* out, const Index* indices,
                                                  const T* updates, int64_t begin, int64_t end) {
  const int64_t length = s.length, rows = s.rows, first = s.first_column, last = s.last_column;
  for (int64_t i = begin; i < end; i++) {
    const int64_t index = int64_t(indices[i]);
    if (uint64_t(index) >= uint64_t(rows)) continue;
    T* __restrict row = out + index * length;
    const T* __restrict from = updates + i * length;
    for (int64_t j = first; j < last; j++)
      row[j] = Narrow<T, Work>::apply(combine<Work>(update, Work(widen(row[j])), Work(widen(from[j]))));
  }
}

template <class T, class Work, int64_t update>
void scatter_range(const Scatter& s, T* out, const void* indices, const T* updates, int64_t begin,
                   int64_t end) {
  if (s.length == 1 && s.index_dtype == kInt32) {
    const int32_t* narrow = (const int32_t*)indices;
    for (int64_t i = begin; i < end; i++) {
      const int64_t index = narrow[i];
      if (uint64_t(index) < uint64_t(s.rows))
        out[index] = Narrow<T, Work>::apply(combine<Work>(update, Work(widen(out[index])), Work(widen(updates[i]))));
    }
    return;
  }
  if (s.index_dtype == kInt32)
    return scatter_rows<T, Work, update>(s, out, (const int32_t*)indices, updates, begin, end);
  if (s.index_dtype == kInt64)
    return scatter_rows<T, Work, update>(s, out, (const int64_t*)indices, updates, begin, end);
  constexpr int64_t block = 256;
  int64_t wide[block];
  for (int64_t first = begin; first < end; first += block) {
    const int64_t count = least(block, end - first);
    for (int64_t i = 0; i < count; i++) wide[i] = index_at(indices, s.index_dtype, first + i);
    scatter_rows<T, Work, update>(s, out, wide, updates + first * s.length, 0, count);
  }
}

constexpr int64_t kWide = 64;  // elements of a row from which threads share each row

// Every row in order. Of wide rows each thread updates its part, so that no two write to one place.
template <class T, class Work, int64_t update>
void scatter_all(const Scatter& s, T* out, const void* indices, const T* updates) {
  if (s.length < kWide || s.count * s.length < 1 << 17)
    return scatter_range<T, Work, update>(s, out, indices, updates, 0, s.count);
  const int64_t parts = least(arrax_num_threads(), s.length / (kWide / 2));
  const int64_t part = ceil_div(ceil_div(s.length, parts), 16) * 16;
  parallel(parts, 1, [&](int64_t begin, int64_t end) {
    Scatter own = s;
    own.first_column = least(s.length, begin * part);
    own.last_column = least(s.length, end * part);
    scatter_range<T, Work, update>(own, out, indices, updates, 0, s.count);
  });
}

// Long sums into few rows: each thread sums into rows of its own, which are added up at the end.
template <class T, class Work>
void scatter_add(const Scatter& s, T* out, const void* indices, const T* updates) {
  const int64_t size = s.rows * s.length, threads = arrax_num_threads();
  if (s.count * s.length < 1 << 16 || size * threads * 4 > s.count * s.length || threads == 1)
    return scatter_all<T, Work, kAdd>(s, out, indices, updates);
  Scratch memory;
  T* partial = memory.get<T>(size * (threads - 1));
  const int64_t part = ceil_div(s.count, threads);
  parallel(threads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; p++) {
      T* own = p ? partial + (p - 1) * size : out;
      if (p) std::memset((void*)own, 0, size_t(size) * sizeof(T));
      scatter_range<T, Work, kAdd>(s, own, indices, updates, least(s.count, p * part),
                                   least(s.count, (p + 1) * part));
    }
  });
  for (int64_t p = 1; p < threads; p++)
    for (int64_t i = 0; i < size; i++)
      out[i] = Narrow<T, Work>::apply(Work(widen(out[i])) + Work(widen(partial[(p - 1) * size + i])));
}

template <class T, class Work>
void scatter(const Scatter& s, void* out, const void* indices, const void* updates) {
  T* to = (T*)out;
  const T* from = (const T*)updates;
  switch (s.update) {
    case kSet: return scatter_all<T, Work, kSet>(s, to, indices, from);
    case kAdd: return scatter_add<T, Work>(s, to, indices, from);
    case kMultiply: return scatter_all<T, Work, kMultiply>(s, to, indices, from);
    case kMinimum: return scatter_all<T, Work, kMinimum>(s, to, indices, from);
    case kMaximum: return scatter_all<T, Work, kMaximum>(s, to, indices, from);
    case kSubtract: return scatter_all<T, Work, kSubtract>(s, to, indices, from);
  }
}

}  // namespace

// out[indices[i], :] = out[...] op updates[i, :], in order; indices outside are dropped.
// spec: dtype, op (0 set, 1 add, 2 multiply, 3 min, 4 max, 5 subtract), elements of a row, rows of
// out, indices, dtype of indices.
extern "C" void arrax_scatter_rows(const int64_t* spec, void* out, const void* indices,
                                   const void* updates) {
  const Scatter s{spec[1], spec[2], spec[3], spec[4], spec[5], 0, spec[2]};
  switch (spec[0]) {
    case kInt8: return scatter<int8_t, int8_t>(s, out, indices, updates);
    case kInt16: return scatter<int16_t, int16_t>(s, out, indices, updates);
    case kInt32: return scatter<int32_t, int32_t>(s, out, indices, updates);
    case kInt64: return scatter<int64_t, int64_t>(s, out, indices, updates);
    case kBool: case kUint8: return scatter<uint8_t, uint8_t>(s, out, indices, updates);
    case kUint16: return scatter<uint16_t, uint16_t>(s, out, indices, updates);
    case kUint32: return scatter<uint32_t, uint32_t>(s, out, indices, updates);
    case kUint64: return scatter<uint64_t, uint64_t>(s, out, indices, updates);
    case kFloat16: return scatter<Float16, float>(s, out, indices, updates);
    case kBfloat16: return scatter<Bfloat16, float>(s, out, indices, updates);
    case kFloat32: return scatter<float, float>(s, out, indices, updates);
    case kFloat64: return scatter<double, double>(s, out, indices, updates);
    case kComplex64: case kComplex128: {  // sets and sums work on the parts
      if (s.update > kAdd) return;
      Scatter parts = s;
      parts.length *= 2, parts.last_column *= 2;
      if (spec[0] == kComplex64) return scatter<float, float>(parts, out, indices, updates);
      return scatter<double, double>(parts, out, indices, updates);
    }
  }
}

ARRAX_SYMBOLS({"arrax_gather_rows", library_function<arrax_gather_rows>()},
              {"arrax_scatter_rows", library_function<arrax_scatter_rows>()});
