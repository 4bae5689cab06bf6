"""Infinities, NaNs, signed zeros, subnormal and huge numbers: the values of the array API standard
and of C99's Annex G, eager and compiled, over all combinations of such numbers.

References: `cmath`, whose tables are Annex G's, for the functions that it has; the standard's own
words for the others. Where the standard leaves the sign of a result open, any sign will do.
"""

from __future__ import annotations

import cmath
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import lax
from arrax.core import config

inf, nan = math.inf, math.nan
PARTS = [0.0, -0.0, 1.0, -1.0, 0.5, -2.0, inf, -inf, nan, 5e-324, -5e-324, 1e308, -1e308]
FLOATS = [*PARTS, 2.5, -2.5, 1e-40, 3.0]


def complex_points(dtype: str) -> Any:
    x = np.empty(len(PARTS) ** 2, dtype)
    with np.errstate(all="ignore"):
        x.real, x.imag = zip(*itertools.product(PARTS, PARTS))
    return x


def both(function: Callable[..., Any], *operands: Any) -> tuple[Any, Any]:
    """The results of an eager call and of a compiled one."""
    with config.enable_x64(True):
        eager = np.asarray(function(*operands))
        return eager, np.asarray(arrax.jit(function)(*operands))


def same_part(got: float, want: float, exact_sign: bool, tolerance: float) -> bool:
    if math.isnan(want):
        return math.isnan(got)
    if math.isinf(want) or want == 0:
        same = abs(got) == abs(want) or (want == 0 and abs(got) < 1e-300)
        return same and (not exact_sign or math.copysign(1, got) == math.copysign(1, want))
    return abs(got - want) <= tolerance * abs(want) + 5e-324


def same(got: complex, want: complex, sure: bool, tolerance: float) -> bool:
    """Whether a result is right; `sure`: the standard names the signs of infinities and zeros."""
    return all(same_part(g, w, sure, tolerance)
               for g, w in ((got.real, want.real), (got.imag, want.imag)))


def is_finite(z: complex) -> bool:
    return math.isfinite(z.real) and math.isfinite(z.imag)


# ---- functions that cmath has -------------------------------------------------------------------

BY_CMATH = ["exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "acos",
            "atan", "asinh", "acosh", "atanh"]


# Where C23 names a value that C99 left NaN: a part that is zero stays zero; acosh keeps the angle.
RENEWED = {
    "tanh": lambda z: z.real == 0 and not math.isfinite(z.imag),
    "tan": lambda z: z.imag == 0 and not math.isfinite(z.real),
    "acosh": lambda z: z.real == 0 and math.isnan(z.imag),
}


@pytest.mark.parametrize("name", BY_CMATH)
def test_complex_functions_have_the_values_of_annex_g(name: str) -> None:
    function, reference = getattr(lax, name), getattr(cmath, name)
    points = complex_points("complex128")
    eager, compiled = both(function, points)
    wrong = []
    checked = 0
    for z, *results in zip(points.tolist(), eager.tolist(), compiled.tolist()):
        try:
            want = reference(z)
        except (ValueError, OverflowError):  # poles and overflow, which cmath reports
            continue
        if name in RENEWED and RENEWED[name](z):
            continue
        checked += 1
        wrong += [(z, got, want) for got in results
                  if not same(got, want, is_finite(z) and is_finite(want), 1e-14)]
    assert checked > 60
    assert not wrong, wrong[:10]


ALL_COMPLEX = [*BY_CMATH, "expm1", "log1p", "logistic", "sign", "square", "abs", "rsqrt", "exp2"]


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("name", ALL_COMPLEX)
def test_compiled_complex_functions_agree_with_eager_ones(name: str, dtype: str) -> None:
    points = complex_points(dtype)
    eager, compiled = both(getattr(lax, name), points)
    tolerance = 1e-6 if dtype == "complex64" else 1e-13
    wrong = [(z, x, y) for z, x, y in zip(points.tolist(), eager.tolist(), compiled.tolist())
             if not same(complex(y), complex(x), False, tolerance)]
    assert not wrong, wrong[:10]


# ---- functions of the array API standard alone ---------------------------------------------------

EXPM1 = [
    (complex(0.0, 0.0), complex(0.0, 0.0)), (complex(-0.0, 0.0), complex(-0.0, 0.0)),
    (complex(1.0, inf), complex(nan, nan)), (complex(1.0, nan), complex(nan, nan)),
    (complex(inf, 0.0), complex(inf, 0.0)), (complex(-inf, 1.0), complex(-1.0, 0.0)),
    (complex(inf, 1.0), complex(inf, inf)), (complex(-inf, inf), complex(-1.0, 0.0)),
    (complex(inf, inf), complex(inf, nan)), (complex(-inf, nan), complex(-1.0, 0.0)),
    (complex(inf, nan), complex(inf, nan)), (complex(nan, 0.0), complex(nan, 0.0)),
    (complex(nan, 1.0), complex(nan, nan)), (complex(nan, nan), complex(nan, nan)),
]
ABS = [(complex(a, b), complex(inf)) for a, b in itertools.product(PARTS, PARTS)
       if math.isinf(a) or math.isinf(b)] + [(complex(nan, 1.0), complex(nan))]
SIGN = [
    (complex(0.0, 0.0), complex(0.0, 0.0)), (complex(-0.0, -0.0), complex(-0.0, -0.0)),
    (complex(3.0, -4.0), complex(0.6, -0.8)), (complex(nan, 1.0), complex(nan, nan)),
    (complex(1.0, nan), complex(nan, nan)), (complex(1e308, 0.0), complex(1.0, 0.0)),
    (complex(0.0, -5e-324), complex(0.0, -1.0)),
]
SQUARE = [(complex(1e200, 1e200), complex(0.0, inf)), (complex(1e200, -1e200), complex(0.0, -inf)),
          (complex(0.0, 1e200), complex(-inf, 0.0))]
LOGISTIC = [(complex(inf, 1.0), complex(1.0, 0.0)), (complex(-inf, 1.0), complex(0.0, 0.0)),
            (complex(800.0, 1.0), complex(1.0, 0.0)), (complex(-800.0, 1.0), complex(0.0, 0.0))]
TANH = [(complex(0.0, inf), complex(0.0, nan)), (complex(-0.0, nan), complex(-0.0, nan)),
        (complex(inf, nan), complex(1.0, 0.0)), (complex(-inf, 2.0), complex(-1.0, 0.0))]
ACOSH = [(complex(0.0, nan), complex(nan, math.pi / 2))]
RSQRT = [(complex(inf, inf), complex(0.0, 0.0)),
         (complex(5e-324, 0.0), complex(1 / math.sqrt(5e-324), 0.0))]
TABLES = {"tanh": TANH, "acosh": ACOSH, "rsqrt": RSQRT, "expm1": EXPM1, "abs": ABS, "sign": SIGN,
          "square": SQUARE, "logistic": LOGISTIC}


@pytest.mark.parametrize("name", TABLES)
def test_complex_functions_have_the_values_of_the_standard(name: str) -> None:
    points = np.array([z for z, _ in TABLES[name]])
    for results in both(getattr(lax, name), points):
        for (z, want), got in zip(TABLES[name], results.tolist()):
            assert same(complex(got), want, is_finite(z), 1e-14), (z, got, want)


def test_second_powers_are_squares() -> None:
    x = np.array([1e20 + 1e20j, 1e19 - 1j, 1 + 2j], np.complex64)
    for results in both(lambda x: x ** 2, jnp.asarray(x)):
        assert results.dtype == np.complex64
        assert results.tolist()[0] == complex(0, inf)
        np.testing.assert_allclose(results[1:], (x[1:].astype(np.complex128) ** 2), rtol=1e-6)


# ---- real functions -----------------------------------------------------------------------------

BY_MATH = ["exp", "expm1", "log", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh",
           "cosh", "tanh", "asinh", "acosh", "atanh", "sqrt", "cbrt", "erf", "erfc", "exp2"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BY_MATH)
def test_real_functions_have_the_values_of_c(name: str, dtype: str) -> None:
    reference = np.cbrt if name == "cbrt" else np.exp2 if name == "exp2" else getattr(math, name)
    with np.errstate(all="ignore"):
        points = np.array(FLOATS, dtype)
        exact = []
        for x in points.tolist():
            try:
                exact.append(float(reference(x)))
            except (ValueError, OverflowError):
                exact.append(float(getattr(np, {"asin": "arcsin", "acos": "arccos", "atanh":
                                                "arctanh", "acosh": "arccosh"}.get(name, name))(x)))
        want = np.array(exact).astype(dtype).tolist()
    for results in both(getattr(lax, name), points):
        for x, w, got in zip(points.tolist(), want, results.tolist()):
            assert same_part(got, w, True, 1e-6 if dtype == "float32" else 1e-15), (x, got, w)


# ---- floor division and remainder ----------------------------------------------------------------

def floor_quotient(a: float, b: float) -> float:
    if math.isnan(a) or math.isnan(b) or math.isinf(a) and math.isinf(b) or a == b == 0:
        return nan
    sign = math.copysign(1, a) * math.copysign(1, b)
    if math.isinf(a) or b == 0:
        return sign * inf
    if a == 0:
        return sign * 0.0
    return (0.0 if sign > 0 else -1.0) if math.isinf(b) else a // b


def floor_rest(a: float, b: float) -> float:
    if math.isnan(a) or math.isnan(b) or math.isinf(a) or b == 0:
        return nan
    if a == 0:
        return math.copysign(0.0, b)
    if math.isinf(b):
        return a if (a > 0) == (b > 0) else b
    return a % b


def standard_quotient(a: float, b: float) -> float:
    """As the array API standard: a number over an infinity is a zero."""
    return a / b if math.isinf(b) and math.isfinite(a) else floor_quotient(a, b)


DIVISIONS = [
    ("floor_divide", jnp.floor_divide, standard_quotient), ("remainder", jnp.remainder, floor_rest),
    ("divmod quotient", lambda x, y: jnp.divmod(x, y)[0], floor_quotient),
    ("divmod rest", lambda x, y: jnp.divmod(x, y)[1], floor_rest),
]


@pytest.mark.parametrize(("function", "reference"), [row[1:] for row in DIVISIONS],
                         ids=[row[0] for row in DIVISIONS])
def test_division_of_floats(function: Any, reference: Any) -> None:
    x, y = (np.ravel(v) for v in np.meshgrid(FLOATS, FLOATS, indexing="ij"))
    for results in both(function, x, y):
        for a, b, got in zip(x.tolist(), y.tolist(), results.tolist()):
            want = reference(a, b)
            assert same_part(got, want, True, 1e-15), (a, b, got, want)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_division_of_integers(dtype: str) -> None:
    info = np.iinfo(dtype)
    numbers = np.array([0, 1, 2, 3, 7, info.max, info.min, info.max - 1] + (
        [-1, -2, -7, info.min + 1] if info.min else []), dtype)
    x, y = (np.ravel(v) for v in np.meshgrid(numbers, numbers[numbers != 0], indexing="ij"))
    for function, index in ((jnp.floor_divide, 0), (jnp.remainder, 1)):
        for results in both(function, x, y):
            for a, b, got in zip(x.tolist(), y.tolist(), results.tolist()):
                want = divmod(a, b)[index]
                assert (got - want) % (info.max - info.min + 1) == 0, (a, b, got, want)
