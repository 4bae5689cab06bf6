// The inverse error function in single precision, which NumPy and SciPy do not have.
#include <cmath>

#include "library.h"

namespace {

// Mike Giles, "Approximating the erfinv function" (GPU Computing Gems, 2011), single precision.
constexpr float kCentral[] = {2.81022636e-08f, 3.43273939e-07f, -3.5233877e-06f, -4.39150654e-06f,
                              0.00021858087f, -0.00125372503f, -0.00417768164f, 0.246640727f,
                              1.50140941f};
constexpr float kTail[] = {-0.000200214257f, 0.000100950558f, 0.00134934322f, -0.00367342844f,
                           0.00573950773f, -0.0076224613f, 0.00943887047f, 1.00167406f,
                           2.83297682f};

ARRAX_VECTORIZE void erf_inv_range(const float* __restrict w, const float* __restrict x,
                                   float* __restrict out, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    const bool central = w[i] < 5.0f;
    const float shifted = central ? w[i] - 2.5f : std::sqrt(w[i]) - 3.0f;
    float p = central ? kCentral[0] : kTail[0];
    for (int k = 1; k < 9; k++)  // products of floats are exact in double: rounded once, like FMA
      p = float(double(p) * double(shifted) + double(central ? kCentral[k] : kTail[k]));
    out[i] = std::fabs(x[i]) == 1.0f ? x[i] * INFINITY : p * x[i];
  }
}

}  // namespace

// The inverse error function of x, given w = -log1p(-x²). spec: count.
extern "C" void arrax_erf_inv(const int64_t* spec, const float* w, const float* x, float* out) {
  parallel(spec[0], 1 << 14, [&](int64_t begin, int64_t end) {
    erf_inv_range(w + begin, x + begin, out + begin, end - begin);
  });
}

ARRAX_SYMBOLS({"arrax_erf_inv", library_function<arrax_erf_inv>()});
