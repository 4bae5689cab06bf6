"""Writes docs/accuracy.md from `measured.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tools.accuracy.functions import BY_NAME, FUNCTIONS
from tools.accuracy.measure import load

PAGE = Path(__file__).parent.parent.parent / "docs" / "accuracy.md"
GOALS = {"float32": {"exp": 1, "log": 1, "sin": 1, "cos": 1, "tan": 1, "tanh": 1, "erf": 1}}
OTHERS = {"float16": 2.0, "bfloat16": 2.0, "float32": 2.0, "float64": 1.5}

HEAD = """# Accuracy of elementwise functions

Made by `python -m tools.accuracy write` from `tools/accuracy/measured.json`; a test measures a
sample again and compares.

The numbers are the largest errors found, in ulp: units in the last place of the exact result. An
exact result that is rounded once errs by at most 0.5. "eager" is an operation on a small array
(NumPy, SciPy, the native library), "compiled" the vector code of `jit`, which eager functions of
4,096 elements and more use too. NumPy's and JAX's columns (JAX 0.10.2 on the CPU) are for the
same points.

- **points**: `all` means every number of the format (float16 and bfloat16; float32 where it says
  so), else how many were tried: every n-th number of float32 and all near the hard places,
  random bits, several magnitudes, multiples of π/2, neighbours of zeros and of the edges of
  approximations. Exact values are computed by mpmath, or by float64 or long double where that is
  enough, and then the worst points again by mpmath.
- Operands and results that are subnormal count in arrax's columns in parentheses, where they change
  the number. JAX flushes them to zero.
- Complex results: errors of the parts in ulp of the larger part; after a slash the largest error of
  a part in its own ulp, which cancellation may make large.
- `∞`: NaN or infinity for a number, or the reverse. Large numbers are written as powers of ten.
- **Bold** numbers miss the goal: float32 1 ulp for exp, log, sin, cos, tan, tanh and erf, 2 for the
  others; float64 1.5.

Measured on x86-64 with AVX-512. The vector code is the same on machines without it but for the
last step of exponentials, which rounds alike; NumPy's own loops differ there.
"""

NOTES = """
## Where the goal is missed, and why

- **erf_inv** of float32 is Giles' polynomial, of float64 his other one: random normal numbers are
  made of it and have the same bits as JAX's.
- **lgamma, digamma** of float64 next to their zeros on the negative axis: the result is a
  difference of numbers of size 1; absolute errors stay below 1e-15.
- **log2, log10, logaddexp, softplus, silu, gelu, hypot, sinc, i0** are compositions of primitives,
  nearly all as in JAX.
- **bessel_i0e, bessel_i1e** of float64: one polynomial over [0, 8], eager SciPy's.
- **igamma, igammac, betainc, zeta, polygamma** of float64: exponentials of sums of several hundred
  magnify the sum's rounding.
- **erfc, acosh, asinh** of float64 are libm's.
- Complex **tanh, tan, expm1, log1p** of complex128 round several times; complex64 computes in
  float64 and rounds once. Products and quotients of complex numbers near the edge of the format
  overflow on the way, and large powers lose the angle, as in JAX.

## Special values

Infinities, NaNs and signed zeros follow the array API standard and Annex G of C (C23 where that
names a value that C99 left open), eager and compiled; `tests/ops/test_special_values.py` goes
through all combinations. Where JAX does otherwise:

| | arrax, the standard | JAX |
| --- | --- | --- |
| `abs(inf + nan j)` | inf | nan |
| `floor_divide(inf, 2)` | inf | nan |
| `floor_divide(-0., 1.)` | -0 | 0 |
| `floor_divide(-1., -inf)` | 0 | -0 |
| `remainder(1., -1.)`, `remainder(-1., 1.)` | -0, 0 | 0, -0 |
| `rsqrt` of infinite complex numbers | 0 | nan |
| subnormal operands and results | kept | flushed to zero |
| derivatives of `sinc` near 0, of `i0` at 0, far out | exact | inexact, 1, nan |

"""


def number(value: float) -> str:
    if value == float("inf"):
        return "∞"
    if value >= 1000:
        mantissa, exponent = f"{value:.0e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def cell(name: str, dtype: str, engine: str, row: dict[str, Any] | None) -> str:
    """One engine's error in words of the page."""
    if row is None:
        return ""
    text = number(row["ulp"])
    ours = engine in ("eager", "compiled")
    goal = GOALS.get(dtype, {}).get(name, OTHERS.get(dtype, float("inf")))
    if ours and row["ulp"] > goal:
        text = f"**{text}**"
    if row.get("parts", 0) > row["ulp"]:
        text += f" / {number(row['parts'])}"
    if ours and row["every"] > row["ulp"] and number(row["every"]) != number(row["ulp"]):
        text += f" ({number(row['every'])})"
    return text


def table(dtype: str, data: dict[str, Any]) -> list[str]:
    """The rows of one dtype."""
    engines = ["eager", "compiled", "numpy", "jax"]
    if dtype == "bfloat16":
        engines.remove("numpy")
    titles = {"numpy": "NumPy", "jax": "JAX"}
    lines = [f"## {dtype}", "",
             f"| | {' | '.join(titles.get(e, e) for e in engines)} | points |",
             f"| --- |{' --- |' * (len(engines) + 1)}"]
    for function in FUNCTIONS:
        rows = data.get(function.name, {}).get(dtype)
        if dtype not in function.dtypes or not rows:
            continue
        cells = [cell(function.name, dtype, e, rows.get(e)) for e in engines]
        count = rows.get("compiled", {}).get("points", "")
        lines.append(f"| {function.name} | {' | '.join(cells)} | {count} |")
    return lines


def text() -> str:
    """The page."""
    data = load()
    dtypes = ("float32", "float64", "complex64", "complex128", "float16", "bfloat16")
    lines = [line for dtype in dtypes for line in ["", *table(dtype, data)]]
    return HEAD + "\n".join(lines).lstrip("\n").join(["\n", "\n"]) + NOTES.rstrip("\n") + "\n"


def write() -> None:
    PAGE.write_text(text())


__all__ = ["BY_NAME", "text", "write"]
