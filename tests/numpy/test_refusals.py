"""Operators, functions and indices refuse what JAX refuses, for each dtype and Python value, with
an error of the user's, and give JAX's dtypes for what it takes: eagerly and traced."""
from __future__ import annotations

import re
import sys
from typing import Any

import pytest

import arrax
import arrax.numpy as jnp
from tests.numpy import refusals
from tests.numpy.calls.outcomes import expanded

RECORDED = dict(line.split("\t") for line in refusals.TABLE.read_text().splitlines())
LINES = list(refusals.lines(arrax, jnp))
ARRAYS = refusals.arrays(arrax, jnp)
CASES = refusals.cases(jnp)
ERRORS = (TypeError, ValueError, IndexError, NotImplementedError)
# (case, operands as `left, right` or `operand`) where arrax takes more than JAX …
HASHABLE = [r"hash\(x\): slice.*"] if sys.version_info >= (3, 12) else []  # Python's own slices
MORE = [re.compile(pattern) for pattern in (
    r".*: (.*\bint4|.*\bfloat8_e4m3fn)\b.*",  # narrow dtypes, where JAX has no rule or lowering
    r"round.*: (bool|True|np.bool_\(1\))",  # bools, as integers
    r"round\(x, -1\): .*",  # integers, to tens
    r"x.*\[.*\by\b.*\].*: .*, np.bool_\(1\)",  # AssertionError in JAX
    r"x\[(::)?y:?\]: .*, np.array\(None\)",  # no bound
    r"array_equal\(x, y\): .*np.longdouble.*",  # converted, as `asarray` does
    r"kron\(x, y\): bool, bool", *HASHABLE)]
# … takes less, or gives another dtype.
LESS = [re.compile(pattern) for pattern in (
    r"(nan)?arg(max|min)\(x\): (complex64|key|1j)",  # which JAX takes until it runs
    r"ldexp\(x, y\): .*int4", r"diag\(x\): key", r"(isclose|allclose)\(x, y\): key, key",
    r"imag\(x\): key",  # which JAX gives keys
    r"x\[::y\]: .*, np.bool_\(1\)")]
OTHER = [re.compile(pattern) for pattern in (
    r"len\(x\): .*",  # an int; the recording's is its tracer
    # weak types of scalars
    r"(angle|isinf|isneginf|isposinf|logical_not|signbit|sinc)\(x\): .*",
    r"(heaviside|logaddexp|isin|intersect1d)\(x, y\): .*")]


def known(patterns: list[re.Pattern[str]], what: str) -> bool:
    return any(pattern.fullmatch(what) for pattern in patterns)


# Errors of a dict itself.
PYTHONS = {f"{name}(x[0]): {{}}" for name in ("bool", "int", "float", "complex", "index")}


def judge(what: str, call: refusals.Call, operands: tuple[Any, ...], expected: str) -> str:
    """What is wrong with the outcome, or nothing."""
    found = refusals.result(call, *operands)
    if expected.startswith("!"):
        if not found.startswith("!"):
            return "" if known(MORE, what) else f"{what} gives {found}, JAX refuses ({expected})"
        try:
            call(*operands)
        except ERRORS:
            return ""
        except Exception as error:
            return "" if what in PYTHONS else f"{what} raises {error!r}"
    if found.startswith("!"):
        return "" if known(LESS, what) else f"{what} raises {found}, JAX gives {expected}"
    same = found == expected or known(OTHER, what)
    return "" if same else f"{what} gives {found}, JAX gives {expected}"


@pytest.mark.parametrize("line", LINES, ids=[line.text for line in LINES])
@pytest.mark.filterwarnings("ignore")
def test_line(line: refusals.Line) -> None:
    expected = expanded(RECORDED[line.text], line.operands)
    fixed = line.text.removeprefix(line.case).removeprefix(" of ").removeprefix(" with y ")
    wrong = []
    for name, values in line.operands.items():
        names = [name] if not fixed else [name, fixed] if " with y " in line.text else [fixed, name]
        wrong.append(judge(f"{line.case}: {', '.join(names)}", line.call, values, expected[name]))
    assert not [text for text in wrong if text]


@pytest.mark.parametrize("case", [*refusals.OPERATORS, *refusals.FUNCTIONS[2].split()])
@pytest.mark.filterwarnings("ignore")
def test_tracers_are_refused_as_arrays_are(case: str) -> None:
    call = CASES.get(case) or CASES.get(f"{case}(x, y)")
    if call is None:
        pytest.skip("stands under another name")
    for left, x in ARRAYS.items():
        for right, y in ARRAYS.items():
            eager = refusals.result(call, x, y).startswith("!")
            try:
                arrax.eval_shape(call, x, y)
            except arrax.errors.JAXTypeError:
                continue  # looks at values
            except ERRORS:
                assert eager, (left, right)
            else:
                assert not eager, (left, right)
