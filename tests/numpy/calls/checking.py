"""What a row of a table must satisfy: NumPy's values, JAX's recorded outcomes, jit as eager."""
from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np

import arrax
import arrax.numpy as jnp
from arrax import errors
from tests.numpy.calls import WIDE, Row, evaluate, operands
from tests.numpy.calls.outcomes import Recorded, differs, known_differences, outcome
from tests.numpy.comparing import leaves

TOLERANCES = {"float16": 6e-3, "bfloat16": 4e-2, "float32": 3e-5, "complex64": 3e-5,
              "float64": 1e-11, "complex128": 1e-11}
UNTRACEABLE = (errors.ConcretizationTypeError, errors.NonConcreteBooleanIndexError)
THOROUGH = ("float32", "int32", "bool")  # dtypes in which all calls of a row are made,
MOST_OTHERS = 4  # and as many in others
MOST_COMPILED = 6  # of a row's calls, since compiling takes most of the time
KNOWN = known_differences()


@contextlib.contextmanager
def settings(dtype: str) -> Iterator[None]:
    """No warnings, and 64-bit dtypes if `dtype` is one."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        with arrax.enable_x64(dtype in WIDE):
            yield


def assert_near(found: Any, expected: Any, what: str, dtype: str, factor: float = 1) -> None:
    """The same shapes, and values up to the rounding of `dtype` or the found one, if that is less.
    """
    ours, theirs = leaves(found), leaves(expected)
    assert len(ours) == len(theirs), what
    for mine, other in zip(ours, theirs, strict=True):
        value, reference = np.asarray(mine), np.asarray(other)
        assert value.shape == reference.shape, f"{what}: {value.shape} != {reference.shape}"
        tolerance = TOLERANCES.get(value.dtype.name, 0) * factor
        if not tolerance:
            if not np.array_equal(value, reference.astype(value.dtype)):
                np.testing.assert_array_equal(value, reference.astype(value.dtype), err_msg=what)
            continue
        common = np.complex128 if value.dtype.kind == "c" else np.float64
        value, reference = value.astype(common), reference.astype(common)
        tolerance = max(tolerance, TOLERANCES.get(dtype, 0))
        finite = np.abs(reference[np.isfinite(reference)])
        scale = tolerance * max(1.0, finite.max() if finite.size else 0.0)
        near = (value == reference) | (np.abs(value - reference) <= scale)
        if not near.all():  # NaNs in the same places are left to NumPy, which is slow but explains
            np.testing.assert_allclose(value, reference, rtol=tolerance, atol=scale, err_msg=what)


def numpy_value(reference: str, dtype: str, functions: Any = np) -> Any:
    """What NumPy says of the same values in dtypes that hold its results without loss.

    Bools stay bools, except where NumPy would compute in float16 or refuses them.
    """
    given = operands(dtype)
    if dtype == "bool":
        with contextlib.suppress(TypeError, np.linalg.LinAlgError):
            found = evaluate(reference, functions, given)
            if not any(getattr(v, "dtype", None) == np.float16 for v in leaves(found)):
                return found
    return evaluate(reference, functions, wide_operands(dtype))


def _wide(name: str, array: np.ndarray) -> np.ndarray:
    if name in "ijkhn":  # indices and masks
        return array
    kinds: Mapping[str, type] = {"b": np.int64, "i": np.int64, "u": np.int64, "c": np.complex128}
    return array.astype(kinds.get(array.dtype.kind, np.float64))


@cache
def arrays(dtype: str) -> dict[str, Any]:
    """The operands as arrays of ours."""
    return {name: jnp.asarray(v) for name, v in operands(dtype).items()}


@cache
def wide_operands(dtype: str) -> Mapping[str, np.ndarray]:
    """The operands in dtypes that hold NumPy's results without loss."""
    return {name: _wide(name, v) for name, v in operands(dtype).items()}


def check_row(row: Row, recorded: Recorded, module: Any = jnp, factor: float = 1) -> None:
    """Raise AssertionError unless all calls of the row, in all dtypes, are as they should be."""
    for dtype in row.dtypes:
        with settings(dtype):
            values = arrays(dtype)
            calls = list(row.calls())
            step = 1 if dtype in THOROUGH else -(-len(calls) // MOST_OTHERS)
            for expression, reference in calls[::step]:
                expected = recorded.outcomes(row, expression)[dtype]
                _check_call(expression, reference, dtype, expected, values, module, factor)
    dtype = "float32" if "float32" in row.dtypes else row.dtypes[-1]
    with settings(dtype):
        _check_compiled(row, dtype, module, factor)


def _check_call(expression: str, reference: str, dtype: str, expected: str,
                values: Mapping[str, Any], module: Any, factor: float) -> None:
    what = f"{expression} of {dtype}"
    same = not differs(expression, dtype, KNOWN)
    try:
        found = evaluate(expression, module, values)
    except Exception as error:
        names = [f"!{c.__name__}" for c in type(error).__mro__]
        if same and expected not in names:
            raise AssertionError(f"{what} should give {expected}") from error
        return
    if same:
        assert outcome(found) == expected, what
    if reference != "?":
        assert_near(found, numpy_value(reference, dtype), what, dtype, factor)
    if dtype in ("float32", "int32"):  # later calls take the remembered way
        for _ in range(3):
            again = evaluate(expression, module, values)
        assert outcome(again) == outcome(found), what
        assert_near(again, found, f"repeated {what}", dtype, factor)


def _check_compiled(row: Row, dtype: str, module: Any, factor: float) -> None:
    """All calls of the row in one compiled program equal those made at once."""
    values = arrays(dtype) | {n: v for n, v in operands(dtype).items() if n in "ijkhn"}
    calls: list[Callable[[Mapping[str, Any]], Any]] = []
    expected = []
    for expression, _ in list(row.calls())[:MOST_COMPILED]:
        def call(given: Mapping[str, Any], expression: str = expression) -> Any:
            found = leaves(evaluate(expression, module, {**values, **given}))
            return [v for v in found if isinstance(v, arrax.Array)]
        try:
            eager = call(values)
            arrax.eval_shape(call, _traced(values))
        except Exception:
            continue  # refused, which `_check_call` judges, or its shapes hang on values
        calls.append(call)
        expected.append(eager)
    together = arrax.jit(lambda given: [call(given) for call in calls])
    for found, eager in zip(together(_traced(values)), expected, strict=True):
        assert_near(found, eager, f"compiled {row.text}", dtype, factor)


def _traced(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in "ijkhn"}
