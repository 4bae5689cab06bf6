// Sines and cosines of single precision, computed in double and rounded once, and functions of one
// double that eager calls apply to every element.
//
// NumPy's loops for float32 err by up to 1.5 ulp, and its loops for float64 are scalar.
#include <cmath>
#include <cstring>

#include "library.h"

namespace {

// Three parts of pi; products of the first two with numbers of 22 bits are exact.
constexpr double kPi1 = 0x1.921fb54p+1, kPi2 = 0x1.10b4611p-29, kPi3 = 0x1.4c4c6628b80dcp-58;
constexpr double kMagic = 0x1.8p52;  // adding it leaves the nearest integer in the low bits
constexpr double kLargest = 0x1p22;  // of |x| for which the number of half turns has 22 bits

// (sin(r) - r) / r^3 in r^2 for |r| <= pi/2, lowest power first.
constexpr double kSine[] = {-0.16666666663591634, 0.008333332722332241, -0.00019841075395087603,
                             2.7535627696512617e-06, -2.406103324533765e-08};

// (-1)^n sin(x - n pi); for the cosine n lies between integers. Whether all are small enough.
ARRAX_VECTORIZE bool half_turns(const float* __restrict x, float* __restrict out, int64_t count,
                                double shift) {
  bool fine = true;
  for (int64_t i = 0; i < count; i++) {
    const double v = x[i];
    const double shifted = (v * (1 / 3.14159265358979323846) + shift) + kMagic;
    const double n = (shifted - kMagic) - shift;
    const double r = ((v - n * kPi1) - n * kPi2) - n * kPi3;
    const double z = r * r;
    double tail = kSine[4];
    for (int k = 3; k >= 0; k--) tail = tail * z + kSine[k];
    double value = r * (1 + z * tail);
    uint64_t parity, bits;
    std::memcpy(&parity, &shifted, 8);
    std::memcpy(&bits, &value, 8);
    bits ^= parity << 63;
    std::memcpy(&value, &bits, 8);
    out[i] = float(value);
    fine &= std::fabs(v) < kLargest;
  }
  return fine;
}

double error_function(double x) { return std::erf(x); }
double error_complement(double x) { return std::erfc(x); }

}  // namespace

// The sine, or the cosine, of every element. spec: count, whether the cosine.
extern "C" void arrax_circular(const int64_t* spec, const float* x, float* out) {
  const bool cosine = spec[1];
  parallel(spec[0], 1 << 14, [&](int64_t begin, int64_t end) {
    for (int64_t start = begin; start < end; start += 256) {
      const int64_t size = least(256, end - start);
      if (half_turns(x + start, out + start, size, cosine ? 0.5 : 0)) continue;
      for (int64_t i = start; i < start + size; i++)
        out[i] = float(cosine ? std::cos(double(x[i])) : std::sin(double(x[i])));
    }
  });
}

// A function of one double, of every element. spec: count, address of the function.
extern "C" void arrax_each(const int64_t* spec, const double* x, double* out) {
  const auto function = reinterpret_cast<double (*)(double)>(spec[1]);
  parallel(spec[0], 1 << 10, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) out[i] = function(x[i]);
  });
}

ARRAX_SYMBOLS({"arrax_circular", library_function<arrax_circular>()},
              {"arrax_each", library_function<arrax_each>()},
              {"arrax_erf", (void*)error_function}, {"arrax_erfc", (void*)error_complement});
