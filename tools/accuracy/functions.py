"""The elementwise functions that are measured: names, exact values, and where they bend.

`exact` takes mpmath numbers and returns one, or None where the function is undefined (NaN).
`fast` takes NumPy arrays; in float64 it is exact enough for float32 and shorter formats, and in
long double for float64 where `long_double` says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np
import scipy.special as sp

REAL = ("float16", "bfloat16", "float32", "float64")
COMPLEX = ("complex64", "complex128")


@dataclass(frozen=True)
class Function:
    """One row of the table. `path` finds the function in arrax and in JAX alike."""

    name: str
    path: str
    exact: Callable[..., Any]
    fast: Callable[..., Any] | None = None
    long_double: bool = True
    numpy: str = ""
    arity: int = 1
    dtypes: tuple[str, ...] = REAL
    centres: tuple[float, ...] = ()  # where values near one another are all tried
    slow: bool = False  # mpmath needs milliseconds
    low: float = -np.inf  # of the range from which operands of many-argument functions come
    high: float = np.inf
    cuts: bool = False  # has branch cuts on the axes, which the signs of zeros tell apart
    primitives: tuple[str, ...] = ()  # the primitives that the row stands for


def _is_real(*values: Any) -> bool:
    return all(not isinstance(v, mp.mpc) for v in values)


def _within(low: float, high: float, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of real numbers in [low, high], and of all complex ones."""
    def exact(x: Any) -> Any:
        return function(x) if not _is_real(x) or low <= x <= high else None
    return exact


def _log(x: Any) -> Any:
    if x == 0:
        return -mp.inf if _is_real(x) else mp.mpc(-mp.inf, 0)
    return None if _is_real(x) and x < 0 else mp.log(x)


def _log1p(x: Any) -> Any:
    if _is_real(x):
        return None if x < -1 else -mp.inf if x == -1 else mp.log1p(x)
    return _precisely(lambda x: _log(1 + x))(x)


def _expm1(x: Any) -> Any:
    if _is_real(x):
        return mp.expm1(x)
    a, b = x.real, x.imag
    lost = 2 * mp.sin(b / 2) ** 2
    with mp.extraprec(300):
        return mp.mpc(mp.expm1(a) * mp.cos(b) - lost, mp.exp(a) * mp.sin(b))


def _log_of_base(base: int) -> Callable[[Any], Any]:
    def exact(x: Any) -> Any:
        value = _log(x)
        return value if value is None or value == -mp.inf else value / mp.log(base)
    return exact


def _precisely(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with so many digits that small parts of complex results have all of theirs."""
    def exact(x: Any) -> Any:
        if _is_real(x):
            return function(x)
        sizes = [abs(mp.mag(part)) for part in (x.real, x.imag) if part]
        with mp.extraprec(100 + 2 * int(max(sizes, default=0))):
            return function(x)
    return exact


def _sinc(x: Any) -> Any:
    return mp.mpf(1) if x == 0 else mp.sinpi(x if abs(x) < 1 else mp.fmod(x, 2)) / (
        mp.pi * x)


def _fast_sinc(x: Any) -> Any:
    turns = np.rint(x)
    sine = np.sin(np.pi * (x - turns))
    return np.where(x == 0, 1, np.where(turns % 2 != 0, -sine, sine) / (np.pi * x))


def _atan2(y: Any, x: Any) -> Any:
    return mp.atan2(y, x) if x or y else mp.mpf(0)


def _pow(x: Any, y: Any) -> Any:
    if not _is_real(x, y):
        if y == 0:
            return mp.mpc(1)
        return mp.mpc(0) if x == 0 else _bounded_exp(y * mp.log(x))
    if y == 0 or x == 1:
        return mp.mpf(1)
    if x == 0:
        return mp.mpf(0) if y > 0 else mp.inf
    if x < 0 and y != mp.floor(y):
        return None
    size = _bounded_exp(y * mp.log(abs(x)))
    return -size if x < 0 and int(y) % 2 else size


def _bounded_exp(x: Any) -> Any:
    """exp, without the time that results beyond all formats would take."""
    real = x.real
    if real > 3400:
        return mp.mpf(2) ** 5000 * (mp.expj(x.imag) if not _is_real(x) else 1)
    return mp.exp(x) if real > -3400 else mp.mpf(0) * x


def _lgamma(x: Any) -> Any:
    if x <= 0 and x == mp.floor(x):
        return mp.inf
    if x < -1e15:
        return None
    with mp.extraprec(60):
        return mp.loggamma(x).real


def _digamma(x: Any) -> Any:
    return None if x <= 0 and x == mp.floor(x) else mp.psi(0, x)


def _polygamma(m: Any, x: Any) -> Any:
    return mp.psi(int(m), x)


def _zeta(s: Any, q: Any) -> Any:
    return mp.zeta(s, q)


def _igamma(a: Any, x: Any) -> Any:
    return mp.gammainc(a, 0, x, regularized=True)


def _igammac(a: Any, x: Any) -> Any:
    return mp.gammainc(a, x, mp.inf, regularized=True)


def _betainc(a: Any, b: Any, x: Any) -> Any:
    return mp.betainc(a, b, 0, x, regularized=True)


def _scaled_bessel(order: int) -> Callable[[Any], Any]:
    def exact(x: Any) -> Any:
        a = abs(x)
        if a > 1e6:  # Hankel's series
            t, total = mp.mpf(1), mp.mpf(1)
            for k in range(1, 12):
                t *= -mp.mpf(4 * order**2 - (2 * k - 1) ** 2) / (8 * k * a)
                total += t
            value = total / mp.sqrt(2 * mp.pi * a)
        else:
            value = mp.exp(-a) * mp.besseli(order, a)
        return -value if order and x < 0 else value
    return exact


def _erf_inv(x: Any) -> Any:
    if abs(x) > 1:
        return None
    return mp.erfinv(x) if abs(x) < 1 else mp.inf * x


def _logistic(x: Any) -> Any:
    if not _is_real(x):
        return 1 / (1 + mp.exp(-x))
    small = _bounded_exp(-abs(x))
    return (small if x < 0 else 1) / (1 + small)


def _fast_logistic(x: Any) -> Any:
    small = np.exp(-np.abs(x))
    return np.where(x < 0, small, 1) / (1 + small)


def _gelu(x: Any) -> Any:
    return x * mp.erfc(-x / mp.sqrt(2)) / 2 if x > -1e3 else mp.mpf(0)


def _softplus(x: Any) -> Any:
    return mp.log1p(_bounded_exp(-abs(x))) + max(x, 0)


def _hypot(x: Any, y: Any) -> Any:
    return mp.sqrt(x * x + y * y)


def _logaddexp(x: Any, y: Any) -> Any:
    return max(x, y) + mp.log1p(_bounded_exp(-abs(x - y)))


def _root(x: Any) -> Any:
    if _is_real(x):
        return None if x < 0 else mp.sqrt(x)
    return mp.sqrt(x)


def _inverse_root(x: Any) -> Any:
    if x == 0:
        return mp.inf if _is_real(x) else None
    root = _root(x)
    return None if root is None else 1 / root


def _cbrt(x: Any) -> Any:
    return mp.sign(x) * mp.cbrt(abs(x))


def _acosh(x: Any) -> Any:
    return None if _is_real(x) and x < 1 else mp.acosh(x)


def _atanh(x: Any) -> Any:
    if _is_real(x):
        return None if abs(x) > 1 else mp.inf * x if abs(x) == 1 else mp.atanh(x)
    return None if x in (1, -1) else mp.atanh(x)


def _atan(x: Any) -> Any:
    return None if x in (mp.mpc(0, 1), mp.mpc(0, -1)) else mp.atan(x)


def _div(x: Any, y: Any) -> Any:
    if y == 0:
        return None if x == 0 or not _is_real(x, y) else mp.inf * x
    return x / y


def _reciprocal(x: Any) -> Any:
    return _div(mp.mpf(1), x) if _is_real(x) else _div(mp.mpc(1), x)


def _hyperbolic(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """sinh and cosh without the time that huge results would take."""
    def exact(x: Any) -> Any:
        if not _is_real(x):
            return function(x) if abs(x.real) < 3400 else mp.mpf(2) ** 5000 * (
                mp.expj(x.imag) if x.real > 0 else mp.expj(-x.imag) * (
                    -1 if function is mp.sinh else 1))
        if abs(x) < 3400:
            return function(x)
        return mp.mpf(2) ** 5000 * (mp.sign(x) if function is mp.sinh else 1)
    return exact


def _turned(function: Callable[[Any], Any], even: bool) -> Callable[[Any], Any]:
    """sin or cos, which for complex numbers are sinh and cosh of the number turned."""
    def exact(x: Any) -> Any:
        if _is_real(x):
            return function(x)
        turned = mp.mpc(-x.imag, x.real)
        if even:
            return _hyperbolic(mp.cosh)(turned)
        value = _hyperbolic(mp.sinh)(turned)
        return mp.mpc(value.imag, -value.real)
    return exact


def _tanh(x: Any) -> Any:
    if _is_real(x) or abs(x.real) < 3400:
        return _precisely(mp.tanh)(x) if abs(x.real) < 400 else mp.sign(x.real) * mp.mpf(1)
    return mp.mpc(mp.sign(x.real))


def _tan(x: Any) -> Any:
    if _is_real(x):
        return mp.tan(x)
    value = mp.mpc(_tanh(mp.mpc(-x.imag, x.real)))
    return mp.mpc(value.imag, -value.real)


PI = float(np.pi)
QUARTERS = tuple(k * PI / 4 for k in (1, 2, 3, 4, 6, 8, 10, 100, 1000, 10**6, 10**8))
BOTH = REAL + COMPLEX


def _f(name: str, exact: Any, fast: Any = None, **more: Any) -> Function:
    numpy = f"numpy.{fast.__name__}" if isinstance(fast, np.ufunc) and more.get(
        "long_double", True) else ""
    more.setdefault("numpy", numpy)
    more.setdefault("path", f"lax.{name}")
    more.setdefault("primitives", (name,) if more["path"].startswith("lax.") else ())
    return Function(name, exact=exact, fast=fast, **more)


FUNCTIONS: tuple[Function, ...] = (
    _f("exp", lambda x: _bounded_exp(x), np.exp, dtypes=BOTH, centres=(88.72, -87.33, 709.78)),
    _f("exp2", lambda x: _bounded_exp(x * mp.log(2)), np.exp2, dtypes=BOTH, centres=(0.5, 127.9)),
    _f("expm1", _expm1, np.expm1, dtypes=BOTH, centres=(0.35, -0.35, 1e-3)),
    _f("log", _precisely(_log), np.log, dtypes=BOTH, cuts=True, centres=(1.0, 0.7071, 1.4142)),
    _f("log1p", _log1p, np.log1p, dtypes=BOTH, cuts=True, centres=(-0.3, 0.41, -1.0)),
    _f("log2", _log_of_base(2), np.log2, path="numpy.log2", dtypes=BOTH, cuts=True, centres=(1.0,)),
    _f("log10", _log_of_base(10), np.log10, path="numpy.log10", dtypes=BOTH, cuts=True,
       centres=(1.0,)),
    _f("sin", _turned(mp.sin, False), np.sin, dtypes=BOTH, centres=QUARTERS),
    _f("cos", _turned(mp.cos, True), np.cos, dtypes=BOTH, centres=QUARTERS),
    _f("tan", _tan, np.tan, dtypes=BOTH, centres=QUARTERS),
    _f("asin", _within(-1, 1, _precisely(mp.asin)), np.arcsin, dtypes=BOTH, cuts=True,
       centres=(0.5, 1.0)),
    _f("acos", _within(-1, 1, _precisely(mp.acos)), np.arccos, dtypes=BOTH, cuts=True,
       centres=(0.5, 1.0, -1.0)),
    _f("atan", _precisely(_atan), np.arctan, dtypes=BOTH, cuts=True, centres=(1.0, 0.41, 2.41)),
    _f("sinh", _hyperbolic(mp.sinh), np.sinh, dtypes=BOTH, centres=(1.0, 89.4, 710.4)),
    _f("cosh", _hyperbolic(mp.cosh), np.cosh, dtypes=BOTH, centres=(1.0, 89.4, 710.4)),
    _f("tanh", _tanh, np.tanh, dtypes=BOTH, centres=(0.55, 0.625, 9.0)),
    _f("asinh", _precisely(mp.asinh), np.arcsinh, dtypes=BOTH, cuts=True, centres=(1.0,)),
    _f("acosh", _precisely(_acosh), np.arccosh, dtypes=BOTH, cuts=True, centres=(1.0, 2.0)),
    _f("atanh", _precisely(_atanh), np.arctanh, dtypes=BOTH, cuts=True, centres=(1.0, 0.5)),
    _f("logistic", _logistic, _fast_logistic, numpy="", dtypes=BOTH, centres=(0.0, -88.0, -17.0)),
    _f("sqrt", _precisely(_root), np.sqrt, dtypes=BOTH, cuts=True),
    _f("rsqrt", _precisely(_inverse_root), lambda x: 1 / np.sqrt(x), dtypes=BOTH, cuts=True),
    _f("cbrt", _cbrt, np.cbrt),
    _f("square", lambda x: x * x, np.square, dtypes=BOTH, primitives=("square", "integer_pow")),
    _f("reciprocal", _reciprocal, np.reciprocal, dtypes=BOTH, primitives=()),
    _f("abs", abs, np.abs, dtypes=BOTH),
    _f("sign", lambda x: mp.sign(x), np.sign, dtypes=BOTH),
    _f("erf", mp.erf, sp.erf, long_double=False, numpy="scipy.special.erf", centres=(0.92, 1.0)),
    _f("erfc", lambda x: mp.erfc(x) if x < 200 else mp.mpf(0), sp.erfc, long_double=False,
       numpy="scipy.special.erfc", centres=(0.5, 10.0, 26.5)),
    _f("erf_inv", _erf_inv, sp.erfinv, long_double=False, numpy="scipy.special.erfinv",
       centres=(0.0, 0.5, 0.9, 0.99, 1.0), low=-1, high=1),
    _f("lgamma", _lgamma, sp.gammaln, long_double=False, numpy="scipy.special.gammaln",
       centres=(1.0, 2.0, -2.4570247, -2.7476827, -3.1435808, -3.9552943, -4.0393618)),
    _f("digamma", _digamma, sp.psi, long_double=False, numpy="scipy.special.psi",
       centres=(1.4616321, -0.5040831, -1.5734985, -2.6107209, -10.0)),
    _f("bessel_i0e", _scaled_bessel(0), sp.i0e, long_double=False, numpy="scipy.special.i0e",
       centres=(8.0,)),
    _f("bessel_i1e", _scaled_bessel(1), sp.i1e, long_double=False, numpy="scipy.special.i1e",
       centres=(8.0,)),
    _f("sinc", _sinc, _fast_sinc, long_double=False, numpy="numpy.sinc", path="numpy.sinc",
       centres=(1.0, 2.0, 10.0)),
    _f("i0", lambda x: mp.besseli(0, x) if abs(x) < 800 else mp.inf, sp.i0, long_double=False,
       numpy="numpy.i0", path="numpy.i0"),
    _f("softplus", _softplus, lambda x: np.logaddexp(x, 0), path="nn.softplus"),
    _f("silu", lambda x: x * _logistic(x), lambda x: x * _fast_logistic(x), path="nn.silu"),
    _f("gelu_exact", _gelu, lambda x: x * sp.erfc(-x / np.sqrt(2.0)) / 2, long_double=False,
       path="nn.gelu_exact"),
    _f("atan2", _atan2, np.arctan2, arity=2),
    _f("pow", _pow, np.power, arity=2, dtypes=BOTH),
    _f("mul", lambda x, y: x * y, np.multiply, arity=2, dtypes=BOTH,
       primitives=("mul", "add", "sub", "add_any", "neg")),
    _f("div", _div, np.divide, arity=2, dtypes=BOTH),
    _f("rem", lambda x, y: None if y == 0 else _fmod(x, y), np.fmod, arity=2),
    _f("hypot", _hypot, np.hypot, arity=2, path="numpy.hypot"),
    _f("logaddexp", _logaddexp, np.logaddexp, arity=2, path="numpy.logaddexp"),
    _f("igamma", _igamma, sp.gammainc, long_double=False, numpy="scipy.special.gammainc",
       arity=2, slow=True, low=1e-3, high=300),
    _f("igammac", _igammac, sp.gammaincc, long_double=False, numpy="scipy.special.gammaincc",
       arity=2, slow=True, low=1e-3, high=300),
    _f("zeta", _zeta, sp.zeta, long_double=False, numpy="scipy.special.zeta", arity=2, slow=True,
       low=1.01, high=60),
    _f("polygamma", _polygamma, arity=2, slow=True, low=1, high=40),
    _f("betainc", _betainc, sp.betainc, long_double=False, numpy="scipy.special.betainc",
       arity=3, slow=True, low=1e-2, high=100, primitives=("regularized_incomplete_beta",)),
)


def _fmod(x: Any, y: Any) -> Any:
    """The rest of the truncated quotient, exact: both are fractions with powers of two below."""
    shift = mp.mpf(2) ** 1100
    rest = abs(int(x * shift)) % abs(int(y * shift))
    return mp.sign(x) * mp.mpf(rest) / shift


BY_NAME = {function.name: function for function in FUNCTIONS}
# Elementwise primitives whose results are exact or whose values are no numbers, and the
# derivatives of distributions, which are measured by their own tests.
EXEMPT = {
    "max", "min", "clamp", "select_n", "floor", "ceil", "round", "is_finite", "nextafter", "eq",
    "ne", "lt", "le", "gt", "ge", "eq_to", "le_to", "lt_to", "real", "imag", "complex", "conj",
    "copy", "stop_gradient", "stage", "name", "convert_element_type", "reduce_precision",
    "and", "or", "xor", "not", "shift_left", "shift_right_logical", "shift_right_arithmetic",
    "population_count", "clz", "mulhi", "threefry2x32_word", "threefry2x32_xor",
    "igamma_grad_a", "random_gamma_grad",
}
