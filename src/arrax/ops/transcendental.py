"""Exponentials, logarithms, trigonometric and hyperbolic functions, and their inverses.

Derivatives are the textbook ones, through the result where that is cheaper or more exact.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.array import Array
from arrax.core.aval import aval_of
from arrax.core.primitive import Primitive
from arrax.library import calls
from arrax.ops import formulas as f
from arrax.ops.elementwise_rules import (
    INEXACT, binary, call_accurate, call_binary, call_unary, in_double, unary)
from arrax.ops.formulas import derivative
from arrax.ops.rules import by_operand
from arrax.typing import ArrayLike

_COST = 12


def _accurate(name: str, fn: Callable[..., Any], slope: Callable[[Any, Any], Any] | None = None,
              jvp: Callable[..., Any] | None = None, stablehlo: Any = None) -> Primitive:
    """A function with the `accuracy` parameter; `slope(out, x)` is its derivative."""
    return unary(name, INEXACT, fn, accuracy=True, cost=_COST, stablehlo=stablehlo,
                 jvp=derivative(jvp or _times(slope)))


def _plain(name: str, fn: Callable[..., Any], slope: Callable[[Any, Any], Any] | None = None,
           jvp: Callable[..., Any] | None = None) -> Primitive:
    """A function without parameters; `slope(out, x)` is its derivative."""
    return unary(name, INEXACT, in_double(fn), cost=_COST, jvp=derivative(jvp or _times(slope)),
                 stablehlo=f"chlo.{name}")


def _times(slope: Any) -> Callable[..., Any]:
    return lambda g, out, x: g * slope(out, x)


# ---- exponentials and logarithms -------------------------------------------------------------

exp_p = _accurate("exp", in_double(np.exp), lambda out, x: out, stablehlo="stablehlo.exponential")


def exp(x: ArrayLike, *, accuracy: Any = None) -> Array:
    """Elementwise `e ** x`."""
    return call_accurate(exp_p, x, accuracy)


def _exp2_evaluate(x: Any) -> Any:
    return np.exp2(x) if x.dtype.kind != "c" else np.exp(x * x.real.dtype.type(np.log(2)))


exp2_p = _accurate(
    "exp2", in_double(_exp2_evaluate), jvp=lambda g, out, x: f.log(f.constant(2, x)) * (g * out),
    stablehlo=f.Formula(lambda x: f.exp(np.log(2) * x)).stablehlo)


def exp2(x: ArrayLike, *, accuracy: Any = None) -> Array:
    """Elementwise `2 ** x`."""
    return call_accurate(exp2_p, x, accuracy)


log_p: Primitive = _accurate("log", in_double(np.log), jvp=lambda g, out, x: g / x,
                  stablehlo="stablehlo.log")


def log(x: ArrayLike, *, accuracy: Any = None) -> Array:
    """Elementwise natural logarithm; -inf at 0, NaN for negative real `x`."""
    return call_accurate(log_p, x, accuracy)


def _expm1_evaluate(x: Any) -> Any:
    """For complex x = a + bi near 0: expm1(a) cos b - 2 sin²(b/2), and e^a sin b."""
    if x.dtype.kind != "c":
        return np.expm1(x)
    a, b = x.real, x.imag
    whole = np.exp(x)
    near = np.expm1(a) * np.cos(b) - 2 * np.sin(b / 2) ** 2
    return _complex(np.where(np.abs(a) > 40, whole.real - 1, near), whole.imag)


def _complex(real: Any, imag: Any) -> Any:
    out = np.empty(np.shape(real), np.result_type(real, np.complex64))
    out.real, out.imag = real, imag
    return out


expm1_p = _accurate("expm1", in_double(_expm1_evaluate), lambda out, x: out + 1,
                    stablehlo="stablehlo.exponential_minus_one")


def expm1(x: ArrayLike, *, accuracy: Any = None) -> Array:
    """Elementwise `e ** x - 1`, exact near 0."""
    return call_accurate(expm1_p, x, accuracy)


def _log1p_evaluate(x: Any) -> Any:
    """For complex x = a + bi near 0: log|1 + x| = log1p(2a + a² + b²) / 2."""
    if x.dtype.kind != "c":
        return np.log1p(x)
    a, b = x.real, x.imag
    near = np.log1p(a * (2 + a) + b * b) / 2
    real = np.where(np.abs(x) < 0.5, near, np.log(np.hypot(1 + a, b)))
    return _complex(real, np.arctan2(b, 1 + a))


log1p_p = _accurate("log1p", in_double(_log1p_evaluate), stablehlo="stablehlo.log_plus_one",
                    jvp=lambda g, out, x: g / (x + 1))


def log1p(x: ArrayLike, *, accuracy: Any = None) -> Array:
    """Elementwise `log(1 + x)`, exact near 0."""
    return call_accurate(log1p_p, x, accuracy)


def _logistic_evaluate(x: Any) -> Any:
    """From exp(-|x|), which doesn't overflow; mended by what the sum 1 + exp(-|x|) lost."""
    one = x.dtype.type(1)
    if x.dtype.kind == "c":
        left = x.real < 0
        small = np.exp(np.where(left, x, -x))
        return np.where(left, small, one) / (one + small)
    small = np.exp(-np.abs(x))
    total = one + small
    out = np.where(x < 0, small, one) / total
    return out - out * (((one - total) + small) / total)


logistic_p = _accurate(
    "logistic", in_double(_logistic_evaluate),
    lambda out, x: out * (1 - out),
    stablehlo=f.Formula(lambda x: 1 / (1 + f.exp(-x))).stablehlo)


def logistic(x: ArrayLike, *, accuracy: Any = None) -> Array:
    """Elementwise `1 / (1 + exp(-x))`, the sigmoid."""
    return call_accurate(logistic_p, x, accuracy)


# ---- trigonometric ---------------------------------------------------------------------------

def _circular(fn: Any, is_cosine: bool) -> Callable[[Any], Any]:
    """Sine or cosine: of float32 by the native library, since NumPy has no fast one of float64."""
    general = in_double(fn)

    def evaluate(x: Any) -> Any:
        if x.dtype.char != "f":
            return general(x)
        out = np.empty(x.shape, x.dtype)
        calls.call_eagerly("arrax_circular", (x.size, is_cosine), np.ascontiguousarray(x), out)
        return out
    return evaluate


sin_p = _accurate("sin", _circular(np.sin, False), lambda out, x: f.cos(x),
                  stablehlo="stablehlo.sine")


def sin(x: ArrayLike, *, accuracy: Any = None) -> Array:
    """Elementwise sine."""
    return call_accurate(sin_p, x, accuracy)


cos_p: Primitive = _accurate(
    "cos", _circular(np.cos, True), stablehlo="stablehlo.cosine",
    jvp=lambda g, out, x: -(g * f.sin(x)))


def cos(x: ArrayLike, *, accuracy: Any = None) -> Array:
    """Elementwise cosine."""
    return call_accurate(cos_p, x, accuracy)


tan_p = _accurate("tan", in_double(np.tan), lambda out, x: 1 + f.square(out),
                  stablehlo="stablehlo.tan")


def tan(x: ArrayLike, *, accuracy: Any = None) -> Array:
    """Elementwise tangent."""
    return call_accurate(tan_p, x, accuracy)


asin_p = _plain("asin", np.arcsin, lambda out, x: f.rsqrt(1 - f.square(x)))


def asin(x: ArrayLike) -> Array:
    """Elementwise arc sine; NaN for real `x` outside [-1, 1]."""
    return call_unary(asin_p, x)


acos_p = _plain("acos", np.arccos, lambda out, x: -f.rsqrt(1 - f.square(x)))


def acos(x: ArrayLike) -> Array:
    """Elementwise arc cosine; NaN for real `x` outside [-1, 1]."""
    return call_unary(acos_p, x)


atan_p = _plain("atan", np.arctan, jvp=lambda g, out, x: g / (1 + f.square(x)))


def atan(x: ArrayLike) -> Array:
    """Elementwise arc tangent."""
    return call_unary(atan_p, x)


def _atan2_evaluate(y: Any, x: Any) -> Any:
    """For complex operands: -i log((x + iy) / sqrt(x² + y²))."""
    if x.dtype.kind != "c":
        return np.arctan2(y, x)
    return -1j * np.log((x + 1j * y) / np.sqrt(x * x + y * y))


def _squared_norm(x: Any, y: Any) -> Any:
    return f.square(x) + f.square(y)


atan2_p = binary(
    "atan2", INEXACT,
    in_double(_atan2_evaluate), cost=24,
    jvp=derivative(
        lambda g, out, x, y: g * (y / _squared_norm(x, y)),
        lambda g, out, x, y: g * (-x / _squared_norm(x, y))),
    stablehlo="stablehlo.atan2")


def atan2(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise angle of the point (y, x): arc tangent of `x / y` in the right quadrant."""
    return call_binary(atan2_p, x, y)


# ---- hyperbolic ------------------------------------------------------------------------------

sinh_p = _plain("sinh", np.sinh, lambda out, x: f.cosh(x))


def sinh(x: ArrayLike) -> Array:
    """Elementwise hyperbolic sine."""
    return call_unary(sinh_p, x)


cosh_p: Primitive = _plain("cosh", np.cosh, lambda out, x: f.sinh(x))


def cosh(x: ArrayLike) -> Array:
    """Elementwise hyperbolic cosine."""
    return call_unary(cosh_p, x)


tanh_p = _accurate(
    "tanh", in_double(np.tanh), stablehlo="stablehlo.tanh",
    jvp=lambda g, out, x: (g + g * out) * (1 - out))


def tanh(x: ArrayLike, *, accuracy: Any = None) -> Array:
    """Elementwise hyperbolic tangent."""
    return call_accurate(tanh_p, x, accuracy)


asinh_p = _plain("asinh", np.arcsinh, lambda out, x: f.rsqrt(f.square(x) + 1))


def asinh(x: ArrayLike) -> Array:
    """Elementwise inverse hyperbolic sine."""
    return call_unary(asinh_p, x)


_real_acosh = f.Formula(lambda g, out, x: g * f.rsqrt(f.square(x) - 1))
_complex_acosh = f.Formula(lambda g, out, x: g * (f.rsqrt(x - 1) * f.rsqrt(x + 1)))


def _acosh_jvp(g: Any, out: Any, x: Any) -> Any:
    """1/√(x² - 1); for complex x the roots of the factors, which keep to the branch of acosh."""
    is_complex = dtypes.issubdtype(aval_of(x).dtype, np.complexfloating)
    return (_complex_acosh if is_complex else _real_acosh)(g, out, x)


acosh_p = unary("acosh", INEXACT, in_double(np.arccosh), cost=_COST, jvp=by_operand(_acosh_jvp),
                stablehlo="chlo.acosh")


def acosh(x: ArrayLike) -> Array:
    """Elementwise inverse hyperbolic cosine; NaN for real `x < 1`."""
    return call_unary(acosh_p, x)


atanh_p = _plain("atanh", np.arctanh, jvp=lambda g, out, x: (1 + x) ** -1 * (g / (1 - x)))


def atanh(x: ArrayLike) -> Array:
    """Elementwise inverse hyperbolic tangent; NaN for real `x` outside [-1, 1]."""
    return call_unary(atanh_p, x)
