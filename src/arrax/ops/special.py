"""Special functions: error functions, gamma functions, beta, Bessel and zeta functions.

Values come from SciPy (imported at the first call), except `erf_inv` of float32: that is Giles'
polynomial, because random normal numbers are made of it and must have the same bits everywhere.
"""
from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from arrax.core.array import Array
from arrax.core.aval import aval_of
from arrax.core.primitive import NotApplicable, Primitive
from arrax.library import calls
from arrax.core.lowering import Elementwise
from arrax.ops import formulas as f, special_stablehlo as form
from arrax.ops.elementwise_rules import (
    FLOAT, call_binary, call_nary, call_unary, emits, nary_type, unary)
from arrax.ops.formulas import derivative
from arrax.ops.gamma_derivative import igamma_derivative, sample_derivative
from arrax.ops.quiet import quiet
from arrax.ops.rules import batch_elementwise, by_operand
from arrax.typing import ArrayLike


@functools.lru_cache(maxsize=1)
def _scipy() -> Any:
    import scipy.special

    return scipy.special


def _evaluate_by(fn: Callable[..., Any], wide: Any = np.float64) -> Callable[..., Any]:
    """The evaluation by `fn` in float64, rounded to the dtype of the operands; shorter ones may be
    computed in another dtype than that (`wide`)."""
    def evaluate(*operands: Any) -> Any:
        dtype = operands[0].dtype
        if dtype != np.float64:
            operands = tuple(x.astype(wide) for x in operands)
        return np.asarray(fn(*operands)).astype(dtype, copy=False)
    return quiet(evaluate)


def _each(name: str) -> Callable[[Any], Any]:
    """The function `name` of the native library, of each element: what compiled programs call."""
    def evaluate(x: Any) -> Any:
        x = np.asarray(x, order="C")  # `ascontiguousarray` makes 0-d arrays 1-d
        out = np.empty(x.shape, np.float64)
        calls.call_eagerly("arrax_each", (x.size, calls.address_of(name)), x, out)
        return out
    return evaluate


def _special(name: str, arity: int, fn: Callable[..., Any], jvp: Any, lower: Any = None,
             stablehlo: Any = None) -> Primitive:
    """Declare a special function of `arity` floating-point operands."""
    lower = lower or Elementwise(lambda b, *xs: b.by_library(name, *xs), cost=200)
    if arity == 1:
        primitive = unary(name, FLOAT, fn, jvp=jvp, lower=lower, stablehlo=stablehlo)
        primitive.evaluate = _evaluate_by(fn)
        return primitive
    return Primitive(
        name, type_rule=nary_type(name, (FLOAT,) * arity), evaluate=_evaluate_by(fn), jvp=jvp,
        transpose=NotApplicable("not linear"), batch=batch_elementwise(), lower=lower,
        elementwise=True, stablehlo=stablehlo)


# ---- error functions ---------------------------------------------------------------------------

def _gaussian(scale: float) -> Any:
    """JVP with the slope `scale · exp(-x²)`."""
    return derivative(lambda g, out, x: f.constant(scale, x) * (g * f.exp(-f.square(x))))


erf_p = _special("erf", 1, _each("arrax_erf"), _gaussian(2 / math.sqrt(math.pi)),
                 emits("erf", 12), "chlo.erf")
erfc_p = _special("erfc", 1, _each("arrax_erfc"), _gaussian(-2 / math.sqrt(math.pi)),
                  emits("erfc", 12), "chlo.erfc")


def erf(x: ArrayLike) -> Array:
    """Elementwise error function, 2/√π ∫₀ˣ exp(-t²) dt, of floats."""
    return call_unary(erf_p, x)


def erfc(x: ArrayLike) -> Array:
    """Elementwise complementary error function, 1 - erf(x), exact for large x."""
    return call_unary(erfc_p, x)


def _erf_inv_evaluate(x: Any) -> Any:
    """In single precision by the polynomial that compiled code uses (`native/erf_inv.cpp`)."""
    if x.dtype == np.float64:
        return _scipy().erfinv(x)
    w = -np.log1p(np.multiply(x, -x, dtype=np.float32).astype(np.float64))
    out = np.empty(x.shape, np.float32)
    calls.call_eagerly("arrax_erf_inv", (x.size,), np.ascontiguousarray(w, np.float32),
                         np.ascontiguousarray(x), out)
    return out


erf_inv_p = _special("erf_inv", 1, _erf_inv_evaluate, derivative(
    lambda g, out, x: f.constant(math.sqrt(math.pi) / 2, x) * (g * f.exp(f.square(out)))),
    emits("erf_inv", 12), "chlo.erf_inv")
erf_inv_p.evaluate = _evaluate_by(_erf_inv_evaluate, np.float32)


def erf_inv(x: ArrayLike) -> Array:
    """Elementwise inverse of `erf`: ±inf at ±1, NaN outside [-1, 1]."""
    return call_unary(erf_inv_p, x)


# ---- gamma functions ---------------------------------------------------------------------------

lgamma_p = _special("lgamma", 1, _each("arrax_lgamma"),
                    derivative(lambda g, out, x: g * f.apply(digamma_p, x)),
                    emits("lgamma", 60), "chlo.lgamma")


def lgamma(x: ArrayLike) -> Array:
    """Elementwise log |Γ(x)|; inf at 0, -1, -2, …"""
    return call_unary(lgamma_p, x)


_digamma_evaluate = _each("arrax_digamma")
digamma_p: Primitive = _special("digamma", 1, _digamma_evaluate, derivative(
    lambda g, out, x: g * f.apply(polygamma_p, 1, x)),
    emits("digamma", 40), "chlo.digamma")


def digamma(x: ArrayLike) -> Array:
    """Elementwise Γ'(x) / Γ(x); NaN at 0, -1, -2, …"""
    return call_unary(digamma_p, x)


def _no_derivative(message: str) -> Callable[..., Any]:
    def rule(g: Any, out: Any, *operands: Any) -> Any:
        raise ValueError(message)
    return rule


def _polygamma_evaluate(m: Any, x: Any) -> Any:
    """(-1)ᵐ⁺¹ m! ζ(m + 1, x) for whole m > 0."""
    special = _scipy()
    order = m.astype(np.float64)
    sign = np.where(order % 2 == 0, -1.0, 1.0)
    general = sign * np.exp(special.gammaln(order + 1)) * _hurwitz(order + 1, x.astype(np.float64))
    out = np.where(order == 0, _digamma_evaluate(x), general)
    return np.where((order < 0) | (order != np.floor(order)), np.nan, out)


polygamma_p: Primitive = _special("polygamma", 2, _polygamma_evaluate, derivative(
    _no_derivative("polygamma gradient with respect to m is not supported"),
    lambda g, out, m, x: g * f.apply(polygamma_p, m + 1, x)),
    stablehlo="chlo.polygamma")


def polygamma(m: ArrayLike, x: ArrayLike) -> Array:
    """Elementwise m-th derivative of `digamma` at `x`; NaN where `m` is not whole."""
    return call_binary(polygamma_p, m, x)


def _hurwitz(s: Any, q: Any) -> Any:
    """ζ(s, q) with the poles and the undefined places: inf at s = 1 and q = 0, -1, …; NaN for
    s < 1, and for negative q with s that is not whole."""
    out = np.asarray(_scipy().zeta(s, q))
    whole_q = (q <= 0) & (q == np.floor(q))
    even = s % 2 == 0
    out = np.where(whole_q, np.where(even | (q == 0), np.inf, np.nan), out)
    out = np.where((s < 1) | np.isnan(s) | ((q < 0) & (s != np.floor(s))), np.nan, out)
    return np.where(s == 1, np.inf, out)


zeta_p = _special("zeta", 2, _hurwitz,
                  NotApplicable("the derivative of ζ(s, q) by s has no closed form"),
                  emits("zeta", 100), "chlo.zeta")


def zeta(x: ArrayLike, q: ArrayLike) -> Array:
    """Elementwise Hurwitz zeta function Σₙ (q + n)⁻ˣ; inf at x = 1, NaN for x < 1."""
    return call_binary(zeta_p, x, q)


# ---- incomplete gamma and beta -----------------------------------------------------------------

def _gamma_density(a: Any, x: Any) -> Any:
    """xᵃ⁻¹ e⁻ˣ / Γ(a), the slope of `igamma` in x."""
    return f.exp(-x + (a - f.filled(1, a)) * f.log(x) - f.lgamma(a))


def _below_overflow(a: Any, x: Any) -> Any:
    """Shapes with a finite log Γ, without which SciPy has no result."""
    if a.dtype != np.float64:
        return a
    return np.where(np.isfinite(a) & (x < a / 2), np.minimum(a, 1e304), a)


def _igamma_evaluate(a: Any, x: Any) -> Any:
    out = _scipy().gammainc(_below_overflow(a, x), x)
    return np.where((a < 0) | (x < 0) | ((a == 0) & (x == 0)), np.nan, out)


def _igammac_evaluate(a: Any, x: Any) -> Any:
    out = _scipy().gammaincc(_below_overflow(a, x), x)
    return np.where((a < 0) | (x < 0) | ((a == 0) & (x == 0)), np.nan, out)


igamma_p = _special("igamma", 2, _igamma_evaluate, derivative(
    lambda g, out, a, x: g * f.apply(igamma_grad_a_p, a, x),
    lambda g, out, a, x: g * _gamma_density(a, x)), stablehlo=form.igamma_form)
igammac_p = _special("igammac", 2, _igammac_evaluate, derivative(
    lambda g, out, a, x: -(g * f.apply(igamma_grad_a_p, a, x)),
    lambda g, out, a, x: -(g * _gamma_density(a, x))),
    stablehlo=form.igammac_form)
_NO_SECOND = NotApplicable("second derivatives by the shape parameter are not known")
igamma_grad_a_p: Primitive = _special("igamma_grad_a", 2, igamma_derivative, _NO_SECOND,
                                      stablehlo=form.igamma_grad_a_form)
random_gamma_grad_p = _special("random_gamma_grad", 2, sample_derivative, _NO_SECOND,
                               stablehlo=form.random_gamma_grad_form)


def igamma(a: ArrayLike, x: ArrayLike) -> Array:
    """Elementwise regularized lower incomplete gamma function P(a, x)."""
    return call_binary(igamma_p, a, x)


def igammac(a: ArrayLike, x: ArrayLike) -> Array:
    """Elementwise regularized upper incomplete gamma function, 1 - P(a, x)."""
    return call_binary(igammac_p, a, x)


def igamma_grad_a(a: ArrayLike, x: ArrayLike) -> Array:
    """Elementwise derivative of `igamma(a, x)` by `a`."""
    return call_binary(igamma_grad_a_p, a, x)


def random_gamma_grad(*args: Any) -> Any:
    """`random_gamma_grad(a, x)`: elementwise derivative by `a` of the sample `x` of a gamma
    distribution of shape `a`."""
    return call_binary(random_gamma_grad_p, *args)


def _betainc_slope(g: Any, out: Any, a: Any, b: Any, x: Any) -> Any:
    log_beta = f.lgamma(a) + f.lgamma(b) - f.lgamma(a + b)
    log_tail = f.log1p(-x)
    power = (b - 1) * log_tail + (a - 1) * f.log(x)
    return f.exp(power - log_beta) * g


_no_betainc = _no_derivative("Betainc gradient with respect to a and b not supported.")


def _betainc_evaluate(a: Any, b: Any, x: Any) -> Any:
    out = np.asarray(_scipy().betainc(a, b, x))
    out = np.where((a == 0) & (b > 0), 1.0, np.where((b == 0) & (a > 0), 0.0, out))
    out = np.where(((x == 0) | (x == 1)) & ((a > 0) | (b > 0)), x, out)
    outside = (x < 0) | (x > 1) | (a < 0) | (b < 0)
    return np.where(outside | np.isnan(a) | np.isnan(b) | np.isnan(x), np.nan, out)


regularized_incomplete_beta_p = _special(
    "regularized_incomplete_beta", 3, _betainc_evaluate,
    derivative(_no_betainc, _no_betainc, _betainc_slope), stablehlo=form.betainc_form)


def betainc(a: ArrayLike, b: ArrayLike, x: ArrayLike) -> Array:
    """Elementwise regularized incomplete beta function I_x(a, b); NaN for x outside [0, 1]."""
    return call_nary(regularized_incomplete_beta_p, a, b, x)


# ---- Bessel functions --------------------------------------------------------------------------

bessel_i0e_p = _special("bessel_i0e", 1, lambda x: _scipy().i0e(x), derivative(
    lambda g, out, x: g * (f.apply(bessel_i1e_p, x) - f.sign(x) * out)),
    emits("bessel_i0e", 40), form.bessel_i0e_form)


def bessel_i0e(x: ArrayLike) -> Array:
    """Elementwise exponentially scaled modified Bessel function e^-|x| I₀(x)."""
    return call_unary(bessel_i0e_p, x)


def _i1e_slope(g: Any, out: Any, x: Any) -> Any:
    """I₀e(x) - I₁e(x) (sign x + 1/x), and 1/2 near 0."""
    epsilon = np.finfo(np.promote_types(aval_of(x).dtype, np.float16)).eps \
        if aval_of(x).dtype.num < 256 else 1e-2
    return _i1e_near(epsilon)(g, out, x)


@functools.cache
def _i1e_near(epsilon: float) -> f.Formula:
    def slope(g: Any, out: Any, x: Any) -> Any:
        away = abs(x) > epsilon
        safe = f.where(away, x, epsilon)
        far = f.apply(bessel_i0e_p, safe) - out * (f.sign(safe) + safe ** -1)
        return g * f.where(away, far, 0.5)
    return f.Formula(slope)


bessel_i1e_p: Primitive = _special(
    "bessel_i1e", 1, lambda x: _scipy().i1e(x), by_operand(_i1e_slope), emits("bessel_i1e", 40),
    "chlo.bessel_i1e")


def bessel_i1e(x: ArrayLike) -> Array:
    """Elementwise exponentially scaled modified Bessel function e^-|x| I₁(x)."""
    return call_unary(bessel_i1e_p, x)
