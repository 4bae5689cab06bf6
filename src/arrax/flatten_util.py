"""Pytrees of arrays as one flat vector."""
from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from arrax.core.lazy import listing as _listing
import arrax.numpy as jnp
from arrax import lax
from arrax.core import dtypes
from arrax.core.pytree import tree_flatten, tree_unflatten

__all__ = ["ravel_pytree"]


def ravel_pytree(pytree: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Flatten and concatenate the leaves of a pytree of arrays.

    Args:
      pytree: arrays and scalars in a pytree.

    Returns:
      A pair: the vector, of the dtype that the leaves promote to, and the function that turns a
      vector of that size and dtype back into a pytree with the leaves' shapes and dtypes. Where the
      leaves have one dtype, the vector may have another, which its parts then keep.

    Example:
      >>> flat, unravel = ravel_pytree({'a': jnp.ones(2), 'b': 3.0})
      >>> unravel(2 * flat)
      {'a': Array([2., 2.], dtype=float32), 'b': Array(6., dtype=float32)}
    """
    leaves, treedef = tree_flatten(pytree)
    flat, unravel_leaves = _ravel_leaves(leaves)
    return flat, lambda vector: tree_unflatten(treedef, unravel_leaves(vector))


def _ravel_leaves(leaves: list[Any]) -> tuple[Any, Callable[[Any], list[Any]]]:
    if not leaves:
        return jnp.zeros(0, dtypes.default_float_dtype()), lambda vector: []
    leaf_dtypes = [dtypes.dtype_of(leaf) for leaf in leaves]
    shapes = [jnp.shape(leaf) for leaf in leaves]
    to_dtype = dtypes.result_type(*leaf_dtypes)
    ends = [0]
    for leaf in leaves:
        ends.append(ends[-1] + jnp.size(leaf))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # complex leaves to a real vector and back
        flat = jnp.concatenate([jnp.ravel(jnp.asarray(leaf)).astype(to_dtype) for leaf in leaves])

    def unravel(vector: Any) -> list[Any]:
        _check_vector(vector, flat.shape,
                      None if all(dtype == to_dtype for dtype in leaf_dtypes) else to_dtype)
        parts = [lax.slice_in_dim(vector, start, end).reshape(shape)
                 for start, end, shape in zip(ends, ends[1:], shapes, strict=False)]
        if all(dtype == to_dtype for dtype in leaf_dtypes):
            return parts
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # complex to real: the imaginary part is zero
            return [lax.convert_element_type(part, dtype)
                    for part, dtype in zip(parts, leaf_dtypes, strict=True)]

    return flat, unravel


def _check_vector(vector: Any, shape: tuple[int, ...], dtype: Any) -> None:
    if jnp.shape(vector) != shape:
        raise ValueError("unravel function given an array of shape "
                         f"{jnp.shape(vector)}, but expected shape {shape}")
    found = dtypes.dtype_of(vector)
    if dtype is not None and found != dtype:
        raise TypeError(f"unravel function given array of dtype {found}, "
                        f"but expected dtype {dtype}")

__dir__ = _listing(__name__)
