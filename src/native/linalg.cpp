// Factorizations and solves of many small matrices: Cholesky, LU, QR, triangular and tridiagonal
// systems. Matrices are row-major; loops run along rows, which vectorize. Matrices above a few dozen
// rows go to LAPACK (lapack.cpp), whose blocking wins there; below, its calls cost more than the work.
#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <utility>

#include "library.h"

namespace {

#define ARRAX_INLINE __attribute__((always_inline)) inline

template <class T> struct RealOf { typedef T type; };
template <class T> struct RealOf<std::complex<T>> { typedef T type; };

template <class T> ARRAX_INLINE T real_part(T x) { return x; }
template <class T> ARRAX_INLINE T real_part(std::complex<T> x) { return x.real(); }
template <class T> ARRAX_INLINE T conjugate(T x) { return x; }
template <class T> ARRAX_INLINE std::complex<T> conjugate(std::complex<T> x) { return std::conj(x); }
// The size by which LAPACK chooses pivots.
template <class T> ARRAX_INLINE T pivot_size(T x) { return std::fabs(x); }
template <class T> ARRAX_INLINE T pivot_size(std::complex<T> x) {
  return std::fabs(x.real()) + std::fabs(x.imag());
}
// Products without the treatment of infinities that std::complex has.
template <class T> ARRAX_INLINE T times(T x, T y) { return x * y; }
template <class T> ARRAX_INLINE std::complex<T> times(std::complex<T> x, std::complex<T> y) {
  return {x.real() * y.real() - x.imag() * y.imag(), x.real() * y.imag() + x.imag() * y.real()};
}

thread_local Scratch scratch;

// The lower factor, zeros above; NaN where a matrix is not positive definite.
template <class T> ARRAX_INLINE void cholesky(int64_t n, const T* a, T* l) {
  typedef typename RealOf<T>::type Real;
  for (int64_t i = 0; i < n; i++) {
    for (int64_t j = 0; j <= i; j++) l[i * n + j] = a[i * n + j];
    for (int64_t j = i + 1; j < n; j++) l[i * n + j] = T(0);
  }
  T column[64];  // of factors of the rows below: n is at most 64
  for (int64_t k = 0; k < n; k++) {
    const Real pivot = real_part(l[k * n + k]);
    if (!(pivot > 0)) {
      for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++) l[i * n + j] = T(std::numeric_limits<Real>::quiet_NaN());
      return;
    }
    const Real root = std::sqrt(pivot), inverse = Real(1) / root;
    l[k * n + k] = T(root);
    for (int64_t i = k + 1; i < n; i++) {
      l[i * n + k] *= inverse;
      column[i] = conjugate(l[i * n + k]);
    }
    for (int64_t i = k + 1; i < n; i++) {
      const T factor = l[i * n + k];
      for (int64_t j = k + 1; j <= i; j++) l[i * n + j] -= times(factor, column[j]);
    }
  }
}

// P a = L U in place, and the exchanges and the permutation that P is.
template <class T>
ARRAX_INLINE void lu(int64_t rows, int64_t columns, T* a, int32_t* pivots, int32_t* order) {
  typedef typename RealOf<T>::type Real;
  for (int64_t i = 0; i < rows; i++) order[i] = int32_t(i);
  for (int64_t k = 0; k < least(rows, columns); k++) {
    int64_t best = k;
    Real largest = pivot_size(a[k * columns + k]);
    for (int64_t i = k + 1; i < rows; i++) {
      const Real size = pivot_size(a[i * columns + k]);
      if (size > largest) largest = size, best = i;
    }
    pivots[k] = int32_t(best);
    if (best != k) {
      for (int64_t j = 0; j < columns; j++) std::swap(a[k * columns + j], a[best * columns + j]);
      std::swap(order[k], order[best]);
    }
    if (largest == 0) continue;
    const T inverse = T(1) / a[k * columns + k];
    const T* from = a + k * columns;
    for (int64_t i = k + 1; i < rows; i++) {
      T* row = a + i * columns;
      const T factor = row[k] = times(row[k], inverse);
      for (int64_t j = k + 1; j < columns; j++) row[j] -= times(factor, from[j]);
    }
  }
}

struct Solve {
  int64_t n, k;  // the triangle's size; right-hand sides
  bool left, lower, unit;
  int64_t trans;  // 0 none, 1 transposed, 2 adjoint, 3 conjugated
};

// The triangle as if it stood on the left of the unknowns: `t`, and whether it is a lower one.
template <class T> ARRAX_INLINE bool effective_triangle(const Solve& s, const T* a, T* t) {
  const bool transposed = (s.trans == 1 || s.trans == 2) != !s.left;
  const bool conjugated = s.trans >= 2;
  for (int64_t i = 0; i < s.n; i++)
    for (int64_t j = 0; j < s.n; j++) {
      const T x = transposed ? a[j * s.n + i] : a[i * s.n + j];
      t[i * s.n + j] = conjugated ? conjugate(x) : x;
    }
  return s.lower != transposed;
}

// t x = b in place, for right-hand sides in rows of k.
template <class T>
ARRAX_INLINE void substitute(int64_t n, int64_t k, bool lower, bool unit, const T* t, T* x) {
  for (int64_t step = 0; step < n; step++) {
    const int64_t i = lower ? step : n - 1 - step;
    T* row = x + i * k;
    for (int64_t j = lower ? 0 : i + 1; j < (lower ? i : n); j++) {
      const T factor = t[i * n + j];
      const T* known = x + j * k;
      for (int64_t c = 0; c < k; c++) row[c] -= times(factor, known[c]);
    }
    if (!unit) {
      const T inverse = T(1) / t[i * n + i];
      for (int64_t c = 0; c < k; c++)
        row[c] = k > 4 ? times(row[c], inverse) : row[c] / t[i * n + i];
    }
  }
}

template <class T> ARRAX_INLINE void solve(const Solve& s, const T* a, const T* b, T* x) {
  T* t = scratch.get<T>(s.n * s.n + (s.left ? 0 : s.n * s.k));
  const bool lower = effective_triangle(s, a, t);
  if (s.left) {
    std::memcpy((void*)x, (const void*)b, size_t(s.n * s.k) * sizeof(T));
    substitute(s.n, s.k, lower, s.unit, t, x);
    return;
  }
  T* turned = t + s.n * s.n;  // x op(a) = b is op(a)^T x^T = b^T
  for (int64_t i = 0; i < s.k; i++)
    for (int64_t j = 0; j < s.n; j++) turned[j * s.k + i] = b[i * s.n + j];
  substitute(s.n, s.k, lower, s.unit, t, turned);
  for (int64_t i = 0; i < s.k; i++)
    for (int64_t j = 0; j < s.n; j++) x[i * s.n + j] = turned[j * s.k + i];
}

// Gaussian elimination with partial pivoting on three diagonals (LAPACK's gtsv); the row exchanges
// fill a second diagonal above. dl[0] and du[n - 1] are not read.
template <class T>
ARRAX_INLINE void tridiagonal(int64_t n, int64_t k, const T* dl, const T* d, const T* du,
                              const T* b, T* x) {
  typedef typename RealOf<T>::type Real;
  T* diagonal = scratch.get<T>(3 * n);
  T *above = diagonal + n, *second = above + n;
  std::memcpy((void*)x, (const void*)b, size_t(n * k) * sizeof(T));
  for (int64_t i = 0; i < n; i++) {
    diagonal[i] = d[i], above[i] = i + 1 < n ? du[i] : T(0), second[i] = T(0);
  }
  bool singular = false;
  for (int64_t i = 0; i + 1 < n; i++) {
    T below = dl[i + 1];
    T *row = x + i * k, *next = row + k;
    if (pivot_size(diagonal[i]) < pivot_size(below)) {
      std::swap(diagonal[i], below);
      std::swap(above[i], diagonal[i + 1]);
      std::swap(second[i], above[i + 1]);
      for (int64_t c = 0; c < k; c++) std::swap(row[c], next[c]);
    }
    if (diagonal[i] == T(0)) {
      singular = true;
      break;
    }
    const T factor = below / diagonal[i];
    diagonal[i + 1] -= times(factor, above[i]);
    above[i + 1] -= times(factor, second[i]);
    for (int64_t c = 0; c < k; c++) next[c] -= times(factor, row[c]);
  }
  singular = singular || diagonal[n - 1] == T(0);
  if (singular && n > 1) {
    for (int64_t i = 0; i < n * k; i++) x[i] = T(std::numeric_limits<Real>::quiet_NaN());
    return;
  }
  for (int64_t i = n - 1; i >= 0; i--)
    for (int64_t c = 0; c < k; c++) {
      T rest = x[i * k + c];
      if (i + 1 < n) rest -= times(above[i], x[(i + 1) * k + c]);
      if (i + 2 < n) rest -= times(second[i], x[(i + 2) * k + c]);
      x[i * k + c] = rest / diagonal[i];
    }
}

// R' with R'^T R' = R^T R + w w^T, by rotations (Golub and Van Loan, "Matrix Computations", 6.5.4).
template <class T> void update_factor(int64_t n, const T* r, const T* w, T* out) {
  T* rest = scratch.get<T>(n);
  std::memcpy(rest, w, size_t(n) * sizeof(T));
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++) out[i * n + j] = j < i ? T(0) : r[i * n + j];
  for (int64_t k = 0; k < n; k++) {
    T* row = out + k * n;
    const T radius = std::hypot(row[k], rest[k]);
    if (radius == 0) continue;
    const T c = row[k] / radius, s = rest[k] / radius;
    for (int64_t j = k; j < n; j++) {
      const T old = row[j];
      row[j] = c * old + s * rest[j];
      rest[j] = c * rest[j] - s * old;
    }
  }
}

// x -= factor v (v^H x) for rows first.. of x, columns from.. of it; v stands in column `at` of f, its
// first element is 1.
template <class T>
ARRAX_INLINE void reflect(int64_t rows, int64_t first, const T* f, int64_t f_columns, int64_t at,
                          T factor, int64_t from, int64_t columns, T* x, T* sums) {
  for (int64_t j = from; j < columns; j++) sums[j] = x[first * columns + j];
  for (int64_t i = first + 1; i < rows; i++) {
    const T v = conjugate(f[i * f_columns + at]);
    for (int64_t j = from; j < columns; j++) sums[j] += times(v, x[i * columns + j]);
  }
  for (int64_t j = from; j < columns; j++) {
    sums[j] = times(factor, sums[j]);
    x[first * columns + j] -= sums[j];
  }
  for (int64_t i = first + 1; i < rows; i++) {
    const T v = f[i * f_columns + at];
    for (int64_t j = from; j < columns; j++) x[i * columns + j] -= times(v, sums[j]);
  }
}

// The reflection of LAPACK's larfg that turns column k of f, from row k on, into a real multiple of a
// unit vector; gives its factor.
template <class T> ARRAX_INLINE T make_reflection(int64_t rows, int64_t columns, int64_t k, T* f) {
  typedef typename RealOf<T>::type Real;
  Real square = 0, largest = 0;
  for (int64_t i = k; i < rows; i++) largest = std::max(largest, pivot_size(f[i * columns + k]));
  const Real scale = largest > 0 && std::isfinite(largest) ? Real(1) / largest : Real(1);
  for (int64_t i = k + 1; i < rows; i++) {
    const T x = f[i * columns + k] * scale;
    square += real_part(times(conjugate(x), x));
  }
  const T alpha = f[k * columns + k];
  if (square == 0 && conjugate(alpha) == alpha) return T(0);
  const T scaled = alpha * scale;
  const Real length = std::sqrt(square + real_part(times(conjugate(scaled), scaled))) / scale;
  const Real beta = std::copysign(length, -real_part(alpha));
  const T inverse = T(1) / (alpha - beta);
  for (int64_t i = k + 1; i < rows; i++) f[i * columns + k] = times(f[i * columns + k], inverse);
  f[k * columns + k] = T(beta);
  return (T(beta) - alpha) / beta;
}

// Householder's QR with the signs that LAPACK's has: q has `inner` columns, r as many rows.
template <class T>
ARRAX_INLINE void qr(int64_t rows, int64_t columns, int64_t inner, const T* a, T* q, T* r) {
  const int64_t rank = least(rows, columns);
  T* f = scratch.get<T>(rows * columns + most(columns, inner) + rank);
  T *sums = f + rows * columns, *factors = sums + most(columns, inner);
  std::memcpy((void*)f, (const void*)a, size_t(rows * columns) * sizeof(T));
  for (int64_t k = 0; k < rank; k++) {
    factors[k] = make_reflection(rows, columns, k, f);
    reflect(rows, k, f, columns, k, conjugate(factors[k]), k + 1, columns, f, sums);
  }
  for (int64_t i = 0; i < inner; i++)
    for (int64_t j = 0; j < columns; j++) r[i * columns + j] = j < i ? T(0) : f[i * columns + j];
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < inner; j++) q[i * inner + j] = T(i == j);
  for (int64_t k = rank; k-- > 0;)
    reflect(rows, k, f, columns, k, factors[k], k, inner, q, sums);
}

// ---- batches -----------------------------------------------------------------------------------

// Arguments of the functions below, which are compiled for several instruction sets.
struct Batch {
  int64_t begin, end;
  const int64_t* spec;
  const void *a, *b, *c, *d;
  void *x, *y, *z;
};

template <class T> ARRAX_INLINE void cholesky_batch(const Batch& m) {
  const int64_t n = m.spec[2];
  for (int64_t i = m.begin; i < m.end; i++)
    cholesky(n, (const T*)m.a + i * n * n, (T*)m.x + i * n * n);
}

template <class T> ARRAX_INLINE void lu_batch(const Batch& m) {
  const int64_t rows = m.spec[2], columns = m.spec[3], size = rows * columns;
  for (int64_t i = m.begin; i < m.end; i++) {
    T* out = (T*)m.x + i * size;
    std::memcpy((void*)out, (const void*)((const T*)m.a + i * size), size_t(size) * sizeof(T));
    lu(rows, columns, out, (int32_t*)m.y + i * least(rows, columns), (int32_t*)m.z + i * rows);
  }
}

template <class T> ARRAX_INLINE void solve_batch(const Batch& m) {
  const Solve s{m.spec[2], m.spec[3], m.spec[4] != 0, m.spec[5] != 0, m.spec[6] != 0, m.spec[7]};
  for (int64_t i = m.begin; i < m.end; i++)
    solve(s, (const T*)m.a + i * s.n * s.n, (const T*)m.b + i * s.n * s.k,
          (T*)m.x + i * s.n * s.k);
}

template <class T> ARRAX_INLINE void tridiagonal_batch(const Batch& m) {
  const int64_t n = m.spec[2], k = m.spec[3];
  for (int64_t i = m.begin; i < m.end; i++)
    tridiagonal(n, k, (const T*)m.a + i * n, (const T*)m.b + i * n, (const T*)m.c + i * n,
                (const T*)m.d + i * n * k, (T*)m.x + i * n * k);
}

template <class T> ARRAX_INLINE void qr_batch(const Batch& m) {
  const int64_t rows = m.spec[2], columns = m.spec[3], inner = m.spec[4] ? rows : least(rows, columns);
  for (int64_t i = m.begin; i < m.end; i++)
    qr(rows, columns, inner, (const T*)m.a + i * rows * columns, (T*)m.x + i * rows * inner,
       (T*)m.y + i * inner * columns);
}

#define FOR_EACH_DTYPE(name)                                                                    \
  ARRAX_VECTORIZE void name##_f32(const Batch& m) { name<float>(m); }                           \
  ARRAX_VECTORIZE void name##_f64(const Batch& m) { name<double>(m); }                          \
  ARRAX_VECTORIZE void name##_c64(const Batch& m) { name<std::complex<float>>(m); }             \
  ARRAX_VECTORIZE void name##_c128(const Batch& m) { name<std::complex<double>>(m); }           \
  void name(const Batch& m) {                                                                   \
    switch (m.spec[0]) {                                                                        \
      case kFloat32: return name##_f32(m);                                                      \
      case kFloat64: return name##_f64(m);                                                      \
      case kComplex64: return name##_c64(m);                                                    \
      case kComplex128: return name##_c128(m);                                                  \
    }                                                                                           \
  }
FOR_EACH_DTYPE(cholesky_batch)
FOR_EACH_DTYPE(lu_batch)
FOR_EACH_DTYPE(solve_batch)
FOR_EACH_DTYPE(tridiagonal_batch)
FOR_EACH_DTYPE(qr_batch)

// Calls body on ranges of spec[1] matrices; `work` is the operations that one takes.
template <class Body> void each(Batch batch, int64_t work, const Body& body) {
  parallel(batch.spec[1], most(1, 20000 / (work + 1)), [&](int64_t begin, int64_t end) {
    Batch part = batch;
    part.begin = begin, part.end = end;
    body(part);
  });
}

}  // namespace

// Lower factors of Hermitian positive definite matrices of at most 64 rows; only lower triangles
// are read. spec: dtype, matrices, n.
extern "C" void arrax_cholesky(const int64_t* spec, const void* a, void* l) {
  each({0, 0, spec, a, 0, 0, 0, l, 0, 0}, spec[2] * spec[2] * spec[2] / 3,
       [](const Batch& m) { cholesky_batch(m); });
}

// L and U in one matrix, the row each row was exchanged with, and the permutation of rows.
// spec: dtype, matrices, rows, columns.
extern "C" void arrax_lu(const int64_t* spec, const void* a, void* factors, void* pivots,
                         void* permutation) {
  each({0, 0, spec, a, 0, 0, 0, factors, pivots, permutation},
       spec[2] * spec[3] * least(spec[2], spec[3]), [](const Batch& m) { lu_batch(m); });
}

// op(a) x = b or x op(a) = b with triangular a.
// spec: dtype, matrices, n, k, left, lower, unit, op (0 none, 1 transpose, 2 adjoint, 3 conjugate).
extern "C" void arrax_triangular_solve(const int64_t* spec, const void* a, const void* b, void* x) {
  each({0, 0, spec, a, b, 0, 0, x, 0, 0}, spec[2] * spec[2] * spec[3],
       [](const Batch& m) { solve_batch(m); });
}

// Tridiagonal systems with k right-hand sides; NaN where singular. spec: dtype, systems, n, k.
extern "C" void arrax_tridiagonal_solve(const int64_t* spec, const void* dl, const void* d,
                                        const void* du, const void* b, void* x) {
  each({0, 0, spec, dl, d, du, b, x, 0, 0}, 8 * spec[2] * spec[3],
       [](const Batch& m) { tridiagonal_batch(m); });
}

// spec: dtype, matrices, rows, columns, whether q is square.
extern "C" void arrax_small_qr(const int64_t* spec, const void* a, void* q, void* r) {
  each({0, 0, spec, a, 0, 0, 0, q, r, 0}, 4 * spec[2] * spec[2] * spec[3],
       [](const Batch& m) { qr_batch(m); });
}

// Upper factors updated by vectors. spec: dtype (float32 or float64), matrices, n.
extern "C" void arrax_cholesky_update(const int64_t* spec, const void* r, const void* w,
                                      void* out) {
  const int64_t n = spec[2];
  parallel(spec[1], most(1, 20000 / (n * n + 1)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      if (spec[0] == kFloat32)
        update_factor(n, (const float*)r + i * n * n, (const float*)w + i * n,
                      (float*)out + i * n * n);
      else
        update_factor(n, (const double*)r + i * n * n, (const double*)w + i * n,
                      (double*)out + i * n * n);
    }
  });
}

// The permutations of `size` rows that exchanges make. spec: vectors, exchanges, size.
extern "C" void arrax_permutation(const int64_t* spec, const int32_t* pivots, int32_t* out) {
  for (int64_t v = 0; v < spec[0]; v++, pivots += spec[1], out += spec[2]) {
    for (int64_t i = 0; i < spec[2]; i++) out[i] = int32_t(i);
    for (int64_t i = 0; i < spec[1]; i++)
      if (pivots[i] >= 0 && pivots[i] < spec[2]) std::swap(out[i], out[pivots[i]]);
  }
}

ARRAX_SYMBOLS({"arrax_cholesky", library_function<arrax_cholesky>()},
              {"arrax_lu", library_function<arrax_lu>()},
              {"arrax_triangular_solve", library_function<arrax_triangular_solve>()},
              {"arrax_tridiagonal_solve", library_function<arrax_tridiagonal_solve>()},
              {"arrax_small_qr", library_function<arrax_small_qr>()},
              {"arrax_cholesky_update", library_function<arrax_cholesky_update>()},
              {"arrax_permutation", library_function<arrax_permutation>()});
