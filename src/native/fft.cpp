// Fourier transforms whose lengths are powers of two.
//
// One kernel does all the work: the transforms of W interleaved lines, one line to a lane, in place
// in a tile whose row i holds element i of every line. Twiddle factors are then scalars and digit
// reversal is a choice of rows. Many short rows are transposed into such a tile; a long row of
// n1 * n2 elements is a matrix whose columns, then rows, are transformed (Bailey, "FFTs in external
// or hierarchical memory", J. Supercomputing 4, 1990). Real rows are complex ones of half length.
#include <vector>

#include "fft_lanes.h"
#include "fft_plans.h"

namespace {

using namespace spectral;

// ---- plans -------------------------------------------------------------------------------------

inline int log_of(int64_t length) { return 63 - __builtin_clzll(uint64_t(length)); }

// What transforms of a power of two of elements in a tile need.
template <class T> struct TilePlan {
  explicit TilePlan(int64_t length) : length(length), reversed(size_t(length)) {
    const int log = log_of(length);
    for (int64_t i = 0; i < length; i++)
      for (int bit = 0; bit < log; bit++)
        if (i >> bit & 1) reversed[size_t(i)] |= int32_t(1) << (log - 1 - bit);
    first = log == 1 ? 2 : log % 2 ? 8 : log ? 4 : 1;
    for (int64_t span = first; span < length; span *= 4)
      for (int64_t j = 0; j < span; j++)
        for (int64_t power : {2, 1, 3}) {
          T root[2];
          unit_root(j * power, 4 * span, root);
          twiddles.insert(twiddles.end(), root, root + 2);
        }
  }
  size_t bytes() const { return reversed.size() * sizeof(int32_t) + twiddles.size() * sizeof(T); }
  int64_t length, first;          // first: the radix of the first pass; the others have radix 4
  std::vector<int32_t> reversed;  // where element i stands in the tile
  std::vector<T> twiddles;        // for each pass and j < span: the powers 2j, j, 3j of the root
};

// The roots of unity whose order is a power of two: root to the power of W * m + j is coarse[m] * fine[1][j].
template <class T> struct RootPlan {
  static constexpr int64_t W = Lanes<T>::count;
  explicit RootPlan(int64_t length) : length(length), rows(int64_t{1} << log_of(length) / 2) {
    coarse.resize(size_t(2 * ceil_div(length, W)));
    for (int64_t m = 0; m < ceil_div(length, W); m++)
      unit_root(m * W, length, &coarse[size_t(2 * m)]);
    fine.resize(size_t(2 * W * rows));
    for (int64_t i = 0; i < rows; i++)
      for (int64_t j = 0; j < W; j++) {
        T root[2];
        unit_root(i * j, length, root);
        fine[size_t(2 * W * i + j)] = root[0];
        fine[size_t(2 * W * i + W + j)] = root[1];
      }
  }
  void root(int64_t k, T& re, T& im) const {
    const T* a = &coarse[size_t(k / W * 2)];
    const T* b = &fine[size_t(2 * W + k % W)];
    re = a[0] * b[0] - a[1] * b[W];
    im = a[0] * b[W] + a[1] * b[0];
  }
  size_t bytes() const { return (coarse.size() + fine.size()) * sizeof(T); }
  int64_t length, rows;  // rows: the largest power of two whose square is at most the length
  std::vector<T> coarse, fine;
};

// ---- transforms in a tile ----------------------------------------------------------------------

// A transform of four; the input is in bit-reversed order.
template <class T>
ARRAX_INLINE void four(Complex<T>& a, Complex<T>& b, Complex<T>& c, Complex<T>& d) {
  butterfly(a, b);
  butterfly(c, d);
  butterfly(a, c);
  const VectorOf<T> re = d.im, im = -d.re;  // -i d
  d.re = b.re - re, d.im = b.im - im;
  b.re += re, b.im += im;
}

template <class T> ARRAX_INLINE void eight(Complex<T>* x) {
  const T half = T(0.70710678118654752440);
  Complex<T> a = x[0], b = x[1], c = x[2], d = x[3];
  Complex<T> e = x[4], f = x[5], g = x[6], h = x[7];
  four(a, b, c, d);
  four(e, f, g, h);
  const VectorOf<T> f_re = (f.re + f.im) * half, f_im = (f.im - f.re) * half;
  const VectorOf<T> g_re = g.im, g_im = -g.re;
  const VectorOf<T> h_re = (h.im - h.re) * half, h_im = -(h.re + h.im) * half;
  f.re = f_re, f.im = f_im, g.re = g_re, g.im = g_im, h.re = h_re, h.im = h_im;
  butterfly(a, e);
  butterfly(b, f);
  butterfly(c, g);
  butterfly(d, h);
  x[0] = a, x[1] = b, x[2] = c, x[3] = d, x[4] = e, x[5] = f, x[6] = g, x[7] = h;
}

// Transforms the lines of a tile that stands in bit-reversed order.
template <class T> ARRAX_INLINE void transform_tile(const TilePlan<T>& plan, T* tile) {
  typedef Complex<T> Row;
  Row* rows = reinterpret_cast<Row*>(tile);
  const int64_t length = plan.length;
  if (plan.first == 8)
    for (int64_t i = 0; i < length; i += 8) eight<T>(rows + i);
  if (plan.first == 4)
    for (int64_t i = 0; i < length; i += 4) four(rows[i], rows[i + 1], rows[i + 2], rows[i + 3]);
  if (plan.first == 2) butterfly(rows[0], rows[1]);
  const T* pass = plan.twiddles.data();
  for (int64_t span = plan.first; span < length; pass += 6 * span, span *= 4)
    for (int64_t start = 0; start < length; start += 4 * span) {
      const T* w = pass;
      Row* row = rows + start;
      for (int64_t j = 0; j < span; j++, w += 6, row++) {
        Row a = row[0], b = row[span], c = row[2 * span], d = row[3 * span];
        multiply(b, w[0], w[1]);
        multiply(c, w[2], w[3]);
        multiply(d, w[4], w[5]);
        four(a, b, c, d);
        row[0] = a, row[span] = b, row[2 * span] = c, row[3 * span] = d;
      }
    }
}

// Transforms `count` <= W whole lines.
template <class T>
ARRAX_INLINE void short_lines(const TilePlan<T>& plan, const Lines<T>& lines, int64_t count,
                              T* tile) {
  constexpr int W = Lanes<T>::count;
  Complex<T>* rows = reinterpret_cast<Complex<T>*>(tile);
  const int64_t length = plan.length, whole = count == W ? length / W * W : 0;
  const int32_t* reversed = plan.reversed.data();
  VectorOf<T> re[W], im[W];
  for (int64_t i = 0; i < whole; i += W) {
    for (int j = 0; j < W; j++)
      load_parts<T>(lines.in + j * lines.in_step + 2 * i, lines.swap, re[j], im[j]);
    transpose<T>(re);
    transpose<T>(im);
    for (int j = 0; j < W; j++) rows[reversed[i + j]] = {re[j], im[j]};
  }
  for (int64_t i = whole; i < length; i++) {
    T* row = tile + reversed[i] * 2 * W;
    for (int64_t j = 0; j < count; j++) {
      row[j] = lines.in[j * lines.in_step + 2 * i + lines.swap];
      row[j + W] = lines.in[j * lines.in_step + 2 * i + 1 - lines.swap];
    }
    for (int64_t j = count; j < W; j++) row[j] = row[j + W] = 0;
  }
  transform_tile(plan, tile);
  for (int64_t i = 0; i < whole; i += W) {
    for (int j = 0; j < W; j++) re[j] = rows[i + j].re * lines.scale;
    for (int j = 0; j < W; j++) im[j] = rows[i + j].im * lines.scale;
    transpose<T>(re);
    transpose<T>(im);
    for (int j = 0; j < W; j++)
      store_parts<T>(lines.out + j * lines.out_step + 2 * i, lines.swap, re[j], im[j]);
  }
  for (int64_t i = whole; i < length; i++) {
    const T* row = tile + i * 2 * W;
    for (int64_t j = 0; j < count; j++) {
      lines.out[j * lines.out_step + 2 * i + lines.swap] = row[j] * lines.scale;
      lines.out[j * lines.out_step + 2 * i + 1 - lines.swap] = row[j + W] * lines.scale;
    }
  }
}

// Transforms W neighbouring columns whose elements are `step` complex elements apart; in and out of
// `lines` are where they start.
template <class T>
ARRAX_INLINE void short_columns(const TilePlan<T>& plan, const Lines<T>& lines, int64_t step,
                                T* tile) {
  Complex<T>* rows = reinterpret_cast<Complex<T>*>(tile);
  const int32_t* reversed = plan.reversed.data();
  for (int64_t i = 0; i < plan.length; i++) {
    Complex<T>& row = rows[reversed[i]];
    load_parts<T>(lines.in + 2 * i * step, lines.swap, row.re, row.im);
  }
  transform_tile(plan, tile);
  for (int64_t i = 0; i < plan.length; i++) {
    const VectorOf<T> re = rows[i].re * lines.scale, im = rows[i].im * lines.scale;
    store_parts<T>(lines.out + 2 * i * step, lines.swap, re, im);
  }
}

// The parts of a long line: element n2 * j1 + j2 of the input, n1 * k2 + k1 of the output.
template <class T> struct LongPlan {
  explicit LongPlan(int64_t length)
      : held_roots(plan_of<RootPlan<T>>(length)),
        held_columns(plan_of<TilePlan<T>>(held_roots->rows)),
        held_rows(plan_of<TilePlan<T>>(length / held_roots->rows)),
        roots(*held_roots), columns(*held_columns), rows(*held_rows) {}
  std::shared_ptr<const RootPlan<T>> held_roots;
  std::shared_ptr<const TilePlan<T>> held_columns, held_rows;
  const RootPlan<T>& roots;
  const TilePlan<T>&columns, &rows;
};

// Transforms columns W * block ... of the input, of length n1, twists them and writes them,
// transposed and in bit-reversed order, into the n1 / W tiles `middle`.
template <class T>
ARRAX_INLINE void long_columns(const LongPlan<T>& plan, const Lines<T>& line, int64_t block,
                               T* tile, T* middle) {
  constexpr int W = Lanes<T>::count;
  const int64_t n1 = plan.columns.length, n2 = plan.rows.length;
  Complex<T>* rows = reinterpret_cast<Complex<T>*>(tile);
  Complex<T>* out = reinterpret_cast<Complex<T>*>(middle);
  const int32_t* reversed = plan.columns.reversed.data();
  for (int64_t i = 0; i < n1; i++) {
    Complex<T>& row = rows[reversed[i]];
    load_parts<T>(line.in + 2 * (i * n2 + block * W), line.swap, row.re, row.im);
  }
  transform_tile(plan.columns, tile);
  const T* coarse = plan.roots.coarse.data();
  const T* fine = plan.roots.fine.data();
  const int32_t* place = plan.rows.reversed.data() + block * W;
  for (int64_t k = 0; k < n1; k += W, out += n2) {
    VectorOf<T> re[W], im[W];
    for (int i = 0; i < W; i++) {
      Complex<T> factor = {*(const LooseOf<T>*)(fine + (k + i) * 2 * W),
                                *(const LooseOf<T>*)(fine + (k + i) * 2 * W + W)};
      const T* root = coarse + 2 * block * (k + i);
      multiply(factor, root[0], root[1]);
      Complex<T> x = rows[k + i];
      multiply(x, factor.re, factor.im);
      re[i] = x.re;
      im[i] = x.im;
    }
    transpose<T>(re);
    transpose<T>(im);
    for (int j = 0; j < W; j++) out[place[j]] = {re[j], im[j]};
  }
}

// Transforms tile `block` of `middle`, in place, into W columns of the output.
template <class T>
ARRAX_INLINE void long_rows(const LongPlan<T>& plan, const Lines<T>& line, int64_t block,
                            T* middle) {
  constexpr int W = Lanes<T>::count;
  const int64_t n1 = plan.columns.length, n2 = plan.rows.length;
  Complex<T>* rows = reinterpret_cast<Complex<T>*>(middle) + block * n2;
  transform_tile(plan.rows, reinterpret_cast<T*>(rows));
  for (int64_t k = 0; k < n2; k++) {
    const VectorOf<T> re = rows[k].re * line.scale, im = rows[k].im * line.scale;
    store_parts<T>(line.out + 2 * (k * n1 + block * W), line.swap, re, im);
  }
}

// ---- real rows ---------------------------------------------------------------------------------

// Elements k (a) and half - k (b) of the spectrum of `2 * half` real elements, from those of the
// transform of as many as complex ones; c + i s is the root of unity to the power of k, h a half.
struct Unpack {
  template <class V, class T>
  static ARRAX_INLINE void pair(V& a_re, V& a_im, V& b_re, V& b_im, const V& c, const V& s, T h) {
    const V even_re = (a_re + b_re) * h, even_im = (a_im - b_im) * h;
    const V odd_re = (a_im + b_im) * h, odd_im = (b_re - a_re) * h;
    const V turned_re = c * odd_re - s * odd_im, turned_im = c * odd_im + s * odd_re;
    b_re = even_re - turned_re, b_im = turned_im - even_im;
    a_re = even_re + turned_re, a_im = even_im + turned_im;
  }
  template <class T> static ARRAX_INLINE void ends(const T* x, T* out, int64_t half) {
    const T re = x[0], im = x[1];
    out[0] = re + im, out[1] = 0;
    out[2 * half] = re - im, out[2 * half + 1] = 0;
  }
};

// The opposite; like NumPy, it takes the first and the last element for real.
struct Pack {
  template <class V, class T>
  static ARRAX_INLINE void pair(V& a_re, V& a_im, V& b_re, V& b_im, const V& c, const V& s, T h) {
    const V even_re = (a_re + b_re) * h, even_im = (a_im - b_im) * h;
    const V turned_re = (a_re - b_re) * h, turned_im = (a_im + b_im) * h;
    const V odd_re = c * turned_re + s * turned_im, odd_im = c * turned_im - s * turned_re;
    b_re = even_re + odd_im, b_im = odd_re - even_im;
    a_re = even_re - odd_im, a_im = even_im + odd_re;
  }
  template <class T> static ARRAX_INLINE void ends(const T* x, T* out, int64_t half) {
    const T first = x[0], last = x[2 * half];
    out[0] = (first + last) / 2, out[1] = (first - last) / 2;
  }
};

// `Step` on all pairs of a row; x and out may be the same memory.
template <class T, class Step>
ARRAX_INLINE void real_row(const RootPlan<T>& roots, const T* x, T* out, int64_t half) {
  constexpr int W = Lanes<T>::count;
  const T *coarse = roots.coarse.data(), *fine = roots.fine.data() + 2 * W;
  Step::ends(x, out, half);
  for (int64_t k = 1; 2 * k <= half; k++) {
    if (k % W == 0 && 2 * (k + W - 1) < half) {  // W pairs at once; they do not overlap
      Complex<T> a, b, root = {*(const LooseOf<T>*)fine, *(const LooseOf<T>*)(fine + W)};
      multiply(root, coarse[k / W * 2], coarse[k / W * 2 + 1]);
      const int64_t mirror = 2 * (half - k - W + 1);
      load_parts<T>(x + 2 * k, 0, a.re, a.im);
      load_parts<T>(x + mirror, 0, b.re, b.im);
      shuffle<T, Reverse>(b.re, b.re, b.re);
      shuffle<T, Reverse>(b.im, b.im, b.im);
      Step::pair(a.re, a.im, b.re, b.im, root.re, root.im, T(0.5));
      shuffle<T, Reverse>(b.re, b.re, b.re);
      shuffle<T, Reverse>(b.im, b.im, b.im);
      store_parts<T>(out + 2 * k, 0, a.re, a.im);
      store_parts<T>(out + mirror, 0, b.re, b.im);
      k += W - 1;
      continue;
    }
    const T *from_a = x + 2 * k, *from_b = x + 2 * (half - k);
    T a_re = from_a[0], a_im = from_a[1], b_re = from_b[0], b_im = from_b[1], c, s;
    roots.root(k, c, s);
    Step::pair(a_re, a_im, b_re, b_im, c, s, T(0.5));
    out[2 * (half - k)] = b_re, out[2 * (half - k) + 1] = b_im;
    out[2 * k] = a_re, out[2 * k + 1] = a_im;
  }
}

#define ARRAX_FFT_KERNELS(T)                                                                      \
  ARRAX_VECTORIZE void do_short(const TilePlan<T>& plan, const Lines<T>& lines, int64_t count,    \
                                T* tile) {                                                        \
    short_lines<T>(plan, lines, count, tile);                                                     \
  }                                                                                               \
  ARRAX_VECTORIZE void do_across(const TilePlan<T>& plan, const Lines<T>& lines, int64_t step,    \
                                 T* tile) {                                                       \
    short_columns<T>(plan, lines, step, tile);                                                    \
  }                                                                                               \
  ARRAX_VECTORIZE void unpack(const RootPlan<T>& roots, T* x, int64_t half) {                     \
    real_row<T, Unpack>(roots, x, x, half);                                                       \
  }                                                                                               \
  ARRAX_VECTORIZE void pack(const RootPlan<T>& roots, const T* x, T* out, int64_t half) {         \
    real_row<T, Pack>(roots, x, out, half);                                                       \
  }                                                                                               \
  ARRAX_VECTORIZE void do_columns(const LongPlan<T>& plan, const Lines<T>& line, int64_t block,   \
                                  T* tile, T* middle) {                                           \
    long_columns<T>(plan, line, block, tile, middle);                                             \
  }                                                                                               \
  ARRAX_VECTORIZE void do_rows(const LongPlan<T>& plan, const Lines<T>& line, int64_t block,      \
                               T* middle) {                                                       \
    long_rows<T>(plan, line, block, middle);                                                      \
  }
ARRAX_FFT_KERNELS(float)
ARRAX_FFT_KERNELS(double)
#undef ARRAX_FFT_KERNELS

// ---- rows --------------------------------------------------------------------------------------

thread_local Scratch tile_memory, middle_memory;

constexpr int64_t kLongest = 1024;        // of lines that share a tile
constexpr int64_t kParallel = int64_t{1} << 14;  // elements worth a thread

template <class T> void long_line(const Lines<T>& line, int64_t length, bool threads) {
  constexpr int64_t W = Lanes<T>::count;
  const LongPlan<T> plan(length);
  const int64_t n1 = plan.columns.length, n2 = plan.rows.length;
  T* middle = middle_memory.get<T>(2 * length);
  auto columns = [&](int64_t begin, int64_t end) {
    T* tile = tile_memory.get<T>(2 * W * n1);
    for (int64_t b = begin; b < end; b++) do_columns(plan, line, b, tile, middle);
  };
  auto rows = [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; b++) do_rows(plan, line, b, middle);
  };
  parallel(n2 / W, threads ? most(1, kParallel / W / n1) : n2, columns);
  parallel(n1 / W, threads ? most(1, kParallel / W / n2) : n1, rows);
  middle_memory.trim();
}

// Transforms `rows` lines of `length` complex elements.
template <class T> void transform(const Lines<T>& lines, int64_t rows, int64_t length) {
  constexpr int64_t W = Lanes<T>::count;
  auto from = [&](int64_t row) {
    Lines<T> moved = lines;
    moved.in += row * lines.in_step;
    moved.out += row * lines.out_step;
    return moved;
  };
  const bool splits = length >= W * W;
  if (splits && rows < arrax_num_threads()) {
    for (int64_t row = 0; row < rows; row++) long_line(from(row), length, true);
    return;
  }
  const bool shares = !splits || length <= kLongest;
  const int64_t group = shares ? W : 1;
  const auto plan = shares ? plan_of<TilePlan<T>>(length) : nullptr;
  parallel(ceil_div(rows, group), most(1, kParallel / (group * length)),
           [&](int64_t begin, int64_t end) {
             for (int64_t row = begin * group; row < least(rows, end * group); row += group) {
               const int64_t count = least(group, rows - row);
               if (shares && (count == W || !splits))
                 do_short(*plan, from(row), count, tile_memory.get<T>(2 * W * length));
               else
                 for (int64_t i = row; i < row + count; i++) long_line(from(i), length, false);
             }
           });
}

// Transforms the middle axis of [outer, length, inner] complex elements in place; W divides inner.
template <class T>
void transform_across(T* x, int64_t outer, int64_t length, int64_t inner, bool inverse) {
  constexpr int64_t W = Lanes<T>::count;
  const auto plan = plan_of<TilePlan<T>>(length);
  const T scale = inverse ? T(1) / T(length) : T(1);
  const int64_t blocks = inner / W;
  parallel(outer * blocks, most(1, kParallel / (W * length)), [&](int64_t begin, int64_t end) {
    T* tile = tile_memory.get<T>(2 * W * length);
    for (int64_t b = begin; b < end; b++) {
      T* at = x + 2 * (b / blocks * length * inner + b % blocks * W);
      do_across(*plan, {at, at, 0, 0, scale, int(inverse)}, inner, tile);
    }
  });
}

template <class Body> void each_row(int64_t rows, int64_t length, const Body& body) {
  parallel(rows, most(1, kParallel / length), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) body(row);
  });
}

template <class T> void fft(const int64_t* spec, const T* in, T* out) {
  const int64_t kind = spec[1], rows = spec[2], length = spec[3], half = length / 2;
  if (kind < 2) {
    const T scale = kind == 1 ? T(1) / T(length) : T(1);
    transform<T>({in, out, 2 * length, 2 * length, scale, int(kind)}, rows, length);
    int64_t outer = rows, inner = length;
    for (const int64_t *axis = spec + 5, *last = axis + spec[4]; axis < last; axis++) {
      outer /= *axis;
      transform_across(out, outer, *axis, inner, kind == 1);
      inner *= *axis;
    }
    return;
  }
  const auto held_roots = plan_of<RootPlan<T>>(length);
  const RootPlan<T>& roots = *held_roots;
  if (kind == 2) {
    transform<T>({in, out, length, length + 2, T(1), 0}, rows, half);
    each_row(rows, length, [&](int64_t row) { unpack(roots, out + row * (length + 2), half); });
  } else {
    each_row(rows, length, [&](int64_t row) {
      pack(roots, in + row * (length + 2), out + row * length, half);
    });
    // Lines of a group are read before they are written, and so are long ones.
    transform<T>({out, out, length, length, T(1) / T(half), 1}, rows, half);
  }
}

}  // namespace

// Transforms rows whose length is a power of two, at least 2, for real ones at least 4.
// spec: dtype of the complex side, kind (0 forward, 1 inverse, 2 of real rows, 3 to real rows),
// rows, length (of the real side), number of other axes, their lengths from the last on (they are
// among the rows, and only complex transforms have them).
extern "C" void arrax_fft(const int64_t* spec, const void* in, void* out) {
  if (spec[0] == kComplex64)
    fft<float>(spec, (const float*)in, (float*)out);
  else
    fft<double>(spec, (const double*)in, (double*)out);
}

ARRAX_SYMBOLS({"arrax_fft", library_function<arrax_fft>()});
