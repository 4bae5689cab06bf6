"""Products and parts of matrices: functions of `arrax.numpy.linalg` that differ from those of
`arrax.numpy` in what they accept."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax.core.array import Array
from arrax.core.remembered import remembered
from arrax.numpy import einstein, products, selection, shaping
from arrax.numpy.promotion import as_array
from arrax.transforms.api_placement import sharded
from arrax.typing import ArrayLike, DTypeLike


@remembered
def multi_dot(arrays: Sequence[Any], *, precision: Any = None) -> Array:
    """The product of several matrices (vectors at the ends), in the cheapest order."""
    operands = [as_array("linalg.multi_dot", a, i) for i, a in enumerate(arrays)]
    if len(operands) < 2:
        raise ValueError(f"multi_dot requires at least two arrays; got {len(operands)}")
    names = iter("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    terms = []
    shared = next(names)
    first = "" if operands[0].ndim == 1 else next(names)
    terms.append(first + shared)
    last = ""
    for position, x in enumerate(operands[1:], 1):
        if x.ndim == 1 and position == len(operands) - 1:
            terms.append(shared)
        elif x.ndim == 2:
            following = next(names)
            terms.append(shared + following)
            shared = last = following
        else:
            raise ValueError("multi_dot: the arrays must be matrices, but for vectors at the ends; "
                             f"got shapes {[v.shape for v in operands]}")
    last = shared if operands[-1].ndim == 2 else ""
    return einstein.einsum(f"{','.join(terms)}->{first}{last}", *operands, optimize="auto",
                           precision=precision)


@remembered
def cross(x1: ArrayLike, x2: ArrayLike, /, *, axis: int = -1) -> Any:
    """The cross product of vectors of 3 components."""
    if np.shape(x1)[axis] != 3 or np.shape(x2)[axis] != 3:
        raise ValueError("Both input arrays must be (arrays of) 3-dimensional vectors, but they "
                         f"have shapes {np.shape(x1)} and {np.shape(x2)}")
    return products.cross(x1, x2, axis=axis)


@remembered
def outer(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """The products of each element of one vector with each of another."""
    x, y = as_array("linalg.outer", x1), as_array("linalg.outer", x2, 1)
    if x.ndim != 1 or y.ndim != 1:
        raise ValueError("Input arrays must be one-dimensional, but they are "
                         f"x1.ndim={x.ndim} x2.ndim={y.ndim}")
    return products.outer(x, y)


@remembered
def matmul(x1: ArrayLike, x2: ArrayLike, /, *, precision: Any = None,
           preferred_element_type: DTypeLike | None = None) -> Array:
    """The matrix product; see `arrax.numpy.matmul`."""
    return products.matmul(x1, x2, precision=precision,
                           preferred_element_type=preferred_element_type)


@remembered
@sharded
def tensordot(x1: ArrayLike, x2: ArrayLike, /, *, axes: Any = 2, precision: Any = None,
              preferred_element_type: DTypeLike | None = None, out_sharding: Any = None) -> Array:
    """The product sums over pairs of axes; see `arrax.numpy.tensordot`."""
    return products.tensordot(x1, x2, axes, precision=precision,
                              preferred_element_type=preferred_element_type)


@remembered
def vecdot(x1: ArrayLike, x2: ArrayLike, /, *, axis: int = -1, precision: Any = None,
           preferred_element_type: DTypeLike | None = None) -> Array:
    """The product sums along an axis, the first operand conjugated."""
    return products.vecdot(x1, x2, axis=axis, precision=precision,
                           preferred_element_type=preferred_element_type)


@remembered
def diagonal(x: ArrayLike, /, *, offset: int = 0) -> Array:
    """The diagonals of the matrices in the last two axes."""
    return selection.diagonal(x, offset, -2, -1)


@remembered
def trace(x: ArrayLike, /, *, offset: int = 0, dtype: DTypeLike | None = None) -> Array:
    """The sums of the diagonals of the matrices in the last two axes."""
    return products.trace(x, offset, -2, -1, dtype)


def matrix_transpose(x: ArrayLike, /) -> Array:
    """The matrices in the last two axes transposed."""
    return shaping.matrix_transpose(x)
