"""Exponentials, logarithms, trigonometric and hyperbolic functions, and their inverses.

Derivatives are the textbook ones, through the result where that is cheaper or more exact.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.aval import aval_of
from arrax.core.primitive import Primitive
from arrax.library import calls
from arrax.ops.arithmetic import add_p, div_p, integer_pow_p, mul_p, neg_p, rsqrt_p, square_p, sub_p
from arrax.ops.elementwise_rules import (
    INEXACT, binary, call_accurate, call_binary, call_unary, in_double, unary)
from arrax.ops.rules import by_operand, constant

_COST = 12


def _one(x: Any) -> Any:
    return constant(1, x)


def _accurate(name: str, fn: Callable[..., Any], slope: Callable[[Any, Any], Any] | None = None,
              jvp: Callable[..., Any] | None = None, stablehlo: Any = None) -> Primitive:
    """A function with the `accuracy` parameter; `slope(out, x)` is its derivative."""
    rule = jvp or _times(slope)
    return unary(name, INEXACT, fn, accuracy=True, cost=_COST, stablehlo=stablehlo,
                 jvp=by_operand(lambda g, out, x, accuracy: rule(g, out, x)))


def _plain(name: str, fn: Callable[..., Any], slope: Callable[[Any, Any], Any] | None = None,
           jvp: Callable[..., Any] | None = None) -> Primitive:
    """A function without parameters; `slope(out, x)` is its derivative."""
    return unary(name, INEXACT, in_double(fn), cost=_COST, jvp=by_operand(jvp or _times(slope)),
                 stablehlo=f"chlo.{name}")


def _times(slope: Any) -> Callable[..., Any]:
    return lambda g, out, x: mul_p.bind(g, slope(out, x))


# ---- exponentials and logarithms -------------------------------------------------------------

exp_p = _accurate("exp", in_double(np.exp), lambda out, x: out, stablehlo="stablehlo.exponential")


def exp(x: Any, *, accuracy: Any = None) -> Any:
    """Elementwise `e ** x`."""
    return call_accurate(exp_p, x, accuracy)


def _exp2_evaluate(x: Any) -> Any:
    return np.exp2(x) if x.dtype.kind != "c" else np.exp(x * x.real.dtype.type(np.log(2)))


exp2_p = _accurate(
    "exp2", in_double(_exp2_evaluate), jvp=lambda g, out, x: mul_p.bind(
        log_p.bind(constant(2, x), accuracy=None), mul_p.bind(g, out)),
    stablehlo=lambda b, x, accuracy: exp_p.bind(
        mul_p.bind(constant(np.log(2), x), x), accuracy=accuracy))


def exp2(x: Any, *, accuracy: Any = None) -> Any:
    """Elementwise `2 ** x`."""
    return call_accurate(exp2_p, x, accuracy)


log_p: Primitive = _accurate("log", in_double(np.log), jvp=lambda g, out, x: div_p.bind(g, x),
                  stablehlo="stablehlo.log")


def log(x: Any, *, accuracy: Any = None) -> Any:
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


expm1_p = _accurate("expm1", in_double(_expm1_evaluate), lambda out, x: add_p.bind(out, _one(x)),
                    stablehlo="stablehlo.exponential_minus_one")


def expm1(x: Any, *, accuracy: Any = None) -> Any:
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
                    jvp=lambda g, out, x: div_p.bind(g, add_p.bind(x, _one(x))))


def log1p(x: Any, *, accuracy: Any = None) -> Any:
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
    lambda out, x: mul_p.bind(out, sub_p.bind(_one(x), out)),
    stablehlo=lambda b, x, accuracy: div_p.bind(
        _one(x), add_p.bind(_one(x), exp_p.bind(neg_p.bind(x), accuracy=accuracy))))


def logistic(x: Any, *, accuracy: Any = None) -> Any:
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


sin_p = _accurate("sin", _circular(np.sin, False), lambda out, x: cos_p.bind(x, accuracy=None),
                  stablehlo="stablehlo.sine")


def sin(x: Any, *, accuracy: Any = None) -> Any:
    """Elementwise sine."""
    return call_accurate(sin_p, x, accuracy)


cos_p: Primitive = _accurate(
    "cos", _circular(np.cos, True), stablehlo="stablehlo.cosine",
    jvp=lambda g, out, x: neg_p.bind(mul_p.bind(g, sin_p.bind(x, accuracy=None))))


def cos(x: Any, *, accuracy: Any = None) -> Any:
    """Elementwise cosine."""
    return call_accurate(cos_p, x, accuracy)


tan_p = _accurate("tan", in_double(np.tan), lambda out, x: add_p.bind(_one(x), square_p.bind(out)),
                  stablehlo="stablehlo.tan")


def tan(x: Any, *, accuracy: Any = None) -> Any:
    """Elementwise tangent."""
    return call_accurate(tan_p, x, accuracy)


def _rsqrt(x: Any) -> Any:
    return rsqrt_p.bind(x, accuracy=None)


asin_p = _plain("asin", np.arcsin,
                lambda out, x: _rsqrt(sub_p.bind(_one(x), square_p.bind(x))))


def asin(x: Any) -> Any:
    """Elementwise arc sine; NaN for real `x` outside [-1, 1]."""
    return call_unary(asin_p, x)


acos_p = _plain("acos", np.arccos,
                lambda out, x: neg_p.bind(_rsqrt(sub_p.bind(_one(x), square_p.bind(x)))))


def acos(x: Any) -> Any:
    """Elementwise arc cosine; NaN for real `x` outside [-1, 1]."""
    return call_unary(acos_p, x)


atan_p = _plain("atan", np.arctan, jvp=lambda g, out, x: div_p.bind(
    g, add_p.bind(_one(x), square_p.bind(x))))


def atan(x: Any) -> Any:
    """Elementwise arc tangent."""
    return call_unary(atan_p, x)


def _atan2_evaluate(y: Any, x: Any) -> Any:
    """For complex operands: -i log((x + iy) / sqrt(x² + y²))."""
    if x.dtype.kind != "c":
        return np.arctan2(y, x)
    return -1j * np.log((x + 1j * y) / np.sqrt(x * x + y * y))


def _squared_norm(x: Any, y: Any) -> Any:
    return add_p.bind(square_p.bind(x), square_p.bind(y))


atan2_p = binary(
    "atan2", INEXACT,
    in_double(_atan2_evaluate), cost=24,
    jvp=by_operand(
        lambda g, out, x, y: mul_p.bind(g, div_p.bind(y, _squared_norm(x, y))),
        lambda g, out, x, y: mul_p.bind(g, div_p.bind(neg_p.bind(x), _squared_norm(x, y)))),
    stablehlo="stablehlo.atan2")


def atan2(x: Any, y: Any) -> Any:
    """Elementwise angle of the point (y, x): arc tangent of `x / y` in the right quadrant."""
    return call_binary(atan2_p, x, y)


# ---- hyperbolic ------------------------------------------------------------------------------

sinh_p = _plain("sinh", np.sinh, lambda out, x: cosh_p.bind(x))


def sinh(x: Any) -> Any:
    """Elementwise hyperbolic sine."""
    return call_unary(sinh_p, x)


cosh_p: Primitive = _plain("cosh", np.cosh, lambda out, x: sinh_p.bind(x))


def cosh(x: Any) -> Any:
    """Elementwise hyperbolic cosine."""
    return call_unary(cosh_p, x)


tanh_p = _accurate(
    "tanh", in_double(np.tanh), stablehlo="stablehlo.tanh", jvp=lambda g, out, x: mul_p.bind(
        add_p.bind(g, mul_p.bind(g, out)), sub_p.bind(_one(x), out)))


def tanh(x: Any, *, accuracy: Any = None) -> Any:
    """Elementwise hyperbolic tangent."""
    return call_accurate(tanh_p, x, accuracy)


asinh_p = _plain("asinh", np.arcsinh,
                 lambda out, x: _rsqrt(add_p.bind(square_p.bind(x), _one(x))))


def asinh(x: Any) -> Any:
    """Elementwise inverse hyperbolic sine."""
    return call_unary(asinh_p, x)


def _acosh_slope(out: Any, x: Any) -> Any:
    """1/√(x² - 1); for complex x the roots of the factors, which keep to the branch of acosh."""
    if not dtypes.issubdtype(aval_of(x).dtype, np.complexfloating):
        return _rsqrt(sub_p.bind(square_p.bind(x), _one(x)))
    return mul_p.bind(_rsqrt(sub_p.bind(x, _one(x))), _rsqrt(add_p.bind(x, _one(x))))


acosh_p = _plain("acosh", np.arccosh, _acosh_slope)


def acosh(x: Any) -> Any:
    """Elementwise inverse hyperbolic cosine; NaN for real `x < 1`."""
    return call_unary(acosh_p, x)


atanh_p = _plain("atanh", np.arctanh, jvp=lambda g, out, x: mul_p.bind(
    integer_pow_p.bind(add_p.bind(_one(x), x), y=-1), div_p.bind(g, sub_p.bind(_one(x), x))))


def atanh(x: Any) -> Any:
    """Elementwise inverse hyperbolic tangent; NaN for real `x` outside [-1, 1]."""
    return call_unary(atanh_p, x)
