// What both kinds of Fourier transforms are made of (fft.cpp, fft_mixed.cpp): vectors of real and of
// imaginary parts, one line of the data to a lane, and how they come from memory and go back.
#pragma once

#include <cmath>
#include <type_traits>
#include <utility>

#include "library.h"

#define ARRAX_INLINE __attribute__((always_inline)) inline

namespace spectral {

template <class T> struct Lanes {
  static constexpr int count = 64 / int(sizeof(T));
  typedef T Vector __attribute__((vector_size(64), may_alias));
  typedef T Loose __attribute__((vector_size(64), aligned(alignof(T)), may_alias));
  typedef typename std::conditional<sizeof(T) == 4, int32_t, int64_t>::type Index;
  typedef Index Mask __attribute__((vector_size(64)));
};
template <class T> using VectorOf = typename Lanes<T>::Vector;
template <class T> using LooseOf = typename Lanes<T>::Loose;

// ---- shuffles ----------------------------------------------------------------------------------

// Where lane j of a shuffle of two vectors of `w` lanes comes from.
struct Even { static constexpr int at(int j, int, int) { return 2 * j; } };
struct Odd { static constexpr int at(int j, int, int) { return 2 * j + 1; } };
struct Reverse { static constexpr int at(int j, int w, int) { return w - 1 - j; } };
struct ZipLow { static constexpr int at(int j, int w, int) { return j / 2 + j % 2 * w; } };
struct ZipHigh { static constexpr int at(int j, int w, int) { return (w + j) / 2 + j % 2 * w; } };
// Transposition of 2 by 2 blocks of `step` lanes.
struct SwapLow {
  static constexpr int at(int j, int w, int step) { return j & step ? j - step + w : j; }
};
struct SwapHigh {
  static constexpr int at(int j, int w, int step) { return j & step ? j + w : j + step; }
};

template <class T, class Pattern, int step, class Sequence> struct MaskOf;
template <class T, class Pattern, int step, size_t... j>
struct MaskOf<T, Pattern, step, std::index_sequence<j...>> {
  typedef typename Lanes<T>::Index Index;
  static constexpr typename Lanes<T>::Mask value = {
      Index(Pattern::at(int(j), Lanes<T>::count, step))...};
};

template <class T, class Pattern, int step = 0>
ARRAX_INLINE void shuffle(const VectorOf<T>& a, const VectorOf<T>& b, VectorOf<T>& out) {
#ifdef __clang__  // has no shuffles with masks in variables
  constexpr int w = Lanes<T>::count;
  VectorOf<T> result;
  for (int j = 0; j < w; j++) {
    const int from = Pattern::at(j, w, step);
    result[j] = from < w ? a[from] : b[from - w];
  }
  out = result;
#else
  out = __builtin_shuffle(
      a, b, MaskOf<T, Pattern, step, std::make_index_sequence<size_t(Lanes<T>::count)>>::value);
#endif
}

template <class T, int step> ARRAX_INLINE void transpose_step(VectorOf<T>* rows) {
#pragma GCC unroll 16
  for (int i = 0; i < Lanes<T>::count; i++) {
    if (i & step) continue;
    VectorOf<T> low, high;
    shuffle<T, SwapLow, step>(rows[i], rows[i + step], low);
    shuffle<T, SwapHigh, step>(rows[i], rows[i + step], high);
    rows[i] = low;
    rows[i + step] = high;
  }
}

template <class T> ARRAX_INLINE void transpose(VectorOf<T>* rows) {
  transpose_step<T, 1>(rows);
  transpose_step<T, 2>(rows);
  transpose_step<T, 4>(rows);
  if constexpr (Lanes<T>::count == 16) transpose_step<T, 8>(rows);
}

// ---- complex numbers ---------------------------------------------------------------------------

// exp(-2 pi i k / n), with an angle of at most an eighth of a turn, so that it is right to an ulp.
template <class T> void unit_root(int64_t k, int64_t n, T* out) {
  k = 8 * (k % n), n = 8 * n;
  const bool below = 2 * k <= n;
  if (!below) k = n - k;
  const bool left = 4 * k > n;
  if (left) k = n / 2 - k;
  const bool steep = 8 * k > n;
  if (steep) k = n / 4 - k;
  const double angle = 6.283185307179586476925 * double(k) / double(n);
  const double c = steep ? std::sin(angle) : std::cos(angle);
  const double s = steep ? std::cos(angle) : std::sin(angle);
  out[0] = T(left ? -c : c);
  out[1] = T(below ? -s : s);
}

template <class T> struct __attribute__((may_alias)) Complex {
  VectorOf<T> re, im;
};

template <class T, class Factor>
ARRAX_INLINE void multiply(Complex<T>& x, const Factor& re, const Factor& im) {
  const VectorOf<T> real = x.re * re - x.im * im;
  x.im = x.re * im + x.im * re;
  x.re = real;
}

// a, b = a + b, a - b
template <class T> ARRAX_INLINE void butterfly(Complex<T>& a, Complex<T>& b) {
  const VectorOf<T> re = a.re - b.re, im = a.im - b.im;
  a.re += b.re, a.im += b.im;
  b.re = re, b.im = im;
}

// Lines of complex elements: where they start and how far apart they are, in elements of T.
template <class T> struct Lines {
  const T* in;
  T* out;
  int64_t in_step, out_step;
  T scale;
  int swap;  // 1 exchanges real and imaginary parts, of input and output: the inverse transform
};

// Whole vectors between memory (interleaved parts) and vectors of parts.
template <class T>
ARRAX_INLINE void load_parts(const T* from, int swap, VectorOf<T>& re, VectorOf<T>& im) {
  const VectorOf<T> low = *(const LooseOf<T>*)from;
  const VectorOf<T> high = *(const LooseOf<T>*)(from + Lanes<T>::count);
  VectorOf<T> first, second;
  shuffle<T, Even>(low, high, first);
  shuffle<T, Odd>(low, high, second);
  re = swap ? second : first;
  im = swap ? first : second;
}

template <class T>
ARRAX_INLINE void store_parts(T* to, int swap, const VectorOf<T>& re, const VectorOf<T>& im) {
  const VectorOf<T> first = swap ? im : re, second = swap ? re : im;
  VectorOf<T> low, high;
  shuffle<T, ZipLow>(first, second, low);
  shuffle<T, ZipHigh>(first, second, high);
  *(LooseOf<T>*)to = low;
  *(LooseOf<T>*)(to + Lanes<T>::count) = high;
}

}  // namespace spectral
