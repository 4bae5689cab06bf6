// Fourier transforms of any length.
//
// Lengths with prime factors up to 13 are transformed by Stockham's self-sorting passes (Van Loan,
// "Computational frameworks for the fast Fourier transform", 1992, 1.7), each from one tile into
// another, one line to a lane; long ones are matrices whose columns, then rows, are. Other lengths
// are convolutions with a chirp, of such a length (Bluestein, "A linear filtering approach to the
// computation of the discrete Fourier transform", 1970). Pairs of real rows of odd length are not
// joined: they are complex rows.
#include <memory>
#include <vector>

#include "fft_passes.h"
#include "fft_plans.h"

namespace {

using namespace spectral;

constexpr int64_t kTile = 4096;                  // elements of lines that are transformed in a tile
constexpr int64_t kLargest = int64_t{1} << 17;   // elements of columns and rows of long lines
constexpr int64_t kParallel = int64_t{1} << 14;  // elements worth a thread

// ---- kernels, compiled for several instruction sets ---------------------------------------------

#define ARRAX_KERNELS(T)                                                                          \
  ARRAX_VECTORIZE void unpack_rows(int64_t half, const T* roots, Complex<T>* rows) {              \
    real_rows<T, false>(half, roots, rows);                                                       \
  }                                                                                               \
  ARRAX_VECTORIZE void pack_rows(int64_t half, const T* roots, Complex<T>* rows) {                \
    real_rows<T, true>(half, roots, rows);                                                        \
  }                                                                                               \
  ARRAX_VECTORIZE Complex<T>* run(const Passes<T>& plan, Complex<T>* x, Complex<T>* y) {          \
    return transform_tile<T>(plan, x, y);                                                         \
  }                                                                                               \
  ARRAX_VECTORIZE void get_lines(const Lines<T>& l, int64_t count, int64_t n, Complex<T>* rows) { \
    load_lines<T>(l, count, n, rows);                                                             \
  }                                                                                               \
  ARRAX_VECTORIZE void put_lines(const Lines<T>& l, int64_t count, int64_t n,                     \
                                 const Complex<T>* rows) {                                        \
    store_lines<T>(l, count, n, rows);                                                            \
  }                                                                                               \
  ARRAX_VECTORIZE void get_columns(const T* in, int swap, int64_t step, int64_t count, int64_t n, \
                                   Complex<T>* rows) {                                            \
    load_columns<T>(in, swap, step, count, n, rows);                                              \
  }                                                                                               \
  ARRAX_VECTORIZE void put_columns(T* out, int swap, T scale, int64_t step, int64_t count,        \
                                   int64_t n, const Complex<T>* rows) {                           \
    store_columns<T>(out, swap, scale, step, count, n, rows);                                     \
  }                                                                                               \
  ARRAX_VECTORIZE void turn(int64_t n, const T* fine, const T* coarse, int64_t block,             \
                            Complex<T>* rows) {                                                   \
    twist<T>(n, fine, coarse, block, rows);                                                       \
  }                                                                                               \
  ARRAX_VECTORIZE void chirp_rows(int64_t n, const T* factors, bool swap, Complex<T>* rows) {     \
    scale_rows<T>(n, factors, swap, rows);                                                        \
  }                                                                                               \
  ARRAX_VECTORIZE void chirp_line(int64_t n, const T* x, int in_swap, const T* factors, T scale,  \
                                  int out_swap, T* out) {                                         \
    scale_line<T>(n, x, in_swap, factors, scale, out_swap, out);                                  \
  }
ARRAX_KERNELS(float)
ARRAX_KERNELS(double)
#undef ARRAX_KERNELS

// ---- plans -------------------------------------------------------------------------------------

// The part of n that primes up to 13 make up.
int64_t smooth_part(int64_t n) {
  int64_t part = 1;
  for (int64_t r : {2, 3, 5, 7, 11, 13})
    while (n % r == 0) n /= r, part *= r;
  return part;
}

// The least 2^a 3^b 5^c from n on.
int64_t next_smooth(int64_t n) {
  int64_t best = 1;
  while (best < n) best *= 2;
  for (int64_t fives = 1; fives < best; fives *= 5)
    for (int64_t odd = fives; odd < best; odd *= 3) {
      int64_t candidate = odd;
      while (candidate < n) candidate *= 2;
      if (candidate < best) best = candidate;
    }
  return best;
}

// The divisor of n nearest to its root, from below, for smooth n.
int64_t middle_divisor(int64_t n) {
  int64_t best = 1;
  for (int64_t d = 1; d * d <= n; d++)
    if (n % d == 0) best = d;
  return best;
}

template <class T> struct Plan;
template <class T> void transform_line(const Plan<T>& plan, const Lines<T>& line, bool threads);

thread_local Scratch tile_memory, middle_memory, padded_memory;

template <class T> Complex<T>* tiles(int64_t length) {
  return (Complex<T>*)tile_memory.get<T>(4 * Lanes<T>::count * (length + 1));
}

template <class T> struct Plan {
  static constexpr int64_t W = Lanes<T>::count;
  int64_t length, size;             // size: of the transforms it takes, the length if that is smooth
  std::unique_ptr<Passes<T>> passes;  // of that size, in a tile
  int64_t n1 = 0, n2 = 0;           // of a long line: columns have n1 elements, rows n2
  std::vector<T> fine, coarse;      // twiddle factors of a long line
  std::vector<T> chirp, kernel;     // exp(-i pi k^2 / n), and the transform of its conjugate

  explicit Plan(int64_t n) : length(n), size(smooth_part(n) == n ? n : next_smooth(2 * n - 1)) {
    if (size <= kLargest) passes.reset(new Passes<T>(size));
    if (size == n && size >= W * W) split();
    if (size != n) make_chirp();
  }

  size_t bytes() const {
    const size_t numbers = (passes ? passes->factors.size() : 0) + fine.size() + coarse.size() +
                           chirp.size() + kernel.size();
    return numbers * sizeof(T);
  }

  bool in_tile() const { return size <= kTile; }

  void split() {
    n1 = middle_divisor(size), n2 = size / n1;
    T root[2];
    for (int64_t k = 0; k < n1; k++) {
      fine.resize(fine.size() + size_t(2 * W));
      for (int64_t j = 0; j < W; j++) {
        unit_root(j * k, size, root);
        fine[size_t(2 * W * k + j)] = root[0];
        fine[size_t(2 * W * k + W + j)] = root[1];
      }
    }
    for (int64_t m = 0; m < ceil_div(n2, W) * n1; m++) {
      unit_root(m * W, size, root);
      coarse.insert(coarse.end(), root, root + 2);
    }
  }

  void make_chirp() {
    std::vector<T> spread(size_t(2 * size));
    T root[2];
    for (int64_t k = 0; k < length; k++) {
      unit_root(k * k % (2 * length), 2 * length, root);
      chirp.insert(chirp.end(), root, root + 2);
      for (int64_t at : {k, (size - k) % size}) {
        spread[size_t(2 * at)] = root[0] / T(size);
        spread[size_t(2 * at + 1)] = -root[1] / T(size);
      }
    }
    kernel.resize(size_t(2 * size));
    transform_line(*plan_of<Plan<T>>(size), {spread.data(), kernel.data(), 0, 0, T(1), 0}, false);
  }
};

// ---- transforms --------------------------------------------------------------------------------

// Transforms a tile; gives the one of the two halves that holds the result.
template <class T> Complex<T>* transform_rows(const Plan<T>& plan, Complex<T>* rows) {
  Complex<T>* other = rows + plan.size;
  if (plan.size == plan.length) return run(*plan.passes, rows, other);
  chirp_rows(plan.length, plan.chirp.data(), false, rows);
  std::memset((void*)(rows + plan.length), 0, size_t(plan.size - plan.length) * sizeof(Complex<T>));
  Complex<T>* spectrum = run(*plan.passes, rows, other);
  // The inverse transform is a transform with the parts exchanged before and after.
  chirp_rows(plan.size, plan.kernel.data(), true, spectrum);
  Complex<T>* out = run(*plan.passes, spectrum, spectrum == rows ? other : rows);
  for (int64_t i = 0; i < plan.length; i++) std::swap(out[i].re, out[i].im);
  chirp_rows(plan.length, plan.chirp.data(), false, out);
  return out;
}

// A long line of smooth length: columns, twiddle factors, rows.
template <class T> void matrix_line(const Plan<T>& plan, const Lines<T>& line, bool threads) {
  constexpr int64_t W = Lanes<T>::count;
  const int64_t n1 = plan.n1, n2 = plan.n2;
  const auto held_down = plan_of<Plan<T>>(n1), held_across = plan_of<Plan<T>>(n2);
  const Plan<T>&down = *held_down, &across = *held_across;
  T* middle = middle_memory.get<T>(2 * plan.size);
  auto columns = [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; b++) {
      const int64_t count = least(W, n2 - b * W);
      Complex<T>* rows = tiles<T>(down.size);
      get_columns(line.in + 2 * W * b, line.swap, n2, count, n1, rows);
      rows = transform_rows(down, rows);
      turn(n1, plan.fine.data(), plan.coarse.data(), b, rows);
      put_columns(middle + 2 * W * b, 0, T(1), n2, count, n1, rows);
    }
  };
  auto lines = [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; b++) {
      const int64_t count = least(W, n1 - b * W);
      Complex<T>* rows = tiles<T>(across.size);
      get_lines({middle + 2 * W * b * n2, nullptr, 2 * n2, 0, T(1), 0}, count, n2, rows);
      rows = transform_rows(across, rows);
      put_columns(line.out + 2 * W * b, line.swap, line.scale, n1, count, n2, rows);
    }
  };
  const int64_t many = plan.size;  // so that one thread does it all
  parallel(ceil_div(n2, W), threads ? most(1, kParallel / W / n1) : many, columns);
  parallel(ceil_div(n1, W), threads ? most(1, kParallel / W / n2) : many, lines);
  middle_memory.trim();
}

// A long line of another length: a convolution.
template <class T> void chirp_transform(const Plan<T>& plan, const Lines<T>& line, bool threads) {
  const int64_t n = plan.length, size = plan.size;
  const auto held_inner = plan_of<Plan<T>>(size);
  const Plan<T>& inner = *held_inner;
  T* padded = padded_memory.get<T>(2 * size);
  chirp_line(n, line.in, line.swap, plan.chirp.data(), T(1), 0, padded);
  std::memset(padded + 2 * n, 0, size_t(2 * (size - n)) * sizeof(T));
  transform_line(inner, {padded, padded, 0, 0, T(1), 0}, threads);
  chirp_line(size, padded, 0, plan.kernel.data(), T(1), 1, padded);
  transform_line(inner, {padded, padded, 0, 0, T(1), 0}, threads);
  chirp_line(n, padded, 1, plan.chirp.data(), line.scale, line.swap, line.out);
  padded_memory.trim();
}

// One line, on several threads if `threads`; in and out may be the same memory.
template <class T>
void transform_line(const Plan<T>& plan, const Lines<T>& line, bool threads) {
  if (plan.n1) return matrix_line(plan, line, threads);
  if (!plan.in_tile()) return chirp_transform(plan, line, threads);
  Complex<T>* rows = tiles<T>(plan.size);
  get_lines(line, 1, plan.length, rows);
  put_lines(line, 1, plan.length, transform_rows(plan, rows));
}

template <class T> void transform(const Lines<T>& lines, int64_t rows, int64_t length) {
  constexpr int64_t W = Lanes<T>::count;
  const auto held = plan_of<Plan<T>>(length);
  const Plan<T>& plan = *held;
  auto from = [&](int64_t row) {
    Lines<T> moved = lines;
    moved.in += row * lines.in_step;
    moved.out += row * lines.out_step;
    return moved;
  };
  const bool alone = !plan.in_tile() || (plan.n1 && rows < W / 2);
  if (alone && rows < arrax_num_threads()) {
    for (int64_t row = 0; row < rows; row++) transform_line(plan, from(row), true);
    return;
  }
  const int64_t group = alone ? 1 : W;
  parallel(ceil_div(rows, group), most(1, kParallel / (group * length)),
           [&](int64_t begin, int64_t end) {
             for (int64_t row = begin * group; row < least(rows, end * group); row += group) {
               if (alone) {
                 transform_line(plan, from(row), false);
                 continue;
               }
               const int64_t count = least(W, rows - row);
               Complex<T>* tile = tiles<T>(plan.size);
               get_lines(from(row), count, length, tile);
               put_lines(from(row), count, length, transform_rows(plan, tile));
             }
           });
}

// Transforms the middle axis of [outer, length, inner] complex elements in place.
template <class T>
void transform_across(T* x, int64_t outer, int64_t length, int64_t inner, bool inverse) {
  constexpr int64_t W = Lanes<T>::count;
  const auto held = plan_of<Plan<T>>(length);
  const Plan<T>& plan = *held;
  const T scale = inverse ? T(1) / T(length) : T(1);
  const int64_t blocks = ceil_div(inner, W);
  parallel(outer * blocks, most(1, kParallel / (W * length)), [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; b++) {
      const int64_t first = b % blocks * W, count = least(W, inner - first);
      T* at = x + 2 * (b / blocks * length * inner + first);
      if (plan.in_tile()) {
        Complex<T>* rows = tiles<T>(plan.size);
        get_columns(at, int(inverse), inner, count, length, rows);
        put_columns(at, int(inverse), scale, inner, count, length, transform_rows(plan, rows));
        continue;
      }
      std::vector<T> column(size_t(2 * length));  // long columns, one by one
      for (int64_t j = 0; j < count; j++) {
        for (int64_t i = 0; i < 2 * length; i++)
          column[size_t(i)] = at[2 * (i / 2 * inner + j) + i % 2];
        transform_line(plan, {column.data(), column.data(), 0, 0, scale, int(inverse)}, false);
        for (int64_t i = 0; i < 2 * length; i++)
          at[2 * (i / 2 * inner + j) + i % 2] = column[size_t(i)];
      }
    }
  });
}

// ---- real rows ---------------------------------------------------------------------------------

template <class T> struct QuarterRoots {
  explicit QuarterRoots(int64_t length) {
    for (int64_t k = 0; k <= length / 4; k++) {
      T root[2];
      unit_root(k, length, root);
      table.insert(table.end(), root, root + 2);
    }
  }
  size_t bytes() const { return table.size() * sizeof(T); }
  std::vector<T> table;
};

// The same for one line.
template <class T, class Step>
void real_line(const T* roots, const T* x, T* out, int64_t half) {
  const T first = x[0], other = x[1], last = x[2 * half];
  for (int64_t k = 1; 2 * k <= half; k++) {
    const T *a = x + 2 * k, *b = x + 2 * (half - k);
    T a_re = a[0], a_im = a[1], b_re = b[0], b_im = b[1];
    Step::pair(a_re, a_im, b_re, b_im, roots[2 * k], roots[2 * k + 1]);
    out[2 * (half - k)] = b_re, out[2 * (half - k) + 1] = b_im;
    out[2 * k] = a_re, out[2 * k + 1] = a_im;
  }
  if (std::is_same<Step, Pack>::value) {
    out[0] = (first + last) / 2, out[1] = (first - last) / 2;
  } else {
    out[2 * half] = first - other, out[2 * half + 1] = 0;
    out[0] = first + other, out[1] = 0;
  }
}

// Real lines of even length in tiles; false if they are too few or too long for that.
template <class T>
bool real_lines(const T* in, T* out, int64_t rows, int64_t length, bool to_real) {
  constexpr int64_t W = Lanes<T>::count;
  const int64_t half = length / 2, width = 2 * (half + 1);
  const auto held = plan_of<Plan<T>>(half);
  const Plan<T>& plan = *held;
  if (!plan.in_tile() || rows < W / 2) return false;
  const auto held_roots = plan_of<QuarterRoots<T>>(length);
  const T* roots = held_roots->table.data();
  parallel(ceil_div(rows, W), most(1, kParallel / (W * length)), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin * W; row < least(rows, end * W); row += W) {
      const int64_t count = least(W, rows - row);
      Complex<T>* tile = tiles<T>(plan.size);
      if (to_real) {
        get_lines({in + row * width, nullptr, width, 0, T(1), 0}, count, half + 1, tile);
        pack_rows(half, roots, tile);
        tile = transform_rows(plan, tile);
        put_lines({nullptr, out + row * length, 0, length, T(1) / T(half), 1}, count, half, tile);
      } else {
        get_lines({in + row * length, nullptr, length, 0, T(1), 0}, count, half, tile);
        tile = transform_rows(plan, tile);
        unpack_rows(half, roots, tile);
        put_lines({nullptr, out + row * width, 0, width, T(1), 0}, count, half + 1, tile);
      }
    }
  });
  return true;
}

template <class Body> void each_row(int64_t rows, int64_t length, const Body& body) {
  parallel(rows, most(1, kParallel / length), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) body(row);
  });
}

template <class T> void from_real(const T* in, T* out, int64_t rows, int64_t length) {
  const int64_t half = length / 2, width = 2 * (half + 1);
  if (length % 2 == 0) {
    if (real_lines(in, out, rows, length, false)) return;
    const auto held_roots = plan_of<QuarterRoots<T>>(length);
    const T* roots = held_roots->table.data();
    transform<T>({in, out, length, width, T(1), 0}, rows, half);
    each_row(rows, length, [&](int64_t row) {
      real_line<T, Unpack>(roots, out + row * width, out + row * width, half);
    });
    return;
  }
  std::vector<T> wide(size_t(2 * rows * length));
  for (int64_t i = 0; i < rows * length; i++) wide[size_t(2 * i)] = in[i];
  transform<T>({wide.data(), wide.data(), 2 * length, 2 * length, T(1), 0}, rows, length);
  for (int64_t row = 0; row < rows; row++)
    std::memcpy(out + row * width, &wide[size_t(2 * row * length)], size_t(width) * sizeof(T));
}

template <class T> void to_real(const T* in, T* out, int64_t rows, int64_t length) {
  const int64_t half = length / 2, width = 2 * (half + 1);
  if (length % 2 == 0) {
    if (real_lines(in, out, rows, length, true)) return;
    const auto held_roots = plan_of<QuarterRoots<T>>(length);
    const T* roots = held_roots->table.data();
    each_row(rows, length, [&](int64_t row) {
      real_line<T, Pack>(roots, in + row * width, out + row * length, half);
    });
    transform<T>({out, out, length, length, T(1) / T(half), 1}, rows, half);
    return;
  }
  std::vector<T> wide(size_t(2 * rows * length));
  for (int64_t row = 0; row < rows; row++) {
    T* line = &wide[size_t(2 * row * length)];
    const T* from = in + row * width;
    line[0] = from[0];
    for (int64_t k = 1; k <= half; k++) {
      line[2 * k] = line[2 * (length - k)] = from[2 * k];
      line[2 * k + 1] = from[2 * k + 1];
      line[2 * (length - k) + 1] = -from[2 * k + 1];
    }
  }
  transform<T>({wide.data(), wide.data(), 2 * length, 2 * length, T(1) / T(length), 1}, rows,
               length);
  for (int64_t i = 0; i < rows * length; i++) out[i] = wide[size_t(2 * i)];
}

template <class T> void any_transform(const int64_t* spec, const T* in, T* out) {
  const int64_t kind = spec[1], rows = spec[2], length = spec[3];
  auto others = [&](T* x, int64_t inner) {
    int64_t outer = rows;
    for (const int64_t *axis = spec + 5, *last = axis + spec[4]; axis < last; axis++) {
      outer /= *axis;
      transform_across(x, outer, *axis, inner, kind == 1 || kind == 3);
      inner *= *axis;
    }
  };
  if (kind < 2) {
    transform<T>({in, out, 2 * length, 2 * length, kind ? T(1) / T(length) : T(1), int(kind)}, rows,
                 length);
    others(out, length);
  } else if (kind == 2) {
    from_real(in, out, rows, length);
    others(out, length / 2 + 1);
  } else if (spec[4]) {
    std::vector<T> copy(in, in + rows * 2 * (length / 2 + 1));
    others(copy.data(), length / 2 + 1);
    to_real(copy.data(), out, rows, length);
  } else {
    to_real(in, out, rows, length);
  }
}

}  // namespace

// Transforms rows of any length. The spec is that of arrax_fft; real transforms may have other axes.
extern "C" void arrax_fft_any(const int64_t* spec, const void* in, void* out) {
  if (spec[0] == kComplex64)
    any_transform<float>(spec, (const float*)in, (float*)out);
  else
    any_transform<double>(spec, (const double*)in, (double*)out);
}

ARRAX_SYMBOLS({"arrax_fft_any", library_function<arrax_fft_any>()});
