"""What an op block says about its compilation: the values of `Primitive.lower`.

The compiler dispatches on these classes, never on names of primitives.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Elementwise:
    """`emit(b, *values, **params)` computes one element (or one vector of them).

    `b` is a `kernels.scalar_builder.ScalarBuilder`; values carry their dtype; `b.out_dtype` is the
    dtype of the result.
    """

    emit: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class HostCall:
    """Run by the NumPy evaluation, called from native code, because of `reason`."""

    reason: str
