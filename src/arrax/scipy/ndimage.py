"""`arrax.scipy.ndimage`: values of a grid between its points."""
from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Any

from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.numpy.promotion import promotes_freely
from arrax.typing import ArrayLike

__all__ = ["map_coordinates"]


def _mirror(index: Any, size: int) -> Any:
    """Reflection about the centres of the outer points: (d c b | a b c d | c b a)."""
    period = 2 * size - 2
    if period == 0:
        return jnp.zeros_like(index)
    index = jnp.remainder(index, period)
    return jnp.where(index < size, index, period - index)


def _reflect(index: Any, size: int) -> Any:
    """Reflection about the edges: (d c b a | a b c d | d c b a)."""
    index = jnp.remainder(index, 2 * size)
    return jnp.where(index < size, index, 2 * size - 1 - index)


_PLACES: dict[str, Callable[[Any, int], Any]] = {
    "constant": lambda index, size: index,
    "nearest": lambda index, size: jnp.clip(index, 0, size - 1),
    "wrap": lambda index, size: jnp.remainder(index, size),
    "mirror": _mirror,
    "reflect": _reflect,
}


def _rounded(x: Any) -> Any:
    """The nearest integer; halves go away from zero."""
    return jnp.trunc(x + jnp.copysign(0.5, x))


def _nearest_nodes(coordinate: Any) -> list[tuple[Any, Any]]:
    """(index, weight) of the one point that counts; halves go to the even one."""
    return [(_rounded(coordinate).astype(jnp.int32), jnp.ones((), coordinate.dtype))]


def _linear_nodes(coordinate: Any) -> list[tuple[Any, Any]]:
    lower = jnp.floor(coordinate)
    upper_weight = coordinate - lower
    index = lower.astype(jnp.int32)
    return [(index, 1 - upper_weight), (index + 1, upper_weight)]


@promotes_freely
def map_coordinates(input: ArrayLike, coordinates: Sequence[Any], order: int,
                    mode: str = "constant", cval: ArrayLike = 0.0) -> Any:
    """Values of an array at real coordinates.

    Args:
      input: an array of n dimensions, of any dtype.
      coordinates: n arrays of one shape (or that broadcast), one for each axis of `input`.
      order: 0 for the nearest point, 1 for linear interpolation.
      mode: what lies outside: "constant" (`cval`), "nearest" (the outermost point), "wrap" (the
        array again), "mirror" (reflected about the outermost points), "reflect" (about the edges
        beyond these).
      cval: the value outside for the mode "constant".

    Returns: an array of the coordinates' shape and the dtype of `input`; integers are rounded.

    Errors: ValueError for another number of coordinates and for an unknown mode;
    NotImplementedError for other orders.

    Example:
      >>> map_coordinates(jnp.array([0., 10., 20.]), [jnp.array([0.5, 1.2])], order=1)
      Array([ 5., 12.], dtype=float32)

    Source: `scipy.ndimage.map_coordinates`, for orders 0 and 1.
    """
    x = jnp.asarray(input)
    points = [jnp.asarray(c) for c in coordinates]
    if len(points) != x.ndim:
        raise ValueError("coordinates must be a sequence of length input.ndim, but "
                         f"{len(points)} != {x.ndim}")
    if mode not in _PLACES:
        raise NotImplementedError(f"map_coordinates does not support mode {mode!r}; expected one "
                                  f"of {sorted(_PLACES)}")
    nodes = {0: _nearest_nodes, 1: _linear_nodes}.get(order)
    if nodes is None:
        raise NotImplementedError(f"map_coordinates supports orders 0 and 1, got order={order}")
    place = _PLACES[mode]
    fill = jnp.asarray(cval, x.dtype)
    parts = []
    for coordinate, size in zip(points, x.shape, strict=True):
        if not jnp.issubdtype(coordinate.dtype, jnp.floating):
            coordinate = coordinate.astype(jnp.result_type(float))
        along = []
        for index, weight in nodes(coordinate):
            inside = (index >= 0) & (index < size) if mode == "constant" else True
            along.append((place(index, size), inside, weight))
        parts.append(along)
    terms = []
    for corner in itertools.product(*parts):
        values = x[tuple(index for index, _, _ in corner)]
        inside = functools.reduce(operator.and_, [flag for _, flag, _ in corner], True)
        if inside is not True:
            values = jnp.where(inside, values, fill)
        weight = functools.reduce(operator.mul, [w for _, _, w in corner], 1)
        terms.append(weight * values)
    result = functools.reduce(operator.add, terms)
    if jnp.issubdtype(x.dtype, jnp.integer):
        result = _rounded(result)
    return jnp.broadcast_to(result, jnp.broadcast_shapes(*(p.shape for p in points))) \
        .astype(x.dtype)

__dir__ = _listing(__name__)
