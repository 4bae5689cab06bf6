// Loops of transforms of any smooth length (fft_mixed.cpp), on tiles: the passes, how lines and
// columns come from memory and go back, factors, the ends of real transforms.
#pragma once

#include <vector>

#include "fft_lanes.h"

namespace spectral {

// ---- passes ------------------------------------------------------------------------------------

// A transform of an odd number of elements; trig holds cos(2 pi j / r), then sin(2 pi j / r).
template <int r, class T> ARRAX_INLINE void small_transform(Complex<T>* x, const T* trig) {
  constexpr int h = (r - 1) / 2;
  Complex<T> sum[h], difference[h], first = x[0];
#pragma GCC unroll 8
  for (int j = 1; j <= h; j++) {
    sum[j - 1] = {x[j].re + x[r - j].re, x[j].im + x[r - j].im};
    difference[j - 1] = {x[j].re - x[r - j].re, x[j].im - x[r - j].im};
    x[0].re += sum[j - 1].re, x[0].im += sum[j - 1].im;
  }
#pragma GCC unroll 8
  for (int k = 1; k <= h; k++) {
    Complex<T> even = first, odd = {first.re * 0, first.re * 0};
#pragma GCC unroll 8
    for (int j = 1; j <= h; j++) {
      const T c = trig[j * k % r], s = trig[r + j * k % r];
      even.re += sum[j - 1].re * c, even.im += sum[j - 1].im * c;
      odd.re += difference[j - 1].re * s, odd.im += difference[j - 1].im * s;
    }
    x[k] = {even.re + odd.im, even.im - odd.re};
    x[r - k] = {even.re - odd.im, even.im + odd.re};
  }
}

template <int r, class T> ARRAX_INLINE void radix(Complex<T>* x, const T* trig) {
  if constexpr (r == 2) {
    butterfly(x[0], x[1]);
  } else if constexpr (r == 4) {
    butterfly(x[0], x[2]);
    butterfly(x[1], x[3]);
    butterfly(x[0], x[1]);
    const VectorOf<T> re = x[3].im, im = -x[3].re;
    const Complex<T> third = x[2], second = x[1];
    x[1] = {third.re + re, third.im + im};
    x[3] = {third.re - re, third.im - im};
    x[2] = second;
  } else {
    small_transform<r>(x, trig);
  }
}

// One pass: `blocks` transforms of r elements that are blocks * stride apart, `stride` times.
template <int r, class T>
ARRAX_INLINE void pass(int64_t blocks, int64_t stride, const T* factors, const Complex<T>* in,
                       Complex<T>* out) {
  const T* trig = factors;
  const T* w = factors + 2 * r;
  for (int64_t p = 0; p < blocks; p++, w += 2 * (r - 1)) {
    const Complex<T>* from = in + stride * p;
    Complex<T>* to = out + stride * r * p;
    for (int64_t q = 0; q < stride; q++) {
      Complex<T> x[r];
#pragma GCC unroll 16
      for (int k = 0; k < r; k++) x[k] = from[q + stride * blocks * k];
      radix<r>(x, trig);
      to[q] = x[0];
#pragma GCC unroll 16
      for (int k = 1; k < r; k++) {
        multiply(x[k], w[2 * k - 2], w[2 * k - 1]);
        to[q + stride * k] = x[k];
      }
    }
  }
}

// The passes of a length.
template <class T> struct Passes {
  explicit Passes(int64_t n) : length(n) {
    int64_t rest = n;
    for (int64_t r : {4, 2, 3, 5, 7, 11, 13})
      while (rest % r == 0) radices.push_back(int(r)), rest /= r;
    for (int r : radices) {
      T root[2];
      std::vector<T> sines;
      for (int j = 0; j < r; j++) {
        unit_root<T>(j, r, root);
        factors.push_back(root[0]);
        sines.push_back(-root[1]);
      }
      factors.insert(factors.end(), sines.begin(), sines.end());
      for (int64_t p = 0; p < n / r; p++)
        for (int64_t k = 1; k < r; k++) {
          unit_root(p * k, n, root);
          factors.insert(factors.end(), root, root + 2);
        }
      n /= r;
    }
  }
  int64_t length;
  std::vector<int> radices;
  std::vector<T> factors;  // by pass: cosines and sines of the radix, twiddle factors
};

// Transforms tile x, with y for intermediate results; gives the one that holds the result.
template <class T>
ARRAX_INLINE Complex<T>* transform_tile(const Passes<T>& plan, Complex<T>* x, Complex<T>* y) {
  const T* factors = plan.factors.data();
  int64_t stride = 1, rest = plan.length;
  for (int r : plan.radices) {
    rest /= r;
    switch (r) {
      case 2: pass<2>(rest, stride, factors, x, y); break;
      case 3: pass<3>(rest, stride, factors, x, y); break;
      case 4: pass<4>(rest, stride, factors, x, y); break;
      case 5: pass<5>(rest, stride, factors, x, y); break;
      case 7: pass<7>(rest, stride, factors, x, y); break;
      case 11: pass<11>(rest, stride, factors, x, y); break;
      case 13: pass<13>(rest, stride, factors, x, y); break;
    }
    factors += 2 * r + 2 * (r - 1) * rest;
    stride *= r;
    std::swap(x, y);
  }
  return x;
}

// ---- lines and columns -------------------------------------------------------------------------

// `count` <= W lines into a tile, transposed.
template <class T>
ARRAX_INLINE void load_lines(const Lines<T>& lines, int64_t count, int64_t length, Complex<T>* rows) {
  constexpr int W = Lanes<T>::count;
  T* tile = (T*)rows;
  const int64_t whole = count == W ? length / W * W : 0;
  VectorOf<T> re[W], im[W];
  for (int64_t i = 0; i < whole; i += W) {
    for (int j = 0; j < W; j++)
      load_parts<T>(lines.in + j * lines.in_step + 2 * i, lines.swap, re[j], im[j]);
    transpose<T>(re);
    transpose<T>(im);
    for (int j = 0; j < W; j++) rows[i + j] = {re[j], im[j]};
  }
  for (int64_t i = whole; i < length; i++) {
    T* row = tile + i * 2 * W;
    for (int64_t j = 0; j < count; j++) {
      row[j] = lines.in[j * lines.in_step + 2 * i + lines.swap];
      row[j + W] = lines.in[j * lines.in_step + 2 * i + 1 - lines.swap];
    }
    for (int64_t j = count; j < W; j++) row[j] = row[j + W] = 0;
  }
}

template <class T>
ARRAX_INLINE void store_lines(const Lines<T>& lines, int64_t count, int64_t length,
                              const Complex<T>* rows) {
  constexpr int W = Lanes<T>::count;
  const T* tile = (const T*)rows;
  const int64_t whole = count == W ? length / W * W : 0;
  VectorOf<T> re[W], im[W];
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

// `count` <= W neighbouring columns, whose elements are `step` complex elements apart.
template <class T>
ARRAX_INLINE void load_columns(const T* in, int swap, int64_t step, int64_t count, int64_t length,
                               Complex<T>* rows) {
  constexpr int W = Lanes<T>::count;
  for (int64_t i = 0; i < length; i++) {
    const T* from = in + 2 * i * step;
    if (count == W) {
      load_parts<T>(from, swap, rows[i].re, rows[i].im);
      continue;
    }
    T* row = (T*)(rows + i);
    for (int64_t j = 0; j < W; j++) {
      row[j] = j < count ? from[2 * j + swap] : T(0);
      row[j + W] = j < count ? from[2 * j + 1 - swap] : T(0);
    }
  }
}

template <class T>
ARRAX_INLINE void store_columns(T* out, int swap, T scale, int64_t step, int64_t count,
                                int64_t length, const Complex<T>* rows) {
  constexpr int W = Lanes<T>::count;
  for (int64_t i = 0; i < length; i++) {
    T* to = out + 2 * i * step;
    if (count == W) {
      store_parts<T>(to, swap, rows[i].re * scale, rows[i].im * scale);
      continue;
    }
    const T* row = (const T*)(rows + i);
    for (int64_t j = 0; j < count; j++) {
      to[2 * j + swap] = row[j] * scale;
      to[2 * j + 1 - swap] = row[j + W] * scale;
    }
  }
}

// Multiplies row k of a block of columns by root^(k * column), the powers of the lanes from `fine`
// and that of the first column from `coarse`.
template <class T>
ARRAX_INLINE void twist(int64_t length, const T* fine, const T* coarse, int64_t block,
                        Complex<T>* rows) {
  constexpr int W = Lanes<T>::count;
  for (int64_t k = 0; k < length; k++) {
    Complex<T> factor = {*(const LooseOf<T>*)(fine + k * 2 * W),
                         *(const LooseOf<T>*)(fine + k * 2 * W + W)};
    const T* root = coarse + 2 * block * k;
    multiply(factor, root[0], root[1]);
    multiply(rows[k], factor.re, factor.im);
  }
}

// Rows times scalars, for a chirp; parts exchanged after it if `swap`.
template <class T>
ARRAX_INLINE void scale_rows(int64_t length, const T* factors, bool swap, Complex<T>* rows) {
  for (int64_t i = 0; i < length; i++) {
    multiply(rows[i], factors[2 * i], factors[2 * i + 1]);
    if (swap) std::swap(rows[i].re, rows[i].im);
  }
}

// A line times factors, into another one.
template <class T>
ARRAX_INLINE void scale_line(int64_t length, const T* x, int in_swap, const T* factors, T scale,
                             int out_swap, T* out) {
  for (int64_t i = 0; i < length; i++) {
    const T re = x[2 * i + in_swap], im = x[2 * i + 1 - in_swap];
    const T c = factors[2 * i] * scale, s = factors[2 * i + 1] * scale;
    const T real = re * c - im * s;
    out[2 * i + 1 - out_swap] = re * s + im * c;
    out[2 * i + out_swap] = real;
  }
}

// Rows k and half - k of the spectrum of real lines from those of lines of half as many complex
// elements, in place (`Unpack`, `Pack`): row `half` is new, or gone. Roots are exp(-i pi k / half).
struct Unpack {
  template <class V, class T>
  static ARRAX_INLINE void pair(V& a_re, V& a_im, V& b_re, V& b_im, T c, T s) {
    const V even_re = (a_re + b_re) / 2, even_im = (a_im - b_im) / 2;
    const V odd_re = (a_im + b_im) / 2, odd_im = (b_re - a_re) / 2;
    const V turned_re = odd_re * c - odd_im * s, turned_im = odd_im * c + odd_re * s;
    b_re = even_re - turned_re, b_im = turned_im - even_im;
    a_re = even_re + turned_re, a_im = even_im + turned_im;
  }
};

struct Pack {  // the inverse; like NumPy, it takes the first and the last element for real
  template <class V, class T>
  static ARRAX_INLINE void pair(V& a_re, V& a_im, V& b_re, V& b_im, T c, T s) {
    const V even_re = (a_re + b_re) / 2, even_im = (a_im - b_im) / 2;
    const V odd_re = (a_im + b_im) / -2, odd_im = (a_re - b_re) / 2;
    const V turned_re = odd_re * c + odd_im * s, turned_im = odd_im * c - odd_re * s;
    b_re = even_re - turned_re, b_im = turned_im - even_im;
    a_re = even_re + turned_re, a_im = even_im + turned_im;
  }
};

template <class T, bool to_real>
ARRAX_INLINE void real_rows(int64_t half, const T* roots, Complex<T>* rows) {
  for (int64_t k = 1; 2 * k <= half; k++) {
    Complex<T> a = rows[k], b = rows[half - k];
    typedef typename std::conditional<to_real, Pack, Unpack>::type Step;
    Step::pair(a.re, a.im, b.re, b.im, roots[2 * k], roots[2 * k + 1]);
    rows[half - k] = b;
    rows[k] = a;
  }
  const VectorOf<T> first = rows[0].re, last = to_real ? rows[half].re : rows[0].im;
  if (to_real) {
    rows[0] = {(first + last) / 2, (first - last) / 2};
    for (int64_t k = 0; k < half; k++) std::swap(rows[k].re, rows[k].im);  // for the inverse
  } else {
    rows[0] = {first + last, first * 0};
    rows[half] = {first - last, first * 0};
  }
}

}  // namespace spectral
