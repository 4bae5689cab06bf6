// Factorizations by LAPACK, whose functions SciPy has: `library/linear_algebra.py` puts their
// addresses into the table below before a program that needs them runs. LAPACK's matrices are
// column-major, ours row-major: they are transposed on the way in and out, which costs little beside
// the factorization and gives the results, signs included, that NumPy gives.
#include <cmath>
#include <complex>
#include <limits>

#include "library.h"

namespace {

enum Routine { kPotrf, kGetrf, kTrsm, kGeqrf, kOrgqr, kSyevd, kGesdd, kRoutines };

}  // namespace

// By routine, then float32, float64, complex64, complex128.
extern "C" { void* arrax_lapack[kRoutines * 4]; }

namespace {

template <class T> struct Kind;
template <> struct Kind<float> { typedef float Real; static constexpr int at = 0; };
template <> struct Kind<double> { typedef double Real; static constexpr int at = 1; };
template <> struct Kind<std::complex<float>> { typedef float Real; static constexpr int at = 2; };
template <> struct Kind<std::complex<double>> { typedef double Real; static constexpr int at = 3; };
template <class T> constexpr bool is_complex = Kind<T>::at >= 2;

template <class T, class... Arguments> void call(Routine routine, Arguments... arguments) {
  ((void (*)(Arguments...))arrax_lapack[routine * 4 + Kind<T>::at])(arguments...);
}

thread_local Scratch matrix_memory, work_memory;

template <class T> void transpose(int64_t rows, int64_t columns, const T* in, T* out) {
  constexpr int64_t tile = 16;
  for (int64_t i0 = 0; i0 < rows; i0 += tile)
    for (int64_t j0 = 0; j0 < columns; j0 += tile)
      for (int64_t i = i0; i < least(rows, i0 + tile); i++)
        for (int64_t j = j0; j < least(columns, j0 + tile); j++)
          out[j * rows + i] = in[i * columns + j];
}

template <class T> void fill_nan(T* x, int64_t count) {
  const auto nan = std::numeric_limits<typename Kind<T>::Real>::quiet_NaN();
  for (int64_t i = 0; i < count; i++) {
    if constexpr (is_complex<T>) x[i] = T(nan, nan);
    else x[i] = nan;
  }
}

template <class T> bool all_finite(const T* x, int64_t count) {
  const auto* parts = (const typename Kind<T>::Real*)x;
  typename Kind<T>::Real sum = 0;  // 0 * x is NaN for infinities and NaN
  for (int64_t i = 0; i < count * (is_complex<T> ? 2 : 1); i++) sum += parts[i] * 0;
  return sum == 0;
}

template <class T> int size_of(T x) { return int(std::real(x)); }

// Calls one(matrix) for each of `count` matrices, on several threads where they are small: LAPACK
// has threads of its own for large ones.
template <class Body> void each(int64_t count, int64_t size, const Body& one) {
  if (size > 128) {
    for (int64_t i = 0; i < count; i++) one(i);
    return;
  }
  parallel(count, most(1, 20000 / (size * size * size + 1)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) one(i);
  });
}

template <class T> void cholesky(const int64_t* spec, const T* a, T* l) {
  const int64_t n = spec[2];
  each(spec[1], n, [&](int64_t m) {
    // The lower triangle of rows is the upper one of columns, and so is the factor.
    T* out = l + m * n * n;
    std::memcpy((void*)out, (const void*)(a + m * n * n), size_t(n * n) * sizeof(T));
    int size = int(n), info = 0;
    char upper = 'U';
    call<T>(kPotrf, &upper, &size, out, &size, &info);
    if (info) fill_nan(out, n * n);
    for (int64_t i = 0; i < n; i++)
      for (int64_t j = i + 1; j < n; j++) out[i * n + j] = T(0);
  });
}

template <class T>
void lu(const int64_t* spec, const T* a, T* factors, int32_t* pivots, int32_t* order) {
  const int64_t rows = spec[2], columns = spec[3], rank = least(rows, columns);
  each(spec[1], most(rows, columns), [&](int64_t m) {
    T* turned = matrix_memory.get<T>(rows * columns);
    transpose(rows, columns, a + m * rows * columns, turned);
    int height = int(rows), width = int(columns), info = 0;
    int32_t *own = pivots + m * rank, *permutation = order + m * rows;
    call<T>(kGetrf, &height, &width, turned, &height, own, &info);
    transpose(columns, rows, turned, factors + m * rows * columns);
    for (int64_t i = 0; i < rows; i++) permutation[i] = int32_t(i);
    for (int64_t i = 0; i < rank; i++) std::swap(permutation[i], permutation[--own[i]]);
  });
}

template <class T> void solve(const int64_t* spec, const T* a, const T* b, T* x) {
  const int64_t n = spec[2], k = spec[3];
  const bool left = spec[4], lower = spec[5], unit = spec[6];
  each(spec[1], n, [&](int64_t m) {
    // As columns, everything is transposed: the other side, the other triangle, the same op.
    T* out = x + m * n * k;
    std::memcpy((void*)out, (const void*)(b + m * n * k), size_t(n * k) * sizeof(T));
    const T* triangle = a + m * n * n;
    char side = left ? 'R' : 'L', part = lower ? 'U' : 'L', diagonal = unit ? 'U' : 'N';
    char op = spec[7] == 1 ? 'T' : spec[7] == 2 ? 'C' : 'N';
    if (spec[7] == 3) {
      T* conjugated = matrix_memory.get<T>(n * n);
      for (int64_t i = 0; i < n * n; i++) {
        if constexpr (is_complex<T>) conjugated[i] = std::conj(triangle[i]);
      }
      triangle = conjugated;
    }
    int size = int(n), sides = int(k), height = left ? sides : size, width = left ? size : sides;
    T one = T(1);
    call<T>(kTrsm, &side, &part, &op, &diagonal, &height, &width, &one, (T*)triangle, &size, out,
            &height);
  });
}

// Householder reflections of a column-major matrix in place. Returns the optimal size of memory for
// work where `work` is null.
template <class T> int reflect(int rows, int columns, T* a, T* taus, T* work, int size) {
  int info = 0;
  T best;
  if (!work) size = -1;
  call<T>(kGeqrf, &rows, &columns, a, &rows, taus, work ? work : &best, &size, &info);
  return work ? 0 : size_of(best);
}

template <class T>
int multiply_out(int rows, int columns, int count, T* a, T* taus, T* work, int size) {
  int info = 0;
  T best;
  if (!work) size = -1;
  call<T>(kOrgqr, &rows, &columns, &count, a, &rows, taus, work ? work : &best, &size, &info);
  return work ? 0 : size_of(best);
}

template <class T> void qr(const int64_t* spec, const T* a, T* q, T* r) {
  const int64_t rows = spec[2], columns = spec[3], rank = least(rows, columns);
  const int64_t inner = spec[4] ? rows : rank;
  T none[1];
  const int size = int(most(most(columns, inner), most(
      reflect<T>(int(rows), int(columns), none, none, nullptr, 0),
      multiply_out<T>(int(rows), int(inner), int(rank), none, none, nullptr, 0))));
  each(spec[1], most(rows, columns), [&](int64_t m) {
    T* turned = matrix_memory.get<T>(rows * most(columns, inner) + rank);
    T* taus = turned + rows * most(columns, inner);
    T* work = work_memory.get<T>(size);
    transpose(rows, columns, a + m * rows * columns, turned);
    reflect(int(rows), int(columns), turned, taus, work, size);
    T* upper = r + m * inner * columns;
    for (int64_t i = 0; i < inner; i++)
      for (int64_t j = 0; j < columns; j++)
        upper[i * columns + j] = j < i ? T(0) : turned[j * rows + i];
    multiply_out(int(rows), int(inner), int(rank), turned, taus, work, size);
    transpose(inner, rows, turned, q + m * rows * inner);
  });
}

template <class T> void geqrf(const int64_t* spec, const T* a, T* factors, T* taus) {
  const int64_t rows = spec[2], columns = spec[3];
  T none[1];
  const int size = int(most(columns, reflect<T>(int(rows), int(columns), none, none, nullptr, 0)));
  each(spec[1], most(rows, columns), [&](int64_t m) {
    T* turned = matrix_memory.get<T>(rows * columns);
    transpose(rows, columns, a + m * rows * columns, turned);
    reflect(int(rows), int(columns), turned, taus + m * least(rows, columns),
            work_memory.get<T>(size), size);
    transpose(columns, rows, turned, factors + m * rows * columns);
  });
}

template <class T> void product(const int64_t* spec, const T* a, const T* taus, T* out) {
  const int64_t rows = spec[2], columns = spec[3], count = spec[4];
  T none[1];
  const int size = int(most(columns, multiply_out<T>(int(rows), int(columns), int(count), none,
                                                     none, nullptr, 0)));
  each(spec[1], rows, [&](int64_t m) {
    T* turned = matrix_memory.get<T>(rows * columns);
    transpose(rows, columns, a + m * rows * columns, turned);
    multiply_out(int(rows), int(columns), int(count), turned, (T*)taus + m * count,
                 work_memory.get<T>(size), size);
    transpose(columns, rows, turned, out + m * rows * columns);
  });
}

// Eigenvalues and vectors of a column-major Hermitian matrix in place. Queries sizes without `a`.
template <class T>
int eigen(int n, char part, T* a, typename Kind<T>::Real* w, T* work, int size,
          typename Kind<T>::Real* real, int real_size, int* whole, int whole_size) {
  int info = 0;
  char vectors = 'V';
  if constexpr (is_complex<T>)
    call<T>(kSyevd, &vectors, &part, &n, a, &n, w, work, &size, real, &real_size, whole,
            &whole_size, &info);
  else
    call<T>(kSyevd, &vectors, &part, &n, a, &n, w, work, &size, whole, &whole_size, &info);
  return info;
}

template <class T>
void eigh(const int64_t* spec, const T* a, T* vectors, typename Kind<T>::Real* values) {
  typedef typename Kind<T>::Real Real;
  const int64_t n = spec[2];
  const char part = spec[3] ? 'L' : 'U';
  T best, none[1];
  Real best_real = 0, no_real[1];
  int best_whole = 0;
  eigen<T>(int(n), part, none, no_real, &best, -1, &best_real, -1, &best_whole, -1);
  const int size = size_of(best), reals = is_complex<T> ? int(best_real) : 0, whole = best_whole;
  each(spec[1], n, [&](int64_t m) {
    const T* in = a + m * n * n;
    T* turned = matrix_memory.get<T>(n * n);
    transpose(n, n, in, turned);
    char* memory = work_memory.get<char>(size * int64_t(sizeof(T)) + reals * int64_t(sizeof(Real)) +
                                         whole * int64_t(sizeof(int)));
    Real* real = (Real*)(memory + size_t(size) * sizeof(T));
    Real* w = values + m * n;
    const bool bad = !all_finite(in, n * n) ||
                     eigen(int(n), part, turned, w, (T*)memory, size, real, reals,
                           (int*)(real + reals), whole);
    if (bad) fill_nan(turned, n * n), fill_nan(w, n);
    transpose(n, n, turned, vectors + m * n * n);
  });
}

// Singular values of a column-major matrix.
template <class T>
int singular(char job, int rows, int columns, int inner_u, int inner_v, T* a,
             typename Kind<T>::Real* s, T* u, T* vh, T* work, int size,
             typename Kind<T>::Real* real, int* whole) {
  int info = 0;
  if constexpr (is_complex<T>)
    call<T>(kGesdd, &job, &rows, &columns, a, &rows, s, u, &inner_u, vh, &inner_v, work, &size,
            real, whole, &info);
  else
    call<T>(kGesdd, &job, &rows, &columns, a, &rows, s, u, &inner_u, vh, &inner_v, work, &size,
            whole, &info);
  return info;
}

template <class T>
void svd(const int64_t* spec, const T* a, typename Kind<T>::Real* values, T* u, T* vh) {
  typedef typename Kind<T>::Real Real;
  const int64_t rows = spec[2], columns = spec[3], rank = least(rows, columns);
  const char job = !u ? 'N' : spec[4] ? 'A' : 'S';
  const int64_t width = u ? (spec[4] ? rows : rank) : 1, height = u ? (spec[4] ? columns : rank) : 1;
  T best, none[1];
  Real no_real[1];
  int no_whole[1];
  singular<T>(job, int(rows), int(columns), int(rows), int(height), none, no_real, none, none,
              &best, -1, no_real, no_whole);
  const int64_t size = size_of(best), whole = 8 * rank;
  const int64_t larger = most(rows, columns);  // bounds of LAPACK's documentation of cgesdd
  const int64_t reals = !is_complex<T> ? 0
      : most(7 * rank, rank * most(5 * rank + 7, 2 * larger + 2 * rank + 1));
  each(spec[1], larger, [&](int64_t m) {
    const T* in = a + m * rows * columns;
    T* turned = matrix_memory.get<T>(rows * columns + rows * width + height * columns);
    T *own_u = turned + rows * columns, *own_vh = own_u + rows * width;
    transpose(rows, columns, in, turned);
    char* memory = work_memory.get<char>(size * int64_t(sizeof(T)) + reals * int64_t(sizeof(Real)) +
                                         whole * int64_t(sizeof(int)));
    Real* real = (Real*)(memory + size_t(size) * sizeof(T));
    const bool bad = !all_finite(in, rows * columns) ||
                     singular(job, int(rows), int(columns), int(rows), int(height), turned,
                              values + m * rank, own_u, own_vh, (T*)memory, int(size), real,
                              (int*)(real + reals));
    if (bad) {
      fill_nan(values + m * rank, rank);
      if (u) fill_nan(own_u, rows * width + height * columns);
    }
    if (!u) return;
    transpose(width, rows, own_u, u + m * rows * width);
    transpose(columns, height, own_vh, vh + m * height * columns);
  });
}

}  // namespace

#define BY_DTYPE(function, ...)                                                                 \
  switch (spec[0]) {                                                                            \
    case kFloat32: { typedef float T; typedef float R; (void)sizeof(R); return function<T>(__VA_ARGS__); }     \
    case kFloat64: { typedef double T; typedef double R; (void)sizeof(R); return function<T>(__VA_ARGS__); }   \
    case kComplex64: { typedef std::complex<float> T; typedef float R; (void)sizeof(R); return function<T>(__VA_ARGS__); }     \
    case kComplex128: { typedef std::complex<double> T; typedef double R; (void)sizeof(R); return function<T>(__VA_ARGS__); }  \
  }

// The specs begin with: dtype, matrices, rows, columns (or n).
extern "C" {

void arrax_lapack_cholesky(const int64_t* spec, const void* a, void* l) {
  BY_DTYPE(cholesky, spec, (const T*)a, (T*)l)
}
void arrax_lapack_lu(const int64_t* spec, const void* a, void* factors, void* pivots,
                     void* permutation) {
  BY_DTYPE(lu, spec, (const T*)a, (T*)factors, (int32_t*)pivots, (int32_t*)permutation)
}
// As arrax_triangular_solve.
void arrax_lapack_solve(const int64_t* spec, const void* a, const void* b, void* x) {
  BY_DTYPE(solve, spec, (const T*)a, (const T*)b, (T*)x)
}
// spec: …, whether q is square.
void arrax_qr(const int64_t* spec, const void* a, void* q, void* r) {
  BY_DTYPE(qr, spec, (const T*)a, (T*)q, (T*)r)
}
void arrax_geqrf(const int64_t* spec, const void* a, void* factors, void* taus) {
  BY_DTYPE(geqrf, spec, (const T*)a, (T*)factors, (T*)taus)
}
// spec: …, reflections.
void arrax_householder_product(const int64_t* spec, const void* a, const void* taus, void* out) {
  BY_DTYPE(product, spec, (const T*)a, (const T*)taus, (T*)out)
}
// spec: dtype, matrices, n, whether the lower triangle is read.
void arrax_eigh(const int64_t* spec, const void* a, void* vectors, void* values) {
  BY_DTYPE(eigh, spec, (const T*)a, (T*)vectors, (R*)values)
}
// spec: …, whether u and vh are square.
void arrax_svd(const int64_t* spec, const void* a, void* values, void* u, void* vh) {
  BY_DTYPE(svd, spec, (const T*)a, (R*)values, (T*)u, (T*)vh)
}
void arrax_singular_values(const int64_t* spec, const void* a, void* values) {
  BY_DTYPE(svd, spec, (const T*)a, (R*)values, (T*)nullptr, (T*)nullptr)
}

}

ARRAX_SYMBOLS({"arrax_lapack", (void*)arrax_lapack},
              {"arrax_lapack_cholesky", library_function<arrax_lapack_cholesky, kDeepStack>()},
              {"arrax_lapack_lu", library_function<arrax_lapack_lu, kDeepStack>()},
              {"arrax_lapack_solve", library_function<arrax_lapack_solve, kDeepStack>()},
              {"arrax_qr", library_function<arrax_qr, kDeepStack>()},
              {"arrax_geqrf", library_function<arrax_geqrf, kDeepStack>()},
              {"arrax_householder_product", library_function<arrax_householder_product, kDeepStack>()},
              {"arrax_eigh", library_function<arrax_eigh, kDeepStack>()},
              {"arrax_svd", library_function<arrax_svd, kDeepStack>()},
              {"arrax_singular_values", library_function<arrax_singular_values, kDeepStack>()});
