// Matrix products: kernels for the machine's instruction set, and the entry for compiled programs.
#include "gemm.h"

#include <type_traits>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define ARRAX_X86 1
#include <immintrin.h>
#endif

#ifdef ARRAX_X86
#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,fma")
namespace avx512 {
#define VECTOR_BYTES 64
#define FMA_F32(a, b, c) _mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c)
#define FMA_F64(a, b, c) _mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c)
#include "gemm_kernel.h"
#undef VECTOR_BYTES
#undef FMA_F32
#undef FMA_F64
}  // namespace avx512
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,fma")
namespace avx512_bf16 {
#define VECTOR_BYTES 64
#define FMA_F32(a, b, c) _mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c)
#define FMA_F64(a, b, c) _mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c)
#define DOT_BFLOAT16(sum, a, b) _mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b)
#include "gemm_kernel.h"
#undef VECTOR_BYTES
#undef FMA_F32
#undef FMA_F64
#undef DOT_BFLOAT16
}  // namespace avx512_bf16
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
#define VECTOR_BYTES 32
#define FMA_F32(a, b, c) _mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c)
#define FMA_F64(a, b, c) _mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c)
#include "gemm_kernel.h"
#undef VECTOR_BYTES
#undef FMA_F32
#undef FMA_F64
}  // namespace avx2
#pragma GCC pop_options
#endif

namespace generic {
#define VECTOR_BYTES 16
#define FMA_F32(a, b, c) ((a) * (b) + (c))
#define FMA_F64(a, b, c) ((a) * (b) + (c))
#include "gemm_kernel.h"
#undef VECTOR_BYTES
#undef FMA_F32
#undef FMA_F64
}  // namespace generic

namespace {

#ifdef ARRAX_X86
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
}
#endif

template <class T> TileKernel<T, T> choose_tiles() {
#ifdef ARRAX_X86
  if (has_avx512())
    return {avx512::tile_kernel<T, 14>, avx512::tile_kernel<T, 8>, avx512::tile_kernel<T, 4>,
            14, 8, 4, 128 / int(sizeof(T)), avx512::row_kernel<T, 8, 1>,
            avx512::row_kernel<T, 8, 2>, 8};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return {avx2::tile_kernel<T, 6>, avx2::tile_kernel<T, 4>, avx2::tile_kernel<T, 2>,
            6, 4, 2, 64 / int(sizeof(T)), avx2::row_kernel<T, 6, 1>, avx2::row_kernel<T, 6, 2>,
            6};
#endif
  return {generic::tile_kernel<T, 6>, generic::tile_kernel<T, 4>, generic::tile_kernel<T, 2>,
          6, 4, 2, 32 / int(sizeof(T)), generic::row_kernel<T, 4, 1>,
          generic::row_kernel<T, 4, 2>, 4};
}

TileKernel<uint32_t, float> choose_bfloat16_tiles() {
#ifdef ARRAX_X86
  if (has_avx512() && __builtin_cpu_supports("avx512bf16"))
    return {avx512_bf16::pair_kernel<14>, avx512_bf16::pair_kernel<8>,
            avx512_bf16::pair_kernel<4>, 14, 8, 4, 32, nullptr, nullptr, 1};
#endif
  return {nullptr, nullptr, nullptr, 1, 1, 1, 1, nullptr, nullptr, 1};
}

// One call of arrax_gemm: the fields of its spec.
struct Spec {
  int64_t in, out, m, n, k;
  int64_t a_row, a_column, b_row, b_column, c_row, c_column;
  int64_t batch[3], a_batch[3], b_batch[3], c_batch[3];  // up to three batch axes
  int64_t add;
};

template <class In, class Sum, class Out>
void multiply(const Spec& s, const In* a, const In* b, Out* c, const TileKernel<Sum, Sum>& tiles) {
  Strided<In> left{a, s.a_column, s.a_row}, right{b, s.b_row, s.b_column};
  Gemm<Sum, Sum, Strided<In>, Strided<In>, Out>(tiles, s.m, s.n, s.k, left, right,
                                                {c, s.c_row, s.c_column, s.add != 0}).run();
}

template <class Out>
void multiply_bfloat16(const Spec& s, const Bfloat16* a, const Bfloat16* b, Out* c) {
  if (!bfloat16_tiles().tall) return multiply<Bfloat16, float, Out>(s, a, b, c, float32_tiles());
  Strided<Bfloat16> left{a, s.a_column, s.a_row}, right{b, s.b_row, s.b_column};
  Gemm<uint32_t, float, Strided<Bfloat16>, Strided<Bfloat16>, Out>(
      bfloat16_tiles(), s.m, s.n, s.k, left, right, {c, s.c_row, s.c_column, s.add != 0}).run();
}

// Complex: four real products over the parts, which lie two elements apart.
template <class T> void multiply_complex(const Spec& s, const T* a, const T* b, T* c) {
  const auto& tiles = []() -> const TileKernel<T, T>& {
    if constexpr (std::is_same<T, float>::value) return float32_tiles();
    else return float64_tiles();
  }();
  Scratch minus;
  T* product = minus.get<T>(s.m * s.n);
  Spec part = s;
  part.a_row *= 2, part.a_column *= 2, part.b_row *= 2, part.b_column *= 2;
  Spec full = part;
  part.c_row *= 2, part.c_column *= 2;
  full.c_row = s.n, full.c_column = 1, full.add = 0;
  multiply<T, T, T>(part, a, b, c, tiles);
  multiply<T, T, T>(full, a + 1, b + 1, product, tiles);
  for (int64_t i = 0; i < s.m; i++)
    for (int64_t j = 0; j < s.n; j++) c[i * part.c_row + j * part.c_column] -= product[i * s.n + j];
  multiply<T, T, T>(part, a, b + 1, c + 1, tiles);
  part.add = 1;
  multiply<T, T, T>(part, a + 1, b, c + 1, tiles);
}

// Dot products of up to four rows with one vector: what is read of the vector serves all rows, and
// memory is read at four places.
#define ARRAX_ROW_PRODUCTS(T, lanes)                                                             \
  ARRAX_VECTORIZE void row_products(const T* __restrict a, int64_t stride, int64_t rows,          \
                                    const T* __restrict b, int64_t count, T* __restrict sums) {   \
    const T *r0 = a, *r1 = a + (rows > 1 ? stride : 0), *r2 = a + (rows > 2 ? 2 * stride : 0),    \
            *r3 = a + (rows > 3 ? 3 * stride : 0);                                                \
    T s0[lanes] = {}, s1[lanes] = {}, s2[lanes] = {}, s3[lanes] = {};                             \
    int64_t p = 0;                                                                                \
    for (; p + lanes <= count; p += lanes)                                                        \
      for (int64_t q = 0; q < lanes; q++) {                                                       \
        s0[q] += r0[p + q] * b[p + q];                                                            \
        s1[q] += r1[p + q] * b[p + q];                                                            \
        s2[q] += r2[p + q] * b[p + q];                                                            \
        s3[q] += r3[p + q] * b[p + q];                                                            \
      }                                                                                           \
    T t0 = 0, t1 = 0, t2 = 0, t3 = 0;                                                             \
    for (int64_t q = 0; q < lanes; q++) t0 += s0[q], t1 += s1[q], t2 += s2[q], t3 += s3[q];       \
    for (; p < count; p++)                                                                        \
      t0 += r0[p] * b[p], t1 += r1[p] * b[p], t2 += r2[p] * b[p], t3 += r3[p] * b[p];             \
    sums[0] = t0, sums[1] = t1, sums[2] = t2, sums[3] = t3;                                       \
  }
ARRAX_ROW_PRODUCTS(float, 32)
ARRAX_ROW_PRODUCTS(double, 16)

constexpr int64_t kVectorBlock = 1 << 13;  // elements of a row whose products make one block

// A product with one column: rows times a vector. Memory-bound.
template <class T> void multiply_vector(const Spec& s, const T* a, const T* b, T* c) {
  parallel(s.m, most(4, (1 << 16) / most(s.k, 1)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += 4) {
      const int64_t rows = least(4, end - i);
      T high[4] = {}, low[4] = {};
      for (int64_t p = 0; p < s.k; p += kVectorBlock) {
        T sums[4];
        row_products(a + i * s.a_row + p, s.a_row, rows, b + p, least(kVectorBlock, s.k - p), sums);
        for (int64_t q = 0; q < rows; q++) add_with_error(sums[q], high[q], low[q]);
      }
      for (int64_t q = 0; q < rows; q++) {
        T* place = c + (i + q) * s.c_row;
        const T sum = with_error(high[q], low[q]);
        *place = s.add ? *place + sum : sum;
      }
    }
  });
}

// Products of rows of consecutive elements with a vector; false for any other product.
template <class T> bool by_vector(const Spec& s, const T* a, const T* b, T* c) {
  if (s.n == 1 && s.a_column == 1 && s.b_row == 1) return multiply_vector<T>(s, a, b, c), true;
  if (s.m != 1 || s.b_row != 1 || s.a_column != 1) return false;
  Spec t = s;
  t.m = s.n, t.n = 1, t.a_row = s.b_column, t.c_row = s.c_column;
  return multiply_vector<T>(t, b, a, c), true;
}

void multiply_one(const Spec& s, const void* a, const void* b, void* c) {
  switch (s.in) {
    case kFloat32:
      if (by_vector<float>(s, (const float*)a, (const float*)b, (float*)c)) return;
      return multiply<float, float, float>(s, (const float*)a, (const float*)b, (float*)c,
                                           float32_tiles());
    case kFloat64:
      if (by_vector<double>(s, (const double*)a, (const double*)b, (double*)c)) return;
      return multiply<double, double, double>(s, (const double*)a, (const double*)b, (double*)c,
                                              float64_tiles());
    case kInt32: case kUint32:
      return multiply<int32_t, int32_t, int32_t>(s, (const int32_t*)a, (const int32_t*)b,
                                                 (int32_t*)c, int32_tiles());
    case kBfloat16:
      if (s.out == kFloat32)
        return multiply_bfloat16(s, (const Bfloat16*)a, (const Bfloat16*)b, (float*)c);
      return multiply_bfloat16(s, (const Bfloat16*)a, (const Bfloat16*)b, (Bfloat16*)c);
    case kFloat16:
      if (s.out == kFloat32)
        return multiply<Float16, float, float>(s, (const Float16*)a, (const Float16*)b, (float*)c,
                                               float32_tiles());
      return multiply<Float16, float, Float16>(s, (const Float16*)a, (const Float16*)b,
                                               (Float16*)c, float32_tiles());
    case kComplex64: return multiply_complex<float>(s, (const float*)a, (const float*)b, (float*)c);
    case kComplex128:
      return multiply_complex<double>(s, (const double*)a, (const double*)b, (double*)c);
  }
}

int64_t item_size(int64_t dtype) {
  static const int64_t sizes[] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};
  return sizes[dtype];
}

}  // namespace

const TileKernel<float, float>& float32_tiles() {
  static const auto tiles = choose_tiles<float>();
  return tiles;
}
const TileKernel<double, double>& float64_tiles() {
  static const auto tiles = choose_tiles<double>();
  return tiles;
}
const TileKernel<int32_t, int32_t>& int32_tiles() {
  static const auto tiles = choose_tiles<int32_t>();
  return tiles;
}
const TileKernel<uint32_t, float>& bfloat16_tiles() {
  static const auto tiles = choose_bfloat16_tiles();
  return tiles;
}

GemmScratch& gemm_scratch() {
  static thread_local GemmScratch scratch;
  return scratch;
}

// C[b] (+)= A[b] B[b] for every b of a batch. Strides count elements. Small products of a batch
// run in parallel, large ones one after the other, each in parallel.
extern "C" void arrax_gemm(const int64_t* fields, const void* a, const void* b, void* c) {
  Spec spec;
  std::memcpy(&spec, fields, sizeof(spec));
  const int64_t in = item_size(spec.in), out = item_size(spec.out);
  const int64_t batch = spec.batch[0] * spec.batch[1] * spec.batch[2];
  auto offset = [&](const int64_t* strides, int64_t i) {
    return i % spec.batch[2] * strides[2] + i / spec.batch[2] % spec.batch[1] * strides[1] +
           i / (spec.batch[2] * spec.batch[1]) * strides[0];
  };
  auto one = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
      multiply_one(spec, (const char*)a + offset(spec.a_batch, i) * in,
                   (const char*)b + offset(spec.b_batch, i) * in,
                   (char*)c + offset(spec.c_batch, i) * out);
  };
  const double work = double(spec.m) * double(spec.n) * double(spec.k);
  if (batch > 1 && (work < 3e7 || batch >= 4 * arrax_num_threads()))
    parallel(batch, most(1, int64_t(1e6 / (work + 1))), one);
  else
    one(0, batch);
}

ARRAX_SYMBOLS({"arrax_gemm", library_function<arrax_gemm>()});
