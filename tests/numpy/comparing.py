"""Comparison of arrax.numpy with NumPy, eagerly and compiled."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import arrax
import arrax.numpy as jnp


def leaves(value: Any) -> list[Any]:
    """The arrays of nested lists and tuples."""
    if isinstance(value, (list, tuple)):
        return [leaf for v in value for leaf in leaves(v)]
    return [value]


def assert_same(found: Any, expected: Any, tolerance: float = 1e-5) -> None:
    """Equal shapes, and values up to rounding; dtypes may be narrower than NumPy's."""
    found, expected = leaves(found), leaves(expected)
    assert len(found) == len(expected)
    for mine, theirs in zip(found, expected, strict=True):
        theirs = np.asarray(theirs)
        assert mine.shape == theirs.shape
        if theirs.dtype.kind in "fc":
            np.testing.assert_allclose(np.asarray(mine), theirs, rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(np.asarray(mine), theirs)


def check(function: Callable[[Any, Any], Any], *operands: Any, compiled: bool = True,
          tolerance: float = 1e-5) -> None:
    """`function(np, *operands)` by NumPy equals that by arrax, eagerly and under jit.

    NumPy's floats are computed in float64 of the same float32 operands.
    """
    wide = [o.astype(np.float64) if o.dtype == np.float32 else
            o.astype(np.complex128) if o.dtype == np.complex64 else o for o in operands]
    with np.errstate(all="ignore"):
        expected = function(np, *wide)
    arrays = [jnp.asarray(o) for o in operands]
    assert_same(function(jnp, *arrays), expected, tolerance)
    if compiled:
        assert_same(arrax.jit(lambda *a: function(jnp, *a))(*arrays), expected, tolerance)


def check_gradient(function: Callable[..., Any], *operands: Any,
                   argnums: Sequence[int] | None = None) -> None:
    """The gradient of a weighted sum of results equals central differences in a random direction.
    """
    def loss(*args: Any) -> Any:
        total = 0.0
        for value in leaves(function(jnp, *args)):
            if jnp.issubdtype(value.dtype, jnp.floating):
                weights = np.cos(np.arange(value.size)).reshape(value.shape).astype(value.dtype)
                total = total + jnp.sum(value * weights)
        return total
    with arrax.enable_x64(True):
        args = [jnp.asarray(np.asarray(o, np.float64)) for o in operands]
        numbers = tuple(range(len(args))) if argnums is None else tuple(argnums)
        gradients = arrax.grad(loss, argnums=numbers)(*args)
        random = np.random.RandomState(7)
        for position, gradient in zip(numbers, gradients, strict=True):
            direction = random.randn(*args[position].shape)
            step = 1e-6

            def moved(by: float, at: int = position, along: Any = direction) -> float:
                shifted = list(args)
                shifted[at] = args[at] + by * along
                return float(loss(*shifted))
            slope = (moved(step) - moved(-step)) / (2 * step)
            found = float(np.sum(np.asarray(gradient) * direction))
            np.testing.assert_allclose(found, slope, rtol=1e-5, atol=1e-6)
