"""What operators, ufuncs and indices give for each dtype and each kind of Python value: a table.

A case is an expression of `x` and, for most, `y`; the operands run through arrays of all dtypes
(`arrays`) and Python's and NumPy's values (`PYTHON`). The outcome is in words
(`calls.outcomes.outcome`), errors by class. `refusals.tsv` holds JAX 0.10.2's, a line a case and
left operand; `python -m tests.parity.record_refusals` writes it.
"""
from __future__ import annotations

import operator
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np

from tests.numpy.calls.outcomes import outcome

TABLE = Path(__file__).with_name("refusals.tsv")
DTYPES = ("bool", "int8", "int32", "uint32", "bfloat16", "float32", "complex64", "int4",
          "float8_e4m3fn")
PYTHON: dict[str, Any] = {
    "True": True, "1": 1, "1.5": 1.5, "1j": 1j, "'a'": "a", "b'a'": b"a", "None": None,
    "...": ..., "[]": [], "[1]": [1], "[1.5]": [1.5], "[True]": [True], "(1,)": (1,), "()": (),
    "{}": {}, "{1}": {1}, "object()": object(), "int": int, "slice(1)": slice(1),
    "np.str_('a')": np.str_("a"), "np.array('a')": np.array("a"),
    "np.array(None)": np.array(None), "np.datetime64(1,'s')": np.datetime64(1, "s"),
    "np.longdouble(1)": np.longdouble(1), "np.float32(1)": np.float32(1),
    "np.int64(1)": np.int64(1), "np.bool_(1)": np.bool_(1),
    "np.ones(2)": np.ones(2), "np.ones(2,int)": np.ones(2, int)}
OPERATORS: dict[str, Callable[..., Any]] = {
    "x + y": operator.add, "x - y": operator.sub, "x * y": operator.mul,
    "x / y": operator.truediv, "x // y": operator.floordiv, "x % y": operator.mod,
    "divmod(x, y)": divmod, "x ** y": operator.pow, "x @ y": operator.matmul,
    "x & y": operator.and_, "x | y": operator.or_, "x ^ y": operator.xor,
    "x << y": operator.lshift, "x >> y": operator.rshift, "x == y": operator.eq,
    "x != y": operator.ne, "x < y": operator.lt, "x <= y": operator.le, "x > y": operator.gt,
    "x >= y": operator.ge}
UNARY: dict[str, Callable[..., Any]] = {
    "-x": operator.neg, "+x": operator.pos, "~x": operator.invert, "abs(x)": abs,
    "round(x)": round, "round(x, 0)": lambda x: round(x, 0), "round(x, 1)": lambda x: round(x, 1),
    "round(x, -1)": lambda x: round(x, -1), "round(x, 1.5)": lambda x: round(x, 1.5),  # type: ignore[call-overload]
    "bool(x[0])": lambda x: bool(x[0]), "int(x[0])": lambda x: int(x[0]),
    "float(x[0])": lambda x: float(x[0]), "complex(x[0])": lambda x: complex(x[0]),
    "index(x[0])": lambda x: operator.index(x[0]), "len(x)": len, "hash(x)": hash,
    "bool(x)": bool, "1 in x": lambda x: 1 in x, "[1] in x": lambda x: [1] in x}
INDEXING: dict[str, Callable[..., Any]] = {
    "x[y]": operator.getitem, "x.at[y].get()": lambda x, y: x.at[y].get(),
    "x.at[y].set(0)": lambda x, y: x.at[y].set(0), "x.at[y].add(1)": lambda x, y: x.at[y].add(1),
    "x.at[0].set(y)": lambda x, y: x.at[0].set(y), "x[y, 0]": lambda x, y: x[y, 0],
    "x[0, y]": lambda x, y: x[0, y], "x[None, y]": lambda x, y: x[None, y],
    "x[y:]": lambda x, y: x[y:], "x[::y]": lambda x, y: x[::y], "y in x": lambda x, y: y in x}
FUNCTIONS = {
    1: ("abs absolute acos acosh angle arccos arccosh arcsin arcsinh arctan arctanh asin asinh "
        "atan atanh bitwise_count bitwise_invert bitwise_not cbrt ceil conj conjugate cos cosh "
        "deg2rad degrees exp exp2 expm1 fabs floor frexp i0 imag invert iscomplex isfinite "
        "isinf isnan isneginf isposinf isreal log log10 log1p log2 logical_not modf nan_to_num "
        "negative positive rad2deg radians real reciprocal rint round sign signbit sin sinc sinh "
        "spacing sqrt square tan tanh trunc unwrap sort argsort sum prod max min mean std var "
        "all any argmax argmin cumsum cumprod ptp median nansum nanmax nanmean nanstd nanargmax "
        "count_nonzero diff ediff1d trace tril diag packbits unpackbits bincount"),
    2: ("add arctan2 atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift "
        "bitwise_xor copysign divide divmod equal float_power floor_divide fmax fmin fmod gcd "
        "greater greater_equal heaviside hypot lcm ldexp left_shift less less_equal logaddexp "
        "logaddexp2 logical_and logical_or logical_xor maximum minimum mod multiply nextafter "
        "not_equal polyval pow power remainder right_shift subtract true_divide dot matmul inner "
        "outer vdot kron cross where isclose allclose array_equal append searchsorted digitize "
        "isin intersect1d take interp convolve")}
Call = Callable[..., Any]


def arrays(library: ModuleType, module: ModuleType) -> dict[str, Any]:
    """One vector of two ones for each dtype, and two typed keys."""
    made = {name: module.array(np.ones(2), dtype=getattr(ml_dtypes, name, name))
            for name in DTYPES}
    return {**made, "key": library.random.split(library.random.key(0))}


def cases(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """All expressions with `x` and `y`, and those of `x` alone."""
    functions: dict[str, Callable[..., Any]] = {}
    for count, names in FUNCTIONS.items():
        for name in names.split():
            functions[f"{name}({'x' if count == 1 else 'x, y'})"] = getattr(module, name)
    functions["where(x, x, y)"] = lambda x, y: module.where(x, x, y)
    del functions["where(x, y)"]
    return {**UNARY, **OPERATORS, **INDEXING, **functions}


def result(call: Call, *operands: Any) -> str:
    """The outcome of a call in words."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return outcome(call(*operands)).replace(" ", "")
        except Exception as error:
            return f"!{type(error).__name__}"


@dataclass(frozen=True)
class Line:
    """A case with one operand fixed, and the operands by the name of the other."""

    text: str
    case: str
    call: Call
    operands: Mapping[str, tuple[Any, ...]]


def lines(library: ModuleType, module: ModuleType) -> Iterator[Line]:
    """The lines of the table with the operands of a library."""
    made = arrays(library, module)
    for case, call in cases(module).items():
        if not re.search(r"\by\b", case):
            yield Line(case, case, call, {n: (v,) for n, v in {**made, **PYTHON}.items()})
            continue
        plain = case in OPERATORS or case in INDEXING
        for left, x in made.items():
            others = {**made, **PYTHON} if plain or left in ("int32", "float32") else made
            yield Line(f"{case} of {left}", case, call, {n: (x, y) for n, y in others.items()})
        for right in () if case in INDEXING else ("int32", "float32"):
            yield Line(f"{case} with y {right}", case, call,
                       {n: (x, made[right]) for n, x in PYTHON.items()})
