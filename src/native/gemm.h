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
};

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
 public:
  // `a` is read by depth: row p of it is column p of A.
  Gemm(const TileKernel<Packed, Sum>& tiles, int64_t m, int64_t n, int64_t k, const SourceA& a,
       const SourceB& b, Place c)
      : tiles_(tiles), m_(m), n_(n), k_(k), a_(a), b_(b), c_(c) {
    if (m <= tiles.low_rows) kernel_ = tiles.low, rows_ = tiles.low_rows;
    else if (m <= tiles.medium_rows || (m < 6 * tiles.tall_rows && m % tiles.medium_rows == 0))
      kernel_ = tiles.medium, rows_ = tiles.medium_rows;
    else kernel_ = tiles.tall, rows_ = tiles.tall_rows;
  }

  void run() {
    constexpr int64_t pair = std::is_same<Packed, uint32_t>::value ? 2 : 1;
    const int64_t width = tiles_.columns;
    // Without an exact place for partial sums (short outputs) the depth stays in one block.
    int64_t depth_block = k_;
    if (std::is_same<Sum, Out>::value) depth_block = least(k_, 1536 / int64_t(sizeof(Packed)));
    depth_block = most(ceil_div(depth_block, pair) * pair, pair);
    const int64_t steps = depth_block / pair;
    const int64_t row_limit = least(2048, (int64_t{1} << 21) / steps);
    const int64_t column_limit = least(4096, (int64_t{1} << 22) / steps);
    const int64_t row_block = least(ceil_div(m_, rows_), most(1, row_limit / rows_)) * rows_;
    const int64_t column_block = least(ceil_div(n_, width), most(1, column_limit / width)) * width;
    // Packing B pays when several tiles of rows use it.
    const Packed* direct = ceil_div(m_, rows_) <= 8 ? b_.template in_place<Packed>() : nullptr;
    Packed* packed_a = gemm_scratch().a.template get<Packed>(row_block * steps);
    Packed* packed_b = gemm_scratch().b.template get<Packed>(column_block * steps);
    const bool small = double(m_) * double(n_) * double(k_) < 1e6;
    for (int64_t j0 = 0; j0 < n_; j0 += column_block) {
      const int64_t columns = least(column_block, n_ - j0), panels = ceil_div(columns, width);
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
        for (int64_t i0 = 0; i0 < m_; i0 += row_block)
          rows_of_block(i0, least(row_block, m_ - i0), j0, columns, p0, depth, used, direct,
                        packed_a, packed_b, small);
      }
    }
  }

 private:
  void rows_of_block(int64_t i0, int64_t rows, int64_t j0, int64_t columns, int64_t p0,
                     int64_t depth, int64_t used, const Packed* direct, Packed* packed_a,
                     const Packed* packed_b, bool small) {
    const int64_t tiles = ceil_div(rows, rows_), width = tiles_.columns;
    const int64_t panels = ceil_div(columns, width);
    parallel(tiles, small ? tiles : 4, [&](int64_t begin, int64_t end) {
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
          multiply_tile(used, packed_a + tile * rows_ * used, b, stride, i0 + tile * rows_,
                        least(rows_, rows - tile * rows_), j0 + panel * width, count,
                        c_.add || p0 > 0);
      }
    };
    if (small) for (int64_t task = 0; task < down * across; task++) one(task);
    else parallel_tasks(down * across, one);
  }

  void multiply_tile(int64_t depth, const Packed* a, const Packed* b, int64_t b_stride, int64_t i,
                     int64_t rows, int64_t j, int64_t columns, bool add) {
    if constexpr (std::is_same<Sum, Out>::value) {
      if (rows == rows_ && columns == tiles_.columns) {
        if (const int64_t stride = c_.dense(i, rows, j, columns)) {
          kernel_(depth, a, b, b_stride, c_.at(i, j), stride, add);
          return;
        }
      }
    }
    alignas(64) Sum tile[16 * 64];
    kernel_(depth, a, b, b_stride, tile, tiles_.columns, false);
    const int64_t dense = c_.dense(i, rows, j, columns);
    for (int64_t r = 0; r < rows; r++) {
      const Sum* from = tile + r * tiles_.columns;
      if (add) {
        for (int64_t q = 0; q < columns; q++) {
          Out* place = c_.at(i + r, j + q);
          *place = Narrow<Out, Sum>::apply(Sum(widen(*place)) + from[q]);
        }
      } else if (dense) {
        Out* to = c_.at(i, j) + r * dense;
        for (int64_t q = 0; q < columns; q++) to[q] = Narrow<Out, Sum>::apply(from[q]);
      } else {
        for (int64_t q = 0; q < columns; q++)
          *c_.at(i + r, j + q) = Narrow<Out, Sum>::apply(from[q]);
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
};
