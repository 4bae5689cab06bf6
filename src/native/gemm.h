// Blocked matrix multiplication over any source of rows (BLIS' scheme: Van Zee and van de Geijn,
// 2015). Shared by gemm.cpp and conv.cpp, which differ in where the rows of B come from.
#pragma once

#include <type_traits>

#include "library.h"

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

// A kernel for one tile: C[rows][2 vectors] (+)= packed A * packed B. Depth counts packed steps.
template <class Packed, class Sum>
struct TileKernel {
  typedef void (*Function)(int64_t depth, const Packed* a, const Packed* b, int64_t b_stride,
                           Sum* c, int64_t c_stride, bool add);
  Function tall, medium, low;  // 14 (or 6), 8 (or 6) and 4 rows
  int tall_rows, medium_rows, low_rows;
  int columns;
  // For up to `columns` / 2, and up to `columns`, columns: rows of A in place, by their addresses.
  typedef void (*RowFunction)(int64_t depth, const Packed* const* a, const Packed* b,
                              int64_t b_stride, Sum* c, int64_t c_stride, bool add);
  RowFunction half, whole;
  int row_count;
};

// Adds to a sum whose rounding errors are added up in `low` (Knuth's two-sum).
template <class Sum> inline void add_with_error(Sum x, Sum& high, Sum& low) {
  const Sum sum = high + x, part = sum - high;
  low += (high - (sum - part)) + (x - part);
  high = sum;
}
// The errors are NaN once a sum is infinite.
template <class Sum> inline Sum with_error(Sum high, Sum low) {
  return low == low ? high + low : high;
}

const TileKernel<float, float>& float32_tiles();
const TileKernel<double, double>& float64_tiles();
const TileKernel<int32_t, int32_t>& int32_tiles();
// Pairs of bfloat16 along the depth in one uint32; null function pointers without AVX512-BF16.
const TileKernel<uint32_t, float>& bfloat16_tiles();

// to[j][i] = from[i][j] for four rows of four floats.
inline void transpose4(const float* from, int64_t from_step, float* to, int64_t to_step) {
#if defined(__SSE2__)
  __m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + from_step);
  __m128 c = _mm_loadu_ps(from + 2 * from_step), d = _mm_loadu_ps(from + 3 * from_step);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(to, a);
  _mm_storeu_ps(to + to_step, b);
  _mm_storeu_ps(to + 2 * to_step, c);
  _mm_storeu_ps(to + 3 * to_step, d);
#else
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 4; j++) to[j * to_step + i] = from[i * from_step + j];
#endif
}

// An element as it is packed: widened, or, where two 16-bit floats share a step, its bits.
template <class T, class In> inline T packed(In x) {
  if constexpr (std::is_same<T, uint16_t>::value) return x.bits;
  else return T(widen(x));
}

// A matrix in memory, `row` and `column` elements between neighbours.
template <class In> struct Strided {
  const In* data;
  int64_t row, column;
  // The elements [first, first + count) of one row, widened.
  template <class T> void read(int64_t index, int64_t first, int64_t count, T* out) const {
    const In* from = data + index * row + first * column;
    if constexpr (std::is_same<T, In>::value) {
      if (column == 1) {
        std::memcpy(out, from, size_t(count) * sizeof(T));
        return;
      }
    }
    if (column == 1) for (int64_t i = 0; i < count; i++) out[i] = packed<T>(from[i]);
    else for (int64_t i = 0; i < count; i++) out[i] = packed<T>(from[i * column]);
  }
  // Where a row of consecutive elements can be used in place, or null.
  template <class T> const T* in_place() const {
    return std::is_same<T, In>::value && column == 1 ? (const T*)data : nullptr;
  }
  int64_t in_place_stride() const { return row; }
  // Columns that lie consecutively in memory are packed column by column.
  bool packs_itself() const { return row == 1 && column != 1; }
  template <class T>
  void pack_panel(int64_t first_row, int64_t depth, int64_t first, int64_t count, int64_t width,
                  T* out) const {
    constexpr int64_t step = 8;  // rows at a time, so that the packed lines stay in the cache
    for (int64_t p = 0; p < depth; p += step) {
      const int64_t rows = least(step, depth - p);
      int64_t j = 0;
      if constexpr (std::is_same<T, float>::value && std::is_same<In, float>::value) {
        for (; rows == step && j + 4 <= count; j += 4) {
          const float* from = data + first_row + p + (first + j) * column;
          transpose4(from, column, out + p * width + j, width);
          transpose4(from + 4, column, out + (p + 4) * width + j, width);
        }
      }
      for (; j < count; j++) {
        const In* from = data + first_row + p + (first + j) * column;
        T* to = out + p * width + j;
        if (rows == step) {
          for (int64_t q = 0; q < step; q++) to[q * width] = packed<T>(from[q]);
        } else {
          for (int64_t q = 0; q < rows; q++) to[q * width] = packed<T>(from[q]);
        }
      }
      for (int64_t q = 0; q < rows; q++)
        for (int64_t j = count; j < width; j++) out[(p + q) * width + j] = 0;
    }
  }
};

// The address of A whose elements along the depth follow each other in memory as they are packed,
// and the distance of its rows; null for any other source.
template <class Packed, class Source>
const Packed* rows_in_place(const Source&, int64_t*) { return nullptr; }
template <class Packed> const Packed* rows_in_place(const Strided<Packed>& a, int64_t* stride) {
  *stride = a.column;
  return a.row == 1 ? a.data : nullptr;
}

// Packs rows [first_row, first_row + depth) of `width` columns: step-major, zero-padded.
template <class Packed, class Source> struct Packer {
  static constexpr int64_t steps_per_row = 1;
  static void pack(const Source& source, int64_t first_row, int64_t depth, int64_t first,
                   int64_t count, int64_t width, Packed* out) {
    if (source.packs_itself()) {
      source.pack_panel(first_row, depth, first, count, width, out);
      return;
    }
    for (int64_t p = 0; p < depth; p++, out += width) {
      source.read(first_row + p, first, count, out);
      for (int64_t j = count; j < width; j++) out[j] = 0;
    }
  }
};

// Two bfloat16 rows go into one step.
template <class Source> struct Packer<uint32_t, Source> {
  static void pack(const Source& source, int64_t first_row, int64_t depth, int64_t first,
                   int64_t count, int64_t width, uint32_t* out) {
    constexpr int64_t rows = 32;
    uint16_t bits[rows * 64];
    for (int64_t p = 0; p < depth; p += rows) {
      const int64_t size = least(rows, depth - p);
      if (source.packs_itself()) source.pack_panel(first_row + p, size, first, count, width, bits);
      else
        for (int64_t q = 0; q < size; q++) {
          source.read(first_row + p + q, first, count, bits + q * width);
          for (int64_t j = count; j < width; j++) bits[q * width + j] = 0;
        }
      if (size % 2) std::memset(bits + size * width, 0, size_t(width) * 2);
      for (int64_t q = 0; q < size; q += 2, out += width) {
        const uint16_t *low = bits + q * width, *high = low + width;
        for (int64_t j = 0; j < width; j++) out[j] = uint32_t(low[j]) | uint32_t(high[j]) << 16;
      }
    }
  }
};

// Where results go: C[i * row + j * column], replaced or added to.
template <class Out> struct Target {
  Out* data;
  int64_t row, column;
  bool add;
  Out* at(int64_t i, int64_t j) const { return data + i * row + j * column; }
  // The distance between rows of a tile whose columns are consecutive elements, or 0.
  int64_t dense(int64_t, int64_t, int64_t, int64_t) const { return column == 1 ? row : 0; }
};

struct GemmScratch {
  Scratch a, b;
};
GemmScratch& gemm_scratch();  // of this thread

template <class Packed, class Sum, class SourceA, class SourceB, class Out,
          class Place = Target<Out>>
class Gemm {
  static constexpr bool exact = std::is_same<Sum, Out>::value;
  // Depth from which sums of groups of depth blocks are added up with their rounding errors.
  static constexpr int64_t kDeep = exact ? 24576 : 4096, kGroup = 16;
  static constexpr int64_t kDeepSums = 1 << 24;

 public:
  // `a` is read by depth: row p of it is column p of A.
  Gemm(const TileKernel<Packed, Sum>& tiles, int64_t m, int64_t n, int64_t k, const SourceA& a,
       const SourceB& b, Place c)
      : tiles_(tiles), m_(m), n_(n), k_(k), a_(a), b_(b), c_(c) {
    if (m <= tiles.low_rows) kernel_ = tiles.low, rows_ = tiles.low_rows;
    else if (m <= tiles.medium_rows || (m < 6 * tiles.tall_rows && m % tiles.medium_rows == 0))
      kernel_ = tiles.medium, rows_ = tiles.medium_rows;
    else kernel_ = tiles.tall, rows_ = tiles.tall_rows;
    if constexpr (std::is_same<Packed, Sum>::value) {
      if (n <= tiles.columns && m >= tiles.row_count &&
          (rows_at_ = rows_in_place<Packed>(a, &row_stride_)))
        rows_ = tiles.row_count;
    }
  }

  void run() {
    constexpr int64_t pair = std::is_same<Packed, uint32_t>::value ? 2 : 1;
    const int64_t width = tiles_.columns;
    // Without an exact place for partial sums (short outputs) the depth stays in one block.
    const bool deep = std::is_floating_point<Sum>::value && k_ > kDeep;
    int64_t depth_block = k_;
    if (exact || deep) depth_block = least(k_, 1536 / int64_t(sizeof(Packed)));
    depth_block = most(ceil_div(depth_block, pair) * pair, pair);
    const int64_t steps = depth_block / pair;
    const int64_t row_limit = least(2048, (int64_t{1} << 21) / steps);
    int64_t column_limit = least(4096, (int64_t{1} << 22) / steps);
    if (deep) column_limit = least(column_limit, kDeepSums / m_);
    const int64_t row_block = least(ceil_div(m_, rows_), most(1, row_limit / rows_)) * rows_;
    const int64_t column_block = least(ceil_div(n_, width), most(1, column_limit / width)) * width;
    // Packing B pays when several tiles of rows use it.
    const Packed* direct = ceil_div(m_, rows_) <= 8 ? b_.template in_place<Packed>() : nullptr;
    Packed* packed_a = gemm_scratch().a.template get<Packed>(row_block * steps);
    Packed* packed_b = gemm_scratch().b.template get<Packed>(column_block * steps);
    Scratch memory;
    const bool small = double(m_) * double(n_) * double(k_) < 1e6;
    for (int64_t j0 = 0; j0 < n_; j0 += column_block) {
      const int64_t columns = least(column_block, n_ - j0), panels = ceil_div(columns, width);
      const DeepSums sums = deep ? deep_sums(memory, columns) : DeepSums{};
      for (int64_t p0 = 0; p0 < most(k_, 1); p0 += depth_block) {
        const int64_t depth = least(depth_block, k_ - p0), used = ceil_div(depth, pair);
        parallel(panels, small ? panels : 4, [&](int64_t begin, int64_t end) {
          for (int64_t panel = begin; panel < end; panel++) {
            const int64_t count = least(width, columns - panel * width);
            if (direct && count == width) continue;
            Packer<Packed, SourceB>::pack(b_, p0, depth, j0 + panel * width, count, width,
                                          packed_b + panel * width * used);
          }
        });
        const int64_t block = p0 / depth_block;
        for (int64_t i0 = 0; i0 < m_; i0 += row_block) {
          const int64_t rows = least(row_block, m_ - i0);
          if (deep)
            rows_of_block(sums.block, 0, block % kGroup > 0, i0, rows, j0, columns, p0, depth, used,
                          direct, packed_a, packed_b, small);
          else
            rows_of_block(c_, j0, c_.add || p0 > 0, i0, rows, j0, columns, p0, depth, used, direct,
                          packed_a, packed_b, small);
        }
        if (deep && (block % kGroup == kGroup - 1 || p0 + depth_block >= k_))
          add_group(sums, columns);
      }
      if (deep) store_sums(sums, j0, columns);
    }
  }

 private:
  // Sums of [m, columns] elements: of the present group of depth blocks, and of those before.
  struct DeepSums {
    Target<Sum> block;
    Sum *high = nullptr, *low = nullptr;
  };

  DeepSums deep_sums(Scratch& memory, int64_t columns) {
    const int64_t size = m_ * columns;
    Sum* sums = memory.template get<Sum>(3 * size);
    std::memset(sums, 0, size_t(2 * size) * sizeof(Sum));
    return {{sums + 2 * size, columns, 1, false}, sums, sums + size};
  }

  void add_group(const DeepSums& sums, int64_t columns) {
    parallel(m_ * columns, 1 << 14, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++)
        add_with_error(sums.block.data[i], sums.high[i], sums.low[i]);
    });
  }

  void store_sums(const DeepSums& sums, int64_t j0, int64_t columns) {
    for (int64_t i = 0; i < m_; i++)
      for (int64_t j = 0; j < columns; j++) {
        Out* place = c_.at(i, j0 + j);
        const Sum sum = with_error(sums.high[i * columns + j], sums.low[i * columns + j]);
        *place = Narrow<Out, Sum>::apply(c_.add ? Sum(widen(*place)) + sum : sum);
      }
  }

  // Multiplies [rows, depth] by [depth, columns] into `to`, whose first column is number `shift`.
  template <class To>
  void rows_of_block(const To& to, int64_t shift, bool add, int64_t i0, int64_t rows, int64_t j0,
                     int64_t columns, int64_t p0, int64_t depth, int64_t used,
                     const Packed* direct, Packed* packed_a, const Packed* packed_b, bool small) {
    const int64_t tiles = ceil_div(rows, rows_), width = tiles_.columns;
    const int64_t panels = ceil_div(columns, width);
    if (!rows_at_) parallel(tiles, small ? tiles : 4, [&](int64_t begin, int64_t end) {
      for (int64_t tile = begin; tile < end; tile++)
        Packer<Packed, SourceA>::pack(a_, p0, depth, i0 + tile * rows_,
                                      least(rows_, rows - tile * rows_), rows_,
                                      packed_a + tile * rows_ * used);
    });
    const int64_t tile_group = ceil_div(tiles, ceil_div(tiles, 6));
    const int64_t panel_group = ceil_div(panels, ceil_div(panels, 4));
    const int64_t down = ceil_div(tiles, tile_group), across = ceil_div(panels, panel_group);
    auto one = [&](int64_t task) {
      const int64_t tile0 = task % down * tile_group, panel0 = task / down * panel_group;
      for (int64_t panel = panel0; panel < least(panels, panel0 + panel_group); panel++) {
        const int64_t count = least(width, columns - panel * width);
        const bool whole = direct && count == width;
        const Packed* b = whole ? direct + p0 * b_.in_place_stride() + j0 + panel * width
                                : packed_b + panel * width * used;
        const int64_t stride = whole ? b_.in_place_stride() : width;
        for (int64_t tile = tile0; tile < least(tiles, tile0 + tile_group); tile++)
          multiply_tile(to, used, packed_a + tile * rows_ * used, p0, b, stride, i0 + tile * rows_,
                        least(rows_, rows - tile * rows_), shift + panel * width, count, add);
      }
    };
    if (small) for (int64_t task = 0; task < down * across; task++) one(task);
    else parallel_tasks(down * across, one);
  }

  template <class To>
  void multiply_tile(const To& to, int64_t depth, const Packed* a, int64_t p0, const Packed* b,
                     int64_t b_stride, int64_t i, int64_t rows, int64_t j, int64_t columns,
                     bool add) {
    typedef typename std::remove_pointer<decltype(to.at(0, 0))>::type Element;
    auto compute = [&](Sum* c, int64_t c_stride, bool add_to_c) {
      if constexpr (std::is_same<Packed, Sum>::value) {
        if (rows_at_) {
          const Packed* addresses[16];
          for (int64_t r = 0; r < rows_; r++)
            addresses[r] = rows_at_ + (i + least(r, rows - 1)) * row_stride_ + p0;
          const auto kernel = 2 * columns <= tiles_.columns ? tiles_.half : tiles_.whole;
          return kernel(depth, addresses, b, b_stride, c, c_stride, add_to_c);
        }
      }
      kernel_(depth, a, b, b_stride, c, c_stride, add_to_c);
    };
    if constexpr (std::is_same<Sum, Element>::value) {
      if (rows == rows_ && columns == tiles_.columns) {
        if (const int64_t stride = to.dense(i, rows, j, columns))
          return compute(to.at(i, j), stride, add);
      }
    }
    alignas(64) Sum tile[16 * 64];
    compute(tile, tiles_.columns, false);
    const int64_t dense = to.dense(i, rows, j, columns);
    for (int64_t r = 0; r < rows; r++) {
      const Sum* from = tile + r * tiles_.columns;
      if (add) {
        for (int64_t q = 0; q < columns; q++) {
          Element* place = to.at(i + r, j + q);
          *place = Narrow<Element, Sum>::apply(Sum(widen(*place)) + from[q]);
        }
      } else if (dense) {
        Element* row = to.at(i, j) + r * dense;
        for (int64_t q = 0; q < columns; q++) row[q] = Narrow<Element, Sum>::apply(from[q]);
      } else {
        for (int64_t q = 0; q < columns; q++)
          *to.at(i + r, j + q) = Narrow<Element, Sum>::apply(from[q]);
      }
    }
  }

  const TileKernel<Packed, Sum>& tiles_;
  int64_t m_, n_, k_;
  const SourceA& a_;
  const SourceB& b_;
  Place c_;
  typename TileKernel<Packed, Sum>::Function kernel_;
  int64_t rows_;
  const Packed* rows_at_ = nullptr;  // of A, where it is read in place
  int64_t row_stride_ = 0;
};
