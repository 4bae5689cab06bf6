"""Python functions applied along axes."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


from arrax.core.array import Array
from arrax.numpy import shaping
from arrax.numpy.promotion import as_array, canonical_axis
from arrax.transforms.api_vmap import vmap
from arrax.typing import ArrayLike

builtin_range = range


def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: ArrayLike, *args: Any,
                     **kwargs: Any) -> Array:
    """`func1d` applied to each vector along `axis`; its results stand in place of it."""
    x = as_array("apply_along_axis", arr)
    axis = canonical_axis(axis, x.ndim)

    def function(vector: Any) -> Any:
        return func1d(vector, *args, **kwargs)
    for i in builtin_range(1, x.ndim - axis):
        function = vmap(function, in_axes=i, out_axes=-1)
    for _ in builtin_range(axis):
        function = vmap(function, in_axes=0, out_axes=0)
    return function(x)


def apply_over_axes(func: Callable[[Any, int], Any], a: ArrayLike, axes: Sequence[int]) -> Array:
    """`func(a, axis)` applied for one axis after the other; lost axes come back with size 1."""
    x = as_array("apply_over_axes", a)
    for axis in axes:
        out = func(x, axis)
        if out.ndim == x.ndim:
            x = out
        elif out.ndim == x.ndim - 1:
            x = shaping.expand_dims(out, axis)
        else:
            raise ValueError("function is not returning an array of the correct shape")
    return x
