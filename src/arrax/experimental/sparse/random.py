"""`arrax.experimental.sparse.random`: random sparse arrays.

Source: `jax.experimental.sparse.random`.
"""
from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax import numpy as jnp
from arrax import random
from arrax.core.dtypes import canonicalize_dtype
from arrax.core.lazy import listing as _listing
from arrax.experimental.sparse import _entries as entries
from arrax.experimental.sparse._arrays import BCOO
from arrax.transforms.api_vmap import vmap

__all__ = ["random_bcoo"]


def random_bcoo(key: Any, shape: Sequence[int], *, dtype: Any = jnp.float64,
                indices_dtype: Any = None, nse: float = 0.2, n_batch: int = 0, n_dense: int = 0,
                unique_indices: bool = True, sorted_indices: bool = False,
                generator: Callable[..., Any] = random.uniform, **kwds: Any) -> BCOO:
    """A BCOO with random elements at random places.

    Args:
      key: a random key.
      shape: the shape.
      dtype, indices_dtype: the dtypes; of indices by default int32.
      nse: how many elements to store per batch, or, below 1, which part of all.
      n_batch, n_dense: how many of the first and last axes are batch and dense axes.
      unique_indices: whether the places are different.
      sorted_indices: whether they are in order.
      generator: makes the elements of a key, a shape and a dtype, and `**kwds`.

    Errors: ValueError for `nse` that is negative or more than there are places for.

    Source: `jax.experimental.sparse.random_bcoo`.
    """
    shape = tuple(map(operator.index, shape))
    if n_batch < 0 or n_dense < 0 or n_batch + n_dense > len(shape):
        raise ValueError(f"random_bcoo: n_batch={n_batch} and n_dense={n_dense} do not fit shape "
                         f"{shape}")
    last = len(shape) - n_dense
    batch, sparse, dense = shape[:n_batch], shape[n_batch:last], shape[last:]
    size = math.prod(sparse)
    if nse < 0 or unique_indices and nse > max(size, 1):
        raise ValueError(f"random_bcoo: nse={nse} of {size} places")
    count = math.ceil(nse * size) if 0 < nse < 1 else int(nse)
    place_key, data_key = random.split(key)
    index_dtype = np.dtype(indices_dtype or np.int32)
    dtype = canonicalize_dtype(dtype)

    def places(key: Any) -> Any:
        if not sparse:
            return jnp.zeros((count, 0), index_dtype)
        flat = (random.choice(key, size, (count,), replace=False) if unique_indices else
                random.randint(key, (count,), 0, size))
        flat = jnp.sort(flat) if sorted_indices else flat
        return entries.reshaped(flat[:, None], (size,), sparse).astype(index_dtype)
    keys = random.split(place_key, math.prod(batch))
    indices = vmap(places)(keys).reshape(*batch, count, len(sparse)) if batch else \
        places(place_key)
    data = generator(data_key, (*batch, count, *dense), dtype=dtype, **kwds)
    return BCOO((data, indices), shape=shape, indices_sorted=sorted_indices,
                unique_indices=unique_indices)

__dir__ = _listing(__name__)
