"""Arrays of parts: made from what each device holds. All devices of the CPU engine share memory, so
the parts are written into one buffer."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.array import array_of
from arrax.core.shardings import Sharding, shard_indices
from arrax.transforms.api_placement import device_put


def make_array_from_callback(shape: Sequence[int], sharding: Sharding,
                             data_callback: Callable[[Any], Any], dtype: Any = None) -> Any:
    """An array whose part at `index` is `data_callback(index)`.

    Args:
      shape: of the whole array.
      sharding: which device holds which part.
      data_callback: gets a tuple of slices, gives an array of that part; called once for each.
      dtype: that of the parts if None.

    Raises ValueError for a part of another shape, TypeError for parts of different dtypes.

    Example:
      >>> sharding = arrax.sharding.SingleDeviceSharding(arrax.devices()[0])
      >>> arrax.make_array_from_callback((3,), sharding, lambda index: jnp.arange(3)[index])
      Array([0, 1, 2], dtype=int32)
    """
    _check_sharding("make_array_from_callback", sharding)
    found: dict[Any, Any] = {}
    for _, index in shard_indices(sharding, shape):
        key = tuple((s.start, s.stop) for s in index)
        if key not in found:
            found[key] = index, data_callback(index)
    return _assembled("make_array_from_callback", shape, sharding, list(found.values()), dtype)


def make_array_from_single_device_arrays(shape: Sequence[int], sharding: Sharding,
                                         arrays: Sequence[Any], *, dtype: Any = None) -> Any:
    """An array of the given parts, one on each device of `sharding`.

    Args:
      shape: of the whole array.
      arrays: each on one device.
      dtype: that of the parts if None.

    Raises ValueError if a device has no part, or a part has another shape.
    """
    name = "make_array_from_single_device_arrays"
    _check_sharding(name, sharding)
    if not isinstance(arrays, (list, tuple)):
        raise TypeError(f"{name}: `arrays` must be a list or tuple, got {type(arrays)}")
    by_device = {next(iter(a.devices())): a for a in arrays}
    parts = []
    for device, index in shard_indices(sharding, shape):
        if device not in by_device:
            raise ValueError(f"{name}: device {device} of the sharding has none of the "
                             f"{len(arrays)} arrays")
        parts.append((index, by_device[device]))
    return _assembled(name, shape, sharding, parts, dtype)


def make_array_from_process_local_data(sharding: Sharding, local_data: Any,
                                       global_shape: Sequence[int] | None = None) -> Any:
    """An array of the data that each process has: all of it, where there is one process.

    Args:
      local_data: pytree of arrays.
      global_shape: must be that of the data, or None.
    """
    _check_sharding("make_array_from_process_local_data", sharding)
    if global_shape is not None and tuple(global_shape) != np.shape(local_data):
        raise ValueError(
            f"make_array_from_process_local_data: the only process has data of shape "
            f"{np.shape(local_data)}, but global_shape={tuple(global_shape)}")
    return device_put(local_data, sharding)


def _check_sharding(name: str, sharding: Any) -> None:
    if not isinstance(sharding, Sharding):
        raise TypeError(f"{name}: expected a Sharding, got {sharding!r} of type {type(sharding)}")


def _assembled(name: str, shape: Sequence[int], sharding: Sharding, parts: Sequence[Any],
               dtype: Any) -> Any:
    arrays = [array_of(part) for _, part in parts]
    kinds = {a.dtype for a in arrays}
    if len(kinds) > 1:
        raise TypeError(f"{name}: parts have different dtypes: {sorted(map(str, kinds))}")
    if not arrays and dtype is None:
        raise ValueError(f"{name}: dtype must be given where there are no parts")
    wanted = kinds.pop() if dtype is None else dtypes.canonicalize_dtype(dtype)
    whole = np.empty(tuple(shape), wanted)
    for (index, _), part in zip(parts, arrays, strict=True):
        if whole[index].shape != part.shape:
            raise ValueError(f"{name}: the part at {index} has shape {part.shape}, expected "
                             f"{whole[index].shape} of an array of shape {tuple(shape)}")
        whole[index] = np.asarray(part)
    return device_put(whole, sharding)
