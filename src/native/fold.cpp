// Sums of arrays along any axes, for eager evaluation: accurate, in one pass, to the same bits
// whatever the number of threads.
//
// Elements are added up in short blocks, each by several accumulators (in float32 for narrower
// floats); the sums of the blocks are added with their rounding errors (Knuth's two-sum). So the
// error is a few units in the last place of the sum of magnitudes, however many elements there are,
// and a narrow result is rounded once. Integers wrap.
#include <cmath>
#include <type_traits>
#include <vector>

#include "library.h"

namespace {

constexpr int64_t kRowBlock = 64;      // additions to an accumulator that make a block
constexpr int64_t kColumnBlock = 128;  // rows whose sum, column by column, is one block
constexpr int64_t kWidth = 512;        // columns that are summed side by side
constexpr int64_t kShortRow = 32;      // elements up to which many rows are summed side by side
constexpr int64_t kGrain = 1 << 15;    // elements that are worth a thread's while
constexpr int64_t kChunk = 1 << 17;    // elements of the chunks that long sums are cut into
constexpr int64_t kMostChunks = 32;    // a function of the shape alone, not of the threads

// ---- totals ----

// A sum of blocks, of floats with the rounding errors of its additions.
template <class Sum, bool inexact = std::is_floating_point<Sum>::value> struct Total {
  Sum high = 0;
  void add(Sum x) { high += x; }
  void add(const Total& x) { high += x.high; }
  Sum value() const { return high; }
};
template <class Sum> struct Total<Sum, true> {
  Sum high = 0, low = 0;
  void add(Sum x) {
    const Sum sum = high + x, part = sum - high;
    low += (high - (sum - part)) + (x - part);
    high = sum;
  }
  void add(const Total& x) {
    add(x.high);
    low += x.low;
  }
  // The errors are NaN once a sum is infinite.
  Sum value() const { return low == low ? high + low : high; }
};

// Adds sums of blocks to as many totals, and empties them.
template <class Sum>
__attribute__((always_inline)) inline void add_block_of(Sum* sums, Sum* high, Sum* low,
                                                        int64_t count) {
  for (int64_t j = 0; j < count; j++) {
    if constexpr (std::is_floating_point<Sum>::value) {
      const Sum x = sums[j], sum = high[j] + x, part = sum - high[j];
      low[j] += (high[j] - (sum - part)) + (x - part);
      high[j] = sum;
    } else {
      high[j] += sums[j];
    }
    sums[j] = 0;
  }
}

// ---- inner loops ----

// Adds `rows` rows of `count` elements, `step` bytes apart, to as many sums.
template <class T, class Sum>
__attribute__((always_inline)) inline void add_rows_of(const char* data, int64_t rows, int64_t step,
                                                       int64_t count, Sum* sums) {
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4, data += 4 * step) {
    const T *a = (const T*)data, *b = (const T*)(data + step), *c = (const T*)(data + 2 * step),
            *d = (const T*)(data + 3 * step);
    for (int64_t j = 0; j < count; j++)
      sums[j] += (Sum(widen(a[j])) + Sum(widen(b[j]))) + (Sum(widen(c[j])) + Sum(widen(d[j])));
  }
  for (; i < rows; i++, data += step)
    for (int64_t j = 0; j < count; j++) sums[j] += Sum(widen(((const T*)data)[j]));
}

// The same for elements of a row that are `gap` elements apart.
template <class T, class Sum>
__attribute__((always_inline)) inline void add_spread_rows_of(const char* data, int64_t rows,
                                                              int64_t step, int64_t count,
                                                              int64_t gap, Sum* sums) {
  for (int64_t i = 0; i < rows; i++, data += step)
    for (int64_t j = 0; j < count; j++) sums[j] += Sum(widen(((const T*)data)[j * gap]));
}

// The accumulators of a row: four vectors.
template <class Sum> struct Accumulators {
  static constexpr int lanes = 32 / int(sizeof(Sum)), count = 4 * lanes;
  typedef Sum Vector __attribute__((vector_size(32), aligned(32), may_alias));
  alignas(64) Sum parts[count] = {};
  Sum rest = 0;  // of the last elements of rows, which are no whole vector
};

template <class T, class Sum, class Vector>
__attribute__((always_inline)) inline void add_vector(const T* data, Vector& sum) {
  if constexpr (std::is_same<T, Sum>::value) {
    typedef Sum Unaligned __attribute__((vector_size(32), aligned(alignof(Sum)), may_alias));
    sum += (Vector)*(const Unaligned*)data;
  } else {
    alignas(64) Sum wide[Accumulators<Sum>::lanes];
    for (int j = 0; j < Accumulators<Sum>::lanes; j++) wide[j] = widen(data[j]);
    sum += *(const Vector*)wide;
  }
}

// Adds consecutive elements: whole vectors to four sums, the last elements to `rest`.
template <class T, class Sum, class Vector>
__attribute__((always_inline)) inline void add_row_to(const T* data, int64_t count, Vector& a,
                                                      Vector& b, Vector& c, Vector& d, Sum& rest) {
  constexpr int lanes = Accumulators<Sum>::lanes;
  int64_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    add_vector<T, Sum>(data + i, a);
    add_vector<T, Sum>(data + i + lanes, b);
    add_vector<T, Sum>(data + i + 2 * lanes, c);
    add_vector<T, Sum>(data + i + 3 * lanes, d);
  }
  if (i + 2 * lanes <= count) {
    add_vector<T, Sum>(data + i, a);
    add_vector<T, Sum>(data + i + lanes, b);
    i += 2 * lanes;
  }
  if (i + lanes <= count) {
    add_vector<T, Sum>(data + i, c);
    i += lanes;
  }
  Sum last[4] = {};
  for (; i + 4 <= count; i += 4)
    for (int j = 0; j < 4; j++) last[j] += Sum(widen(data[i + j]));
  for (int j = 0; i < count; i++, j++) last[j] += Sum(widen(data[i]));
  rest += (last[0] + last[1]) + (last[2] + last[3]);
}

template <class Sum, class Vector>
__attribute__((always_inline)) inline Sum across(const Vector& a, const Vector& b, const Vector& c,
                                                 const Vector& d) {
  constexpr int lanes = Accumulators<Sum>::lanes;
  Vector total = (a + b) + (c + d);
#ifdef __clang__  // has no shuffles with masks in variables
  for (int width = lanes / 2; width; width /= 2)
    for (int j = 0; j < width; j++) total[j] += total[j + width];
#else
  typedef typename std::conditional<sizeof(Sum) == 4, int32_t, typename std::conditional<
      sizeof(Sum) == 8, int64_t, typename std::conditional<sizeof(Sum) == 2, int16_t, int8_t>::type
      >::type>::type Index;
  typedef Index Mask __attribute__((vector_size(32)));
  for (int width = lanes / 2; width; width /= 2) {
    Mask other;
    for (int j = 0; j < lanes; j++) other[j] = Index(j ^ width);
    total += __builtin_shuffle(total, other);
  }
#endif
  return total[0];
}

template <class T, class Sum>
__attribute__((always_inline)) inline void add_row_of(const T* data, int64_t count,
                                                      Accumulators<Sum>& sums) {
  typedef typename Accumulators<Sum>::Vector Vector;
  Vector* parts = (Vector*)sums.parts;
  Vector a = parts[0], b = parts[1], c = parts[2], d = parts[3];
  add_row_to<T, Sum>(data, count, a, b, c, d, sums.rest);
  parts[0] = a, parts[1] = b, parts[2] = c, parts[3] = d;
}

// The sum of one row.
template <class T, class Sum>
__attribute__((always_inline)) inline Sum row_sum_of(const T* data, int64_t count) {
  typename Accumulators<Sum>::Vector a = {}, b = {}, c = {}, d = {};
  Sum rest = 0;
  add_row_to<T, Sum>(data, count, a, b, c, d, rest);
  return across<Sum>(a, b, c, d) + rest;
}

// Empties the accumulators into one sum.
template <class Sum>
__attribute__((always_inline)) inline Sum drain_of(Accumulators<Sum>& sums) {
  typedef typename Accumulators<Sum>::Vector Vector;
  Vector* parts = (Vector*)sums.parts;
  const Sum sum = across<Sum>(parts[0], parts[1], parts[2], parts[3]) + sums.rest;
  parts[0] = parts[1] = parts[2] = parts[3] = Vector{};
  sums.rest = 0;
  return sum;
}

// Adds elements `step` bytes apart.
template <class T, class Sum>
void add_spread_row(const char* data, int64_t count, int64_t step, Accumulators<Sum>& sums) {
  for (int64_t i = 0; i < count; i++, data += step)
    sums.parts[i % Accumulators<Sum>::count] += Sum(widen(*(const T*)data));
}

#define ARRAX_SUMS(T, Sum)                                                                     \
  ARRAX_VECTORIZE void add_rows(const char* data, int64_t rows, int64_t step, int64_t count,   \
                                Sum* sums, T*) {                                               \
    add_rows_of<T, Sum>(data, rows, step, count, sums);                                        \
  }                                                                                            \
  ARRAX_VECTORIZE void add_spread_rows(const char* data, int64_t rows, int64_t step,           \
                                       int64_t count, int64_t gap, Sum* sums, T*) {            \
    add_spread_rows_of<T, Sum>(data, rows, step, count, gap, sums);                            \
  }                                                                                            \
  ARRAX_VECTORIZE void add_row(const T* data, int64_t count, Accumulators<Sum>& sums) {        \
    add_row_of<T, Sum>(data, count, sums);                                                     \
  }                                                                                            \
  ARRAX_VECTORIZE Sum row_sum(const T* data, int64_t count) {                                  \
    return row_sum_of<T, Sum>(data, count);                                                    \
  }
ARRAX_SUMS(Float16, float)
ARRAX_SUMS(Bfloat16, float)
ARRAX_SUMS(float, float)
ARRAX_SUMS(double, double)
ARRAX_SUMS(uint8_t, uint8_t)
ARRAX_SUMS(uint16_t, uint16_t)
ARRAX_SUMS(uint32_t, uint32_t)
ARRAX_SUMS(uint64_t, uint64_t)
#undef ARRAX_SUMS

#define ARRAX_DRAIN(Sum) \
  ARRAX_VECTORIZE Sum drain(Accumulators<Sum>& sums) { return drain_of(sums); }                \
  ARRAX_VECTORIZE void add_block(Sum* sums, Sum* high, Sum* low, int64_t count) {              \
    add_block_of(sums, high, low, count);                                                      \
  }
ARRAX_DRAIN(float)
ARRAX_DRAIN(double)
ARRAX_DRAIN(uint8_t)
ARRAX_DRAIN(uint16_t)
ARRAX_DRAIN(uint32_t)
ARRAX_DRAIN(uint64_t)
#undef ARRAX_DRAIN

template <class T, class Sum> void store(char* place, Sum value) {
  if constexpr (std::is_same<T, Float16>::value || std::is_same<T, Bfloat16>::value)
    *(T*)place = Narrow<T, float>::apply(value);
  else
    *(T*)place = T(value);
}

// ---- the plan ----

struct Axis {
  int64_t extent, in, out;  // strides in bytes; `out` is 0 for summed axes
};

// Puts axes into the order of memory and joins those that are one.
void simplify(std::vector<Axis>& axes) {
  for (size_t i = 1; i < axes.size(); i++)  // few axes: insertion
    for (size_t j = i; j > 0 && std::llabs(axes[j].in) > std::llabs(axes[j - 1].in); j--)
      std::swap(axes[j], axes[j - 1]);
  size_t kept = 0;
  for (size_t i = 0; i < axes.size(); i++) {
    Axis* last = kept ? &axes[kept - 1] : nullptr;
    if (last && last->in == axes[i].in * axes[i].extent && last->out == axes[i].out * axes[i].extent)
      *last = {last->extent * axes[i].extent, axes[i].in, axes[i].out};
    else
      axes[kept++] = axes[i];
  }
  axes.resize(kept);
}

inline int64_t product(const std::vector<Axis>& axes) {
  int64_t count = 1;
  for (const Axis& axis : axes) count *= axis.extent;
  return count;
}

// Calls body(in, out) with the byte offsets of each point of the axes.
template <class Body> void for_points(const Axis* axes, size_t count, int64_t in, int64_t out,
                                      const Body& body) {
  if (!count) return body(in, out);
  for (int64_t i = 0; i < axes->extent; i++, in += axes->in, out += axes->out)
    for_points(axes + 1, count - 1, in, out, body);
}

struct Plan {
  std::vector<Axis> kept, summed;
  bool columns = false;  // the innermost kept axis runs side by side
  int64_t chunks = 1;    // of the outermost summed axis

  void choose(int64_t elements) {
    simplify(kept);
    simplify(summed);
    if (summed.empty()) summed.push_back({1, 0, 0});
    const int64_t inner = std::llabs(summed.back().in);
    columns = !kept.empty() && (std::llabs(kept.back().in) < inner || inner == 0 ||
                                summed.back().extent < kShortRow);
    const int64_t units = tasks();
    if (units < 16 && elements >= 2 * kChunk)
      chunks = least(least(kMostChunks, elements / kChunk), summed[0].extent);
  }
  int64_t blocks() const { return columns ? ceil_div(kept.back().extent, kWidth) : 1; }
  int64_t tasks() const {
    return columns ? product(kept) / kept.back().extent * blocks() : product(kept);
  }
  int64_t outputs() const { return product(kept); }
};

// ---- one fold ----

template <class T, class Sum> struct Fold {
  const Plan& plan;
  const char* in;
  char* out;
  std::vector<Total<Sum>> partial;  // [chunk][output], where there are chunks

  // Sums chunk `chunk` at the offset `place` by calls of leaf(offset, extent of the last axis).
  template <class Leaf> void each_leaf(int64_t chunk, int64_t place, const Leaf& leaf) const {
    const auto& axes = plan.summed;
    // Chunks begin at whole vectors where there is room.
    const int64_t unit = axes[0].extent >= 64 * plan.chunks ? 64 : 1;
    const int64_t size = ceil_div(axes[0].extent, plan.chunks * unit) * unit, first = chunk * size;
    const int64_t count = least(size, axes[0].extent - first);
    if (count <= 0) return;
    place += first * axes[0].in;
    if (axes.size() == 1) return leaf(place, count);
    const Axis& last = axes.back();
    for (int64_t i = 0; i < count; i++, place += axes[0].in)
      for_points(axes.data() + 1, axes.size() - 2, place, 0,
                 [&](int64_t at, int64_t) { leaf(at, last.extent); });
  }

  Total<Sum> row(int64_t chunk, int64_t place) const {
    const int64_t step = plan.summed.back().in;
    constexpr int64_t block = kRowBlock * Accumulators<Sum>::count;
    if (plan.summed.size() == 1 && step == int64_t(sizeof(T)) && plan.summed[0].extent <= block)
      return totals_of(row_sum((const T*)(in + place), plan.summed[0].extent), 0);
    Accumulators<Sum> sums;
    Total<Sum> total;
    int64_t pending = 0;
    each_leaf(chunk, place, [&](int64_t at, int64_t count) {
      const char* data = in + at;
      while (count) {
        const int64_t size = least(count, block - pending);
        if (step == int64_t(sizeof(T))) add_row((const T*)data, size, sums);
        else add_spread_row<T, Sum>(data, size, step, sums);
        // A short row uses each accumulator at most once more than its part.
        pending += (size + Accumulators<Sum>::count - 1) & -Accumulators<Sum>::count;
        if (pending >= block) total.add(drain(sums)), pending = 0;
        count -= size;
        data += size * step;
      }
    });
    if (pending) total.add(drain(sums));
    return total;
  }

  // Sums of `width` columns from `place` on.
  void columns(int64_t chunk, int64_t place, int64_t width, Total<Sum>* totals) const {
    const int64_t step = plan.summed.back().in, gap = plan.kept.back().in;
    const bool dense = gap == int64_t(sizeof(T));
    // Narrow rows that follow each other are summed as wide ones, then folded.
    const int64_t group =
        dense && step == width * int64_t(sizeof(T)) && width <= 32 ? ceil_div(64, width) : 1;
    Sum sums[kWidth], high[kWidth], low[kWidth];
    for (int64_t j = 0; j < width * group; j++) sums[j] = high[j] = low[j] = 0;
    int64_t pending = 0;
    auto flush = [&] {
      for (int64_t g = 0; g < group; g++) add_block(sums + g * width, high, low, width);
      pending = 0;
    };
    each_leaf(chunk, place, [&](int64_t at, int64_t count) {
      const char* data = in + at;
      for (int64_t i = 0; i < count;) {
        int64_t rows = least(count - i, (kColumnBlock - pending) * group);
        const int64_t grouped = rows / group;
        if (grouped) {
          rows = grouped * group;
          if (dense) add_rows(data, grouped, group * step, group * width, sums, (T*)nullptr);
          else add_spread_rows(data, grouped, step, width, gap / int64_t(sizeof(T)), sums, (T*)nullptr);
          pending += grouped;
        } else {
          add_rows(data, rows, step, width, sums, (T*)nullptr);
          pending += 1;
        }
        i += rows;
        data += rows * step;
        if (pending >= kColumnBlock) flush();
      }
    });
    flush();
    for (int64_t j = 0; j < width; j++) totals[j] = totals_of(high[j], low[j]);
  }

  static Total<Sum> totals_of(Sum high, Sum low) {
    Total<Sum> total;
    total.high = high;
    if constexpr (std::is_floating_point<Sum>::value) total.low = low;
    return total;
  }

  // Where task `task` begins: offsets into operand and result, and columns.
  void task_place(int64_t task, int64_t* at_in, int64_t* at_out, int64_t* width) const {
    const auto& axes = plan.kept;
    size_t rank = axes.size();
    *at_in = *at_out = 0;
    *width = 1;
    if (plan.columns) {
      const Axis& last = axes[--rank];
      const int64_t first = task % plan.blocks() * kWidth;
      task /= plan.blocks();
      *at_in += first * last.in;
      *at_out += first * last.out;
      *width = least(kWidth, last.extent - first);
    }
    while (rank--) {
      const int64_t index = rank ? task % axes[rank].extent : task;
      *at_in += index * axes[rank].in;
      *at_out += index * axes[rank].out;
      if (rank) task /= axes[rank].extent;
    }
  }

  void run_task(int64_t task, int64_t chunk, Total<Sum>* totals) const {
    int64_t at_in, at_out, width;
    task_place(task, &at_in, &at_out, &width);
    if (plan.columns) columns(chunk, at_in, width, totals);
    else totals[0] = row(chunk, at_in);
  }

  void write(int64_t task, const Total<Sum>* totals) const {
    int64_t at_in, at_out, width;
    task_place(task, &at_in, &at_out, &width);
    const int64_t gap = plan.columns ? plan.kept.back().out : 0;
    for (int64_t j = 0; j < width; j++) store<T, Sum>(out + at_out + j * gap, totals[j].value());
  }

  void run(int64_t elements) {
    const int64_t tasks = plan.tasks(), chunks = plan.chunks;
    const int64_t width = plan.columns ? least(kWidth, plan.kept.back().extent) : 1;
    if (chunks == 1) {
      parallel(tasks, most(1, kGrain * tasks / (elements + 1)), [&](int64_t begin, int64_t end) {
        if (plan.columns) {
          for (int64_t task = begin; task < end; task++) {
            Total<Sum> totals[kWidth];
            run_task(task, 0, totals);
            write(task, totals);
          }
        } else {
          for (int64_t task = begin; task < end; task++) {
            Total<Sum> total;
            run_task(task, 0, &total);
            write(task, &total);
          }
        }
      });
      return;
    }
    partial.resize(size_t(tasks * chunks * width));
    parallel(tasks * chunks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++)
        run_task(i / chunks, i % chunks, partial.data() + i * width);
    });
    for (int64_t task = 0; task < tasks; task++) {
      Total<Sum>* totals = partial.data() + task * chunks * width;
      for (int64_t chunk = 1; chunk < chunks; chunk++)
        for (int64_t j = 0; j < width; j++) totals[j].add(totals[chunk * width + j]);
      write(task, totals);
    }
  }
};

template <class T, class Sum>
void fold(const Plan& plan, const char* in, char* out, int64_t elements) {
  Fold<T, Sum>{plan, in, out, {}}.run(elements);
}

void fold_of(int64_t code, const Plan& plan, const char* in, char* out, int64_t elements) {
  switch (code) {
    case kInt8: case kUint8: return fold<uint8_t, uint8_t>(plan, in, out, elements);
    case kInt16: case kUint16: return fold<uint16_t, uint16_t>(plan, in, out, elements);
    case kInt32: case kUint32: return fold<uint32_t, uint32_t>(plan, in, out, elements);
    case kInt64: case kUint64: return fold<uint64_t, uint64_t>(plan, in, out, elements);
    case kFloat16: return fold<Float16, float>(plan, in, out, elements);
    case kBfloat16: return fold<Bfloat16, float>(plan, in, out, elements);
    case kFloat32: case kComplex64: return fold<float, float>(plan, in, out, elements);
    case kFloat64: case kComplex128: return fold<double, double>(plan, in, out, elements);
  }
}

// ---- the call ----

PyObject* sum(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (count != 3 || !PyArray_Check(arguments[0]) || !PyTuple_Check(arguments[1])) {
    PyErr_SetString(PyExc_TypeError, "sum takes an ndarray, a tuple of axes and a dtype's code");
    return nullptr;
  }
  auto* array = reinterpret_cast<PyArrayObject*>(arguments[0]);
  const int64_t code = PyLong_AsLongLong(arguments[2]);
  uint64_t summed = 0;
  const int rank = PyArray_NDIM(array);
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(arguments[1]); i++) {
    const long axis = PyLong_AsLong(PyTuple_GET_ITEM(arguments[1], i));
    if (axis < 0 || axis >= rank) {
      if (!PyErr_Occurred()) PyErr_Format(PyExc_ValueError, "axis %ld of a sum is not one of %d", axis, rank);
      return nullptr;
    }
    summed |= uint64_t{1} << axis;
  }
  if (PyErr_Occurred()) return nullptr;
  PyObject* copy = nullptr;
  if (!PyArray_ISALIGNED(array) || PyArray_ISBYTESWAPPED(array)) {
    PyArray_Descr* native = PyArray_DescrNewByteorder(PyArray_DESCR(array), NPY_NATIVE);
    if (!native || !(copy = PyArray_FromArray(array, native, NPY_ARRAY_CARRAY))) return nullptr;
    array = reinterpret_cast<PyArrayObject*>(copy);
  }
  npy_intp shape[NPY_MAXDIMS];
  int kept = 0;
  for (int i = 0; i < rank; i++)
    if (!(summed >> i & 1)) shape[kept++] = PyArray_DIM(array, i);
  PyObject* result = pool_empty(PyArray_DESCR(array), kept, shape);
  if (!result) {
    Py_XDECREF(copy);
    return nullptr;
  }
  auto* out = reinterpret_cast<PyArrayObject*>(result);
  int64_t elements = PyArray_SIZE(array);
  if (!elements) {
    std::memset(PyArray_DATA(out), 0, size_t(PyArray_NBYTES(out)));
  } else {
    Plan plan;
    for (int i = 0, j = 0; i < rank; i++) {
      const int64_t extent = PyArray_DIM(array, i), step = PyArray_STRIDE(array, i);
      const bool gone = summed >> i & 1;
      const int64_t to = gone ? 0 : PyArray_STRIDE(out, j++);
      if (extent != 1) (gone ? plan.summed : plan.kept).push_back({extent, step, to});
    }
    if (code >= kComplex64) {  // both parts are summed side by side
      const int64_t part = PyArray_ITEMSIZE(array) / 2;
      plan.kept.push_back({2, part, part});
      elements *= 2;
    }
    plan.choose(elements);
    const char* in = PyArray_BYTES(array);
    char* to = PyArray_BYTES(out);
    if (elements < kGrain) {
      fold_of(code, plan, in, to, elements);
    } else {
      WithoutGil released;
      fold_of(code, plan, in, to, elements);
    }
  }
  Py_XDECREF(copy);
  return result;
}

}  // namespace

PyMethodDef fold_functions[] = {
    {"sum", method<sum>(), METH_FASTCALL,
     "sum(array, axes, code): the sum of an ndarray along a tuple of axes; `code` is its dtype's in\n"
     "`enum DType` (bools have none)."},
    {nullptr}};
