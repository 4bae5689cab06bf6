"""The symbolic values of differentiation: zeros without storage, and holes to be transposed."""
from __future__ import annotations

from typing import Any



class Zero:
    """A tangent or cotangent that is zero, of the given aval, never materialized."""

    __slots__ = ("aval",)

    def __init__(self, aval: Any):
        self.aval = aval

    def __repr__(self) -> str:
        return f"Zero({self.aval})"


class UndefinedPrimal:
    """An operand, in a transpose rule, that the operation is linear in."""

    __slots__ = ("aval",)

    def __init__(self, aval: Any):
        self.aval = aval

    def __repr__(self) -> str:
        return f"UndefinedPrimal({self.aval})"


def tangent_aval(aval: Any) -> Any:
    """The aval of tangents: itself for inexact dtypes, `float0` for integers, bools and keys."""
    return aval.to_tangent_aval()


def is_undefined(value: Any) -> bool:
    return type(value) is UndefinedPrimal
