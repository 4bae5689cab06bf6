"""Evaluation of the tables' expressions with JAX, abstractly where that is enough: it is faster."""
from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import arrax
from tests.numpy.calls import WIDE, evaluate, names_of, operands
from tests.numpy.calls.outcomes import outcome
from tests.numpy.comparing import leaves

STATIC = frozenset("kijhn")  # masks and indices: their values are known where shapes hang on them


@contextlib.contextmanager
def wide_dtypes(dtype: str) -> Iterator[None]:
    """64-bit dtypes enabled in both libraries, if `dtype` is one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dtype not in WIDE:
            yield
            return
        with jax.enable_x64(True), arrax.enable_x64(True):
            yield


def jax_value(expression: str, dtype: str, module: Any = jnp) -> Any:
    """The value that JAX gives, in wide dtypes if need be."""
    names = names_of(expression)
    given = {n: v if n in STATIC else jnp.asarray(v) for n, v in operands(dtype).items()
             if n in names}
    return evaluate(expression, module, given)


def jax_outcome(expression: str, dtype: str, module: Any = jnp) -> str:
    """The outcome of a call: abstractly, or if that cannot be, by its value."""
    names = names_of(expression)
    known = {n: v for n, v in operands(dtype).items() if n in names}
    fixed = {n: v for n, v in known.items() if n in STATIC}
    traced = {n: v for n, v in known.items() if n not in STATIC}
    plain: list[Any] = []

    def call(given: dict[str, np.ndarray]) -> list[Any]:
        found = leaves(evaluate(expression, module, {**fixed, **given}))
        plain[:] = [None if hasattr(v, "dtype") else v for v in found]
        return [v if hasattr(v, "dtype") else 0 for v in found]
    try:
        found = jax.eval_shape(call, traced)
        return outcome([v if p is None else p for v, p in zip(found, plain, strict=True)])
    except (jax.errors.JAXTypeError, jax.errors.JAXIndexError):
        pass
    except Exception as error:
        return f"!{type(error).__name__}"
    try:
        return outcome(jax_value(expression, dtype, module))
    except Exception as error:
        return f"!{type(error).__name__}"
