"""Dtypes of positions along axes.

Positions are int32 as long as axes have fewer than 2**31 elements. Along longer ones, uint32 holds
positions counted from the front, up to 2**32 elements; int64 is there where 64-bit dtypes are
enabled. Results that are positions have the dtype that the program says, so they must fit it.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax.core import config, dtypes
from arrax.core.dimension import Dimension

_int32, _uint32, _int64 = np.dtype(np.int32), np.dtype(np.uint32), np.dtype(np.int64)


def position_dtype(size: int) -> np.dtype[Any]:
    """The dtype of start indices, counted from the front, of an axis of `size` elements.

    Raises:
      ValueError: positions need 64 bits, which are not enabled.
    """
    if not is_beyond(size, _int32):
        return _int32
    if config.enable_x64.value:
        return _int64
    if size <= np.iinfo(np.uint32).max:
        return _uint32
    raise ValueError(f"positions along an axis of {size} elements need 64-bit integers: set the "
                     "flag jax_enable_x64")


def is_beyond(size: Any, dtype: Any) -> bool:
    """Whether an integer dtype cannot hold `size`; symbolic sizes are taken for small ones."""
    return not isinstance(size, Dimension) and bool(size > dtypes.iinfo(dtype).max)


def check_positions(what: str, size: int, dtype: Any) -> None:
    """Refuse a result whose elements are positions below `size` where `dtype` cannot hold them.

    Raises:
      ValueError: names the function, the size and the dtype.
    """
    if not isinstance(dtype, np.dtype) or not dtypes.issubdtype(dtype, np.integer):
        return
    if is_beyond(size - 1, dtype):
        wider = "" if dtype.itemsize >= 8 or config.enable_x64.value else \
            "; the flag jax_enable_x64 enables 64-bit integers"
        raise ValueError(f"{what} returns {dtype.name} positions, which overflow for an axis of "
                         f"{size} elements: the largest is {dtypes.iinfo(dtype).max}{wider}")
