"""Grids of coordinates, and arrays from index expressions: `mgrid`, `ogrid`, `r_`, `c_`, `s_`."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from arrax import lax
from arrax.core import dtypes
from arrax.core.dimension import dimension
from arrax.core.array import Array
from arrax.core.remembered import remembered
from arrax.core import errors
from arrax.core.trace import Tracer
from arrax.numpy import creation, joining, shaping
from arrax.numpy.promotion import as_array, promote_dtypes, promotes_freely
from arrax.transforms.api_vmap import vmap
from arrax.typing import ArrayLike, DTypeLike


@remembered
def meshgrid(*xi: ArrayLike, copy: bool = True, sparse: bool = False,
             indexing: str = "xy") -> list[Any]:
    """The coordinates of the points of a grid, from those along its axes.

    Args:
      sparse: results keep size 1 along the other axes.
      indexing: "ij" (axes as the arguments stand), or "xy" (the first two exchanged).
    """
    axes = [as_array("meshgrid", x, i) for i, x in enumerate(xi)]
    if not copy:
        raise ValueError("jax.numpy.meshgrid only supports copy=True")
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for indexing are 'xy' and 'ij', got " f"{indexing}")
    if any(x.ndim > 1 for x in axes):
        raise ValueError("Arguments to jax.numpy.meshgrid must be at most 1D, got shapes "
                         f"{[x.shape for x in axes]}")
    axes = [joining.atleast_1d(x) for x in axes]
    if indexing == "xy" and len(axes) >= 2:
        axes[0], axes[1] = axes[1], axes[0]
    shape = [1 if sparse else x.shape[0] for x in axes]
    out = []
    for position, x in enumerate(axes):
        own = list(shape)
        own[position] = x.shape[0]
        out.append(lax.broadcast_in_dim(x, tuple(own), (position,)))
    if indexing == "xy" and len(out) >= 2:
        out[0], out[1] = out[1], out[0]
    return out


@remembered
def indices(dimensions: Any, dtype: DTypeLike | None = None, sparse: bool = False) -> Any:
    """The indices of each element of an array of a shape, by axis, stacked (a tuple if sparse)."""
    known = dtypes.check_user_dtype(int if dtype is None else dtype, "indices")
    sizes = tuple(dimension(d) for d in dimensions)
    out = []
    for axis, size in enumerate(sizes):
        line = creation.arange(size, dtype=known)
        shape = [1] * len(sizes) if sparse else list(sizes)
        shape[axis] = size
        out.append(lax.broadcast_in_dim(line, tuple(shape), (axis,)))
    if sparse:
        return tuple(out)
    return joining.stack(out) if out else creation.zeros((0,), known)


def fromfunction(function: Callable[..., Any], shape: Any, *, dtype: DTypeLike = float,
                 **kwargs: Any) -> Array:
    """The values of `function(i, j, …)` at the indices of an array of `shape`."""
    sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
    mapped = function
    for i in range(len(sizes)):
        in_axes = [None] * len(sizes)
        in_axes[len(sizes) - 1 - i] = 0  # type: ignore[call-overload]
        mapped = vmap(_with_keywords(mapped, kwargs) if i == 0 else mapped,
                      in_axes=tuple(in_axes))
    return mapped(*(creation.arange(dimension(s), dtype=dtype) for s in sizes))


def _with_keywords(function: Callable[..., Any], kwargs: dict[str, Any]) -> Callable[..., Any]:
    return lambda *args: function(*args, **kwargs)


# ---- index expressions ---------------------------------------------------------------------------

def _line(part: Any, name: str) -> Any:
    """The numbers of a slice: with an imaginary step, that many up to the end."""
    if not isinstance(part, slice):
        return part
    start = 0 if part.start is None else part.start
    step = 1 if part.step is None else part.step
    for what, value in (("start", start), ("stop", part.stop), ("step", step)):
        if isinstance(value, Tracer):
            raise errors.ConcretizationTypeError(value, f"slice {what} of jnp.{name}")
    if part.stop is None:
        raise ValueError(f"jnp.{name}: slices need a stop")
    if isinstance(step, complex) or np.iscomplexobj(step):
        return creation.linspace(start, part.stop, int(abs(step)))
    return creation.arange(start, part.stop, step)


class _Grid:
    """`mgrid[0:2, 0:3]`: the coordinates of a grid, stacked; see `meshgrid`."""

    def __init__(self, name: str, sparse: bool):
        self._name, self._sparse = name, sparse

    @promotes_freely
    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return _line(key, self._name)
        lines = promote_dtypes(self._name, *(_line(part, self._name) for part in key))
        out = meshgrid(*lines, indexing="ij", sparse=self._sparse)
        return out if self._sparse else joining.stack(out)

    def __repr__(self) -> str:
        return f"<jnp.{self._name}>"


class _Joiner:
    """`r_[1:3, 5]`: slices, numbers and arrays joined along an axis.

    A string first, "axis,ndim,start", says along which axis, to how many dimensions the operands
    are raised at least, and where their own axes then begin.
    """

    def __init__(self, name: str, axis: int, rank: int, start: int):
        self._name, self._axis, self._rank, self._start = name, axis, rank, start

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        axis, rank, start = self._axis, self._rank, self._start
        as_matrix = None
        if parts and isinstance(parts[0], str):
            if parts[0] in ("r", "c"):
                as_matrix, parts = parts[0], parts[1:]
            else:
                axis, rank, start = self._directive(parts[0], axis, rank, start)
                parts = parts[1:]
        arrays = [self._raised(_line(p, self._name), rank, start) for p in parts]
        out = joining.concatenate([joining.atleast_1d(x) for x in arrays], axis)
        if as_matrix is None or out.ndim > 1:
            return out
        return out[None, :] if as_matrix == "r" else out[:, None]

    def _directive(self, text: str, *defaults: int) -> tuple[int, int, int]:
        try:
            given = [int(v) for v in text.split(",")]
        except ValueError:
            raise ValueError(f"could not understand directive {text!r}") from None
        axis, rank, start = [*given, *defaults[len(given):]][:3]
        return axis, rank, start

    def _raised(self, value: Any, rank: int, start: int) -> Any:
        x = value if hasattr(value, "aval") else creation.asarray(value)
        missing = rank - x.ndim
        if missing <= 0:
            return x
        # `start` is where the first of the own axes comes to stand; the new ones go around them.
        first = start if start >= 0 else missing + start + 1
        front = min(max(first, 0), missing)
        return shaping.reshape(x, (1,) * front + x.shape + (1,) * (missing - front))

    def __len__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return f"<jnp.{self._name}>"


mgrid, ogrid = _Grid("mgrid", False), _Grid("ogrid", True)
r_, c_ = _Joiner("r_", 0, 1, -1), _Joiner("c_", -1, 2, 0)
s_, index_exp = np.s_, np.index_exp
