// The inner kernels of matrix multiplication for one instruction set. Included several times by
// gemm.cpp, each time inside a namespace and under a target pragma, with
//   VECTOR_BYTES    the width of a vector register
//   FMA_F32, FMA_F64 the fused multiply-add

template <class T>
struct Simd {
  typedef T Vector __attribute__((vector_size(VECTOR_BYTES), aligned(alignof(T)), may_alias));
  static constexpr int lanes = VECTOR_BYTES / sizeof(T);
};

inline Simd<float>::Vector multiply_add(Simd<float>::Vector a, Simd<float>::Vector b,
                                        Simd<float>::Vector c) {
  return (Simd<float>::Vector)FMA_F32(a, b, c);
}
inline Simd<double>::Vector multiply_add(Simd<double>::Vector a, Simd<double>::Vector b,
                                         Simd<double>::Vector c) {
  return (Simd<double>::Vector)FMA_F64(a, b, c);
}
inline Simd<int32_t>::Vector multiply_add(Simd<int32_t>::Vector a, Simd<int32_t>::Vector b,
                                          Simd<int32_t>::Vector c) {
  return a * b + c;
}

// tile[rows][2 * lanes] = sum over p of a[p * rows + i] * b[p * b_stride + j], added to
// what C holds when `add`. Writes rows of C directly, `c_stride` elements apart.
template <class T, int rows>
void tile_kernel(int64_t depth, const T* a, const T* b, int64_t b_stride, T* c, int64_t c_stride,
                 bool add) {
  typedef typename Simd<T>::Vector Vector;
  constexpr int lanes = Simd<T>::lanes;
  Vector sum[rows][2];
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++) sum[i][0] = sum[i][1] = Vector{};
  for (int64_t p = 0; p < depth; p++) {
    Vector b0 = *(const Vector*)b, b1 = *(const Vector*)(b + lanes);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      Vector broadcast = a[i] - Vector{};  // GCC's way to say it
      sum[i][0] = multiply_add(broadcast, b0, sum[i][0]);
      sum[i][1] = multiply_add(broadcast, b1, sum[i][1]);
    }
    a += rows;
    b += b_stride;
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++) {
    Vector* row = (Vector*)(c + i * c_stride);
    Vector* second = (Vector*)(c + i * c_stride + lanes);
    *row = add ? *row + sum[i][0] : sum[i][0];
    *second = add ? *second + sum[i][1] : sum[i][1];
  }
}

// The same for few columns (`vectors` vectors of them), and rows of A where they are in memory: what
// packing A would cost, so few columns do not bring in. `a` has a pointer to each row.
template <class T, int rows, int vectors>
void row_kernel(int64_t depth, const T* const* a, const T* b, int64_t b_stride, T* c,
                int64_t c_stride, bool add) {
  typedef typename Simd<T>::Vector Vector;
  constexpr int lanes = Simd<T>::lanes;
  Vector sum[rows][vectors];
  const T* at[rows];
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++) {
    at[i] = a[i];
    for (int v = 0; v < vectors; v++) sum[i][v] = Vector{};
  }
  for (int64_t p = 0; p < depth; p++) {
    Vector row[vectors];
    for (int v = 0; v < vectors; v++) row[v] = *(const Vector*)(b + v * lanes);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      Vector broadcast = at[i][p] - Vector{};
      for (int v = 0; v < vectors; v++)
        sum[i][v] = multiply_add(broadcast, row[v], sum[i][v]);
    }
    b += b_stride;
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
    for (int v = 0; v < vectors; v++) {
      Vector* place = (Vector*)(c + i * c_stride + v * lanes);
      *place = add ? *place + sum[i][v] : sum[i][v];
    }
}

#ifdef DOT_BFLOAT16
// The same for pairs of bfloat16 along the depth, summed in float32.
template <int rows>
void pair_kernel(int64_t depth, const uint32_t* a, const uint32_t* b, int64_t b_stride, float* c,
                 int64_t c_stride, bool add) {
  typedef Simd<float>::Vector Vector;
  typedef Simd<uint32_t>::Vector Pairs;
  constexpr int lanes = Simd<float>::lanes;
  Vector sum[rows][2];
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++) sum[i][0] = sum[i][1] = Vector{};
  for (int64_t p = 0; p < depth; p++) {
    Pairs b0 = *(const Pairs*)b, b1 = *(const Pairs*)(b + lanes);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      Pairs broadcast = a[i] - Pairs{};
      sum[i][0] = (Vector)DOT_BFLOAT16(sum[i][0], broadcast, b0);
      sum[i][1] = (Vector)DOT_BFLOAT16(sum[i][1], broadcast, b1);
    }
    a += rows;
    b += b_stride;
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++) {
    Vector* row = (Vector*)(c + i * c_stride);
    Vector* second = (Vector*)(c + i * c_stride + lanes);
    *row = add ? *row + sum[i][0] : sum[i][0];
    *second = add ? *second + sum[i][1] : sum[i][1];
  }
}
#endif
