"""Types of programs outside arrax whose values may be operands.

Two tables, filled by `interpreters.xla`'s users: `canonicalizers[type](value)` gives a NumPy array
of a dtype that arrays have, `aval_mappings[type](value)` its aval. Both have an entry for NumPy's
arrays, so that a type that wraps them can take it over; a type is found by its bases too.
`abstract_types` have an aval only, as `ShapeDtypeStruct`: a program that is traced may return them.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from arrax.core import dtypes

canonicalizers: dict[type, Callable[[Any], np.ndarray]] = {
    np.ndarray: lambda value: np.asarray(value, dtypes.numeric_dtype(np.asarray(value)))}
abstract_types: set[type] = set()  # their values have an aval and no data: they can be traced only


def converted(value: Any) -> np.ndarray | None:
    """A value of a registered type as a NumPy array; None if its type is not registered."""
    handler = found(canonicalizers, value)
    return None if handler is None else np.asarray(handler(value))


def found(table: dict[type, Callable[[Any], Any]], value: Any) -> Callable[[Any], Any] | None:
    """The entry for the type of `value`, or for the nearest of its bases."""
    for kind in type(value).__mro__:
        if kind in table:
            return table[kind]
    return None
