// Special functions of one element, in double precision, that compiled loops call lane by lane.
//
// Sources: DLMF (dlmf.nist.gov), sections named below; S. Moshier's Cephes for the Hurwitz zeta
// function; Boost.Math (J. Maddock) for the rational approximation of digamma between 1 and 2;
// N. Temme, "The asymptotic expansion of the incomplete gamma functions" (SIAM J. Math. Anal. 10,
// 1979); C. Loader, "Fast and accurate computation of binomial probabilities" (2000) for densities
// without cancellation.
#include <cmath>
#include <limits>
#include <array>

#include "library.h"

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kPi = 3.14159265358979323846;
constexpr double kEpsilon = 1.1e-16;
constexpr double kTiny = 1e-300;

double log_gamma(double x) {
  int sign;  // std::lgamma would write it to a global
  return std::isinf(x) ? kInfinity : lgamma_r(x, &sign);
}

// log(1 + t) - t, also for small t: with s = t / (2 + t), log(1 + t) = 2 atanh(s).
double log1p_less(double t) {
  if (std::fabs(t) > 0.5) return std::log1p(t) - t;
  const double s = t / (2 + t), z = s * s;
  double sum = 0;
  for (int k = 37; k >= 3; k -= 2) sum = sum * z + 1.0 / k;
  return s * (2 * z * sum - t);
}

// log Γ(z) - ((z - 1/2) log z - z + log(2π) / 2) for z >= 10 (DLMF 5.11.1).
double stirling_rest(double z) {
  const double r = 1 / z, w = r * r;
  return r * (1.0 / 12 - w * (1.0 / 360 - w * (1.0 / 1260 - w * (1.0 / 1680 - w * (1.0 / 1188 -
         w * (691.0 / 360360 - w / 156))))));
}

// ---- digamma, zeta -----------------------------------------------------------------------------

double digamma_positive(double x) {
  if (x >= 10) {  // DLMF 5.11.2
    const double r = 1 / x, z = r * r;
    return std::log(x) - 0.5 * r - z * (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 -
           z * (1.0 / 132 - z * (691.0 / 32760 - z / 12))))));
  }
  double shift = 0;
  while (x > 2) x -= 1, shift += 1 / x;
  while (x < 1) shift -= 1 / x, x += 1;
  // Boost: (x - root) (Y + P(x - 1) / Q(x - 1)), the root in three parts.
  const double g = x - 1569415565.0 / 1073741824 - 381566830.0 / 1073741824 / 1073741824 -
                   0.9016312093258695918615325266959189453125e-19;
  const double t = x - 1;
  const double p = 0.25479851061131551 + t * (-0.32555031186804491 + t * (-0.65031853770896507 +
      t * (-0.28919126444774784 + t * (-0.045251321448739056 + t * -0.0020713321167745952))));
  const double q = 1 + t * (2.0767117023730469 + t * (1.4606242909763515 + t * (0.43593529692665969 +
      t * (0.054151797245674225 + t * (0.0021284987017821144 + t * -0.55789841321675513e-6)))));
  return g * 0.99558162689208984 + g * (p / q) + shift;
}

double digamma(double x) {
  if (x > 0 || x != x) return digamma_positive(x);
  const double r = x - std::nearbyint(x);
  if (r == 0 || std::isinf(x)) return kNaN;
  return digamma_positive(1 - x) - kPi / std::tan(kPi * r);
}

// Σ (q + n)^-s by Euler and Maclaurin (Cephes, zeta.c).
double hurwitz_sum(double s, double q) {
  static const double bernoulli[] = {
      12.0, -720.0, 30240.0, -1209600.0, 47900160.0, -1.8924375803183791606e9, 7.47242496e10,
      -2.950130727918164224e12, 1.1646782814350067249e14, -4.5979787224074726105e15,
      1.8152105401943546773e17, -7.1661652561756670113e18};
  if (q > 1e8) return (1 / (s - 1) + 1 / (2 * q)) * std::pow(q, 1 - s);
  double sum = std::pow(q, -s), a = q, b = 0;
  for (int i = 0; i < 9 || a <= 9; i++) {
    a += 1;
    b = std::pow(a, -s);
    sum += b;
    if (std::fabs(b / sum) < kEpsilon) return sum;
  }
  sum += b * a / (s - 1) - 0.5 * b;
  double factor = 1, k = 0;
  for (double each : bernoulli) {
    factor *= s + k;
    b /= a;
    const double term = factor * b / each;
    sum += term;
    if (std::fabs(term / sum) < kEpsilon) break;
    factor *= s + k + 1;
    b /= a;
    k += 2;
  }
  return sum;
}

double zeta(double s, double q) {
  if (s == 1) return kInfinity;
  if (s != s || q != q) return kNaN;
  if (s < 1) return kNaN;
  if (q <= 0) {
    if (q == std::floor(q)) return std::fmod(s, 2) == 0 || q == 0 ? kInfinity : kNaN;
    if (s != std::floor(s)) return kNaN;
  }
  return hurwitz_sum(s, q);
}

double polygamma(double m, double x) {
  if (!(m >= 0) || m != std::floor(m)) return kNaN;
  if (m == 0) return digamma(x);
  const double size = std::exp(log_gamma(m + 1)) * zeta(m + 1, x);
  return std::fmod(m, 2) == 0 ? -size : size;
}

// ---- incomplete gamma --------------------------------------------------------------------------

// x^a e^-x / Γ(a + 1).
double poisson_weight(double a, double x) {
  if (a < 10 || x < 0.2 * a) return std::exp(a * std::log(x) - x - log_gamma(a + 1));
  return std::exp(a * log1p_less((x - a) / a) - stirling_rest(a)) / std::sqrt(2 * kPi * a);
}

// Temme's expansion (DLMF 8.12) with Taylor coefficients of its functions C_k.
struct Temme {
  static constexpr int rows = 4, count = 24, length = count + 2 * rows + 2;
  double d[rows][count];

  Temme() {
    // λ - 1 = Σ a_i η^i follows from (λ - 1) λ' = η λ; C_0 = 1 / (λ - 1) - 1 / η.
    long double a[length + 2] = {0, 1}, inverse[length + 1] = {1}, row[length];
    for (int k = 2; k < length + 2; k++) {
      long double sum = 0;
      for (int i = 2; i < k; i++) sum += a[i] * a[k + 1 - i];
      a[k] = a[k - 1] / (k + 1) - sum / 2;
    }
    for (int n = 1; n <= length; n++) {
      inverse[n] = 0;
      for (int i = 1; i <= n; i++) inverse[n] -= a[i + 1] * inverse[n - i];
    }
    long double first[length];
    for (int n = 0; n < length; n++) first[n] = row[n] = inverse[n + 1];
    const long double stirling[rows] = {1, 1.0L / 12, 1.0L / 288, -139.0L / 51840};
    for (int k = 0; k < rows; k++) {  // DLMF 8.12.12
      if (k)
        for (int n = 0; n + 2 * k < length; n++)
          row[n] = (k % 2 ? -1 : 1) * stirling[k] * first[n] + (n + 2) * row[n + 2];
      for (int n = 0; n < count; n++) d[k][n] = double(row[n]);
    }
  }

  double upper(double a, double x, bool lower) const {
    const double mu = (x - a) / a, half_square = -log1p_less(mu);
    const double eta = std::copysign(std::sqrt(2 * half_square), mu);
    double sum = 0;
    for (int k = rows - 1; k >= 0; k--) {
      double c = 0;
      for (int n = count - 1; n >= 0; n--) c = c * eta + d[k][n];
      sum = sum / a + c;
    }
    const double rest = std::exp(-a * half_square) / std::sqrt(2 * kPi * a) * sum;
    const double z = eta * std::sqrt(a / 2);
    return lower ? 0.5 * std::erfc(-z) - rest : 0.5 * std::erfc(z) + rest;
  }
};

// P(a, x) by its power series (DLMF 8.11.4), for x below about a.
double lower_series(double a, double x) {
  double term = 1, sum = 1;
  for (double n = a + 1; term > kEpsilon * sum; n += 1) sum += term *= x / n;
  return sum * poisson_weight(a, x);
}

// Q(a, x) by Legendre's continued fraction (DLMF 8.9.2), evaluated by Lentz's method.
double upper_fraction(double a, double x) {
  double b = x + 1 - a, c = 1 / kTiny, d = 1 / b, h = d;
  for (int i = 1; i < 100000; i++) {
    const double an = -i * (i - a);
    b += 2;
    d = an * d + b;
    if (std::fabs(d) < kTiny) d = kTiny;
    c = b + an / c;
    if (std::fabs(c) < kTiny) c = kTiny;
    d = 1 / d;
    const double step = d * c;
    h *= step;
    if (std::fabs(step - 1) < 2 * kEpsilon) break;
  }
  return poisson_weight(a, x) * a * h;
}

// log Γ(1 + a) for small a (DLMF 5.7.3).
const std::array<double, 20> zetas = [] {
  std::array<double, 20> values{};
  for (size_t k = 2; k < values.size(); k++) values[k] = hurwitz_sum(double(k), 1);
  return values;
}();

double log_gamma_1p(double a) {
  if (std::fabs(a) > 0.1) return log_gamma(1 + a);
  double sum = 0;
  for (int k = 19; k >= 2; k--) sum = (sum + (k % 2 ? -zetas[size_t(k)] : zetas[size_t(k)]) / k) * a;
  return a * (sum - 0.57721566490153286061);
}

// Q(a, x) for small x, where 1 - P would cancel (DLMF 8.7.3).
double upper_series(double a, double x) {
  double term = 1, sum = 0;
  for (int n = 1; n < 200; n++) {
    term *= -x / n;
    const double next = term / (a + n);
    sum += next;
    if (std::fabs(next) < kEpsilon * std::fabs(sum)) break;
  }
  const double power = a * std::log(x) - log_gamma_1p(a);
  return -std::expm1(power) - a * std::exp(power) * sum;
}

constexpr double kLarge = 1e4;  // shapes from which series near the bulk would be long

const Temme& temme() {
  static const Temme expansion;
  return expansion;
}

double incomplete_gamma(double a, double x, bool lower) {
  if (!(a >= 0) || !(x >= 0) || (a == 0 && x == 0)) return kNaN;
  if (a == 0 || x == kInfinity) return a == kInfinity ? kNaN : lower;
  if (x == 0 || a == kInfinity) return !lower;
  if (a > kLarge && std::fabs(x - a) < 0.4 * a) return temme().upper(a, x, lower);
  if (a > kLarge && x < a) return !lower;  // P is below e^-1100
  if (lower) return x > a && x > 1 ? 1 - incomplete_gamma(a, x, false) : lower_series(a, x);
  if (x <= 1.1) {
    const bool falls = x <= 0.5 ? -0.4 / std::log(x) < a : 1.1 * x < a;
    return falls ? 1 - lower_series(a, x) : upper_series(a, x);
  }
  return x < a ? 1 - lower_series(a, x) : upper_fraction(a, x);
}

// ∂P/∂a, left of the bulk: the series, differentiated (see arrax/ops/gamma_derivative.py), in units
// in which xᵃ e⁻ˣ / Γ(a+1) is `weight`.
double slope_by_series(double a, double x, double weight) {
  double psi = digamma_positive(a + 1), z = a + 1, total = 0;
  const double log_x = std::log(x);
  const int most_terms = int(least(20000, 60 + int64_t(12 * std::sqrt(a + 1))));
  for (int n = 0; n < most_terms; n++) {
    const double term = weight * (log_x - psi);
    total += term;
    if (std::fabs(term) <= 1e-17 * std::fabs(total)) break;
    weight *= x / z;
    psi += 1 / z;
    z += 1;
  }
  return total;
}

// The continued fraction of Q, differentiated by a as it is evaluated; all parts are positive. In
// units in which xᵃ e⁻ˣ / Γ(a) is `weight`.
double slope_by_fraction(double a, double x, double weight) {
  double b = x + 1 - a, c = 1 / kTiny, d = 1 / b, h = d;
  double c_slope = 0, d_slope = d * d, h_slope = d_slope;
  for (int i = 1; i < 100000; i++) {
    const double an = -i * (i - a), an_slope = i;
    b += 2;
    const double inverse = 1 / c;
    c_slope = an_slope * inverse - an * c_slope * inverse * inverse - 1;
    c = b + an * inverse;
    d_slope = an_slope * d + an * d_slope - 1;
    d = 1 / (an * d + b);
    d_slope *= -d * d;
    const double step = c * d, step_slope = c_slope * d + c * d_slope;
    const double change = h * step_slope;
    h_slope = h_slope * step + change;
    h *= step;
    if (std::fabs(step - 1) < 2 * kEpsilon && std::fabs(change) < kEpsilon * h_slope) break;
  }
  return -(weight * h_slope + (std::log(x) - digamma_positive(a)) * (weight * h));
}

double gamma_slope(double a, double x) {
  if (a > 0 && (x == 0 || x == kInfinity)) return 0;
  if (!(a > 0 && x > 0) || a == kInfinity) return kNaN;
  const double weight = poisson_weight(a, x);
  return x <= a + 1 ? slope_by_series(a, x, weight) : slope_by_fraction(a, x, weight * a);
}

// -∂P/∂a divided by the density, which may underflow while this does not.
double gamma_sample_slope(double a, double x) {
  if (a > 0 && x == 0) return 0;  // samples that underflowed do not move
  if (!(a > 0 && x > 0) || a == kInfinity || x == kInfinity) return kNaN;
  return x <= a + 1 ? slope_by_series(a, x, -x / a) : slope_by_fraction(a, x, -x);
}

// ---- incomplete beta ---------------------------------------------------------------------------

// x^a y^b / B(a, b), with y = 1 - x.
double beta_weight(double a, double b, double x, double y) {
  const double sum = a + b;
  if (a >= 10 && b >= 10) {
    const double p = a / sum, q = b / sum, u = (x - p) / p, v = (y - q) / q;
    const double power = a * log1p_less(u) + b * log1p_less(v);
    const double rest = stirling_rest(sum) - stirling_rest(a) - stirling_rest(b);
    return std::exp(power + rest) * std::sqrt(a * q / (2 * kPi));
  }
  double log_beta;
  const double small = std::fmin(a, b), large = std::fmax(a, b);
  if (large >= 10)  // log Γ(large) - log Γ(sum) by Stirling, whose large parts cancel
    log_beta = log_gamma(small) - (large - 0.5) * std::log1p(small / large) -
               small * std::log(sum) + small + stirling_rest(large) - stirling_rest(sum);
  else
    log_beta = log_gamma(a) + log_gamma(b) - log_gamma(sum);
  const double log_x = x < 0.5 ? std::log(x) : std::log1p(-y);
  const double log_y = y < 0.5 ? std::log(y) : std::log1p(-x);
  return std::exp(a * log_x + b * log_y - log_beta);
}

// The continued fraction of DLMF 8.17.22 by Lentz's method.
double beta_fraction(double a, double b, double x) {
  const double sum = a + b;
  double c = 1, d = 1 - sum * x / (a + 1);
  if (std::fabs(d) < kTiny) d = kTiny;
  d = 1 / d;
  double h = d;
  for (double m = 1; m < 1e6; m += 1) {
    double factor = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    for (int half = 0; half < 2; half++) {
      d = 1 + factor * d;
      if (std::fabs(d) < kTiny) d = kTiny;
      c = 1 + factor / c;
      if (std::fabs(c) < kTiny) c = kTiny;
      d = 1 / d;
      h *= d * c;
      if (half == 0) factor = -(a + m) * (sum + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    }
    if (std::fabs(d * c - 1) < 2 * kEpsilon) break;
  }
  return h;
}

double incomplete_beta(double a, double b, double x) {
  if (!(a >= 0 && b >= 0 && x >= 0 && x <= 1)) return kNaN;
  if (a == 0 && b == 0) return kNaN;
  if (x == 0 || x == 1) return x;
  if (a == 0 || b == 0) return a == 0;
  if (std::isinf(a) || std::isinf(b)) return a == b ? kNaN : std::isinf(b);
  const double y = 1 - x;
  if (x > (a + 1) / (a + b + 2)) return 1 - beta_weight(b, a, y, x) * beta_fraction(b, a, y) / b;
  return beta_weight(a, b, x, y) * beta_fraction(a, b, x) / a;
}

}  // namespace

extern "C" {

double arrax_lgamma(double x) { return log_gamma(x); }
double arrax_digamma(double x) { return digamma(x); }
double arrax_zeta(double s, double q) { return zeta(s, q); }
double arrax_polygamma(double m, double x) { return polygamma(m, x); }
double arrax_igamma(double a, double x) { return incomplete_gamma(a, x, true); }
double arrax_igammac(double a, double x) { return incomplete_gamma(a, x, false); }
double arrax_igamma_grad_a(double a, double x) { return gamma_slope(a, x); }
double arrax_random_gamma_grad(double a, double x) { return gamma_sample_slope(a, x); }
double arrax_regularized_incomplete_beta(double a, double b, double x) {
  return incomplete_beta(a, b, x);
}

}

ARRAX_SYMBOLS({"arrax_lgamma", (void*)arrax_lgamma}, {"arrax_digamma", (void*)arrax_digamma},
              {"arrax_zeta", (void*)arrax_zeta}, {"arrax_polygamma", (void*)arrax_polygamma},
              {"arrax_igamma", (void*)arrax_igamma}, {"arrax_igammac", (void*)arrax_igammac},
              {"arrax_igamma_grad_a", (void*)arrax_igamma_grad_a},
              {"arrax_random_gamma_grad", (void*)arrax_random_gamma_grad},
              {"arrax_regularized_incomplete_beta", (void*)arrax_regularized_incomplete_beta});
