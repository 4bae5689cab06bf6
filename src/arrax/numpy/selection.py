"""Choosing elements by condition or position: where, nonzero, take, diagonals, triangles."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from arrax import lax
from arrax.core import dtypes, errors
from arrax.core.array import Array, ArrayImpl, from_numpy
from arrax.core.dimension import broadcast_shapes
from arrax.core.dimension import dimension as as_dimension
from arrax.core.positions import check_positions
from arrax.core.remembered import remembered
from arrax.core.trace import Tracer
from arrax.numpy import creation, elementwise, indexing, joining, reductions, shaping
from arrax.numpy.index_plan import Index, Span
from arrax.numpy.promotion import (as_array, canonical_axis, check_arraylike, convert,
                                   integer_dtypes, is_arraylike, refuse_out, scalar_array)
from arrax.ops.arguments import integer
from arrax.ops.index_types import GatherDimensionNumbers, GatherScatterMode
from arrax.typing import ArrayLike, DTypeLike


# ---- where, nonzero --------------------------------------------------------------------------

def where(condition: Any, x: Any = None, y: Any = None, /, *, size: int | None = None,
          fill_value: Any = None) -> Any:
    """`x` where `condition` is true, else `y`; with `condition` alone, where it is true.

    Args:
      condition, x, y: arrays, which broadcast.
      size, fill_value: as for `nonzero`, only without `x` and `y`.

    Example:
      >>> jnp.where(jnp.arange(4) > 1, jnp.arange(4), 0)
      Array([0, 0, 2, 3], dtype=int32)
    """
    if x is None and y is None:
        check_arraylike("where", condition)
        return nonzero(condition, size=size, fill_value=fill_value)
    if size is not None or fill_value is not None:
        raise ValueError("size and fill_value arguments cannot be used in three-term where "
                         "function.")
    for position, value in enumerate((condition, x, y)):
        if not is_arraylike(value):
            raise TypeError(f"where requires ndarray or scalar arguments, got {type(value)} at "
                            f"position {position}.")
    return elementwise.where(condition, x, y)


def nonzero(a: ArrayLike, *, size: int | None = None, fill_value: Any = None) -> tuple[Any, ...]:
    """The indices of the elements that are not zero, an array for each axis.

    Args:
      size: the length of the results, needed inside transformations: further indices are left
        out, missing ones are `fill_value` (0, or one value for each axis).

    Raises:
      ConcretizationTypeError: no `size` inside `jit`.
    """
    x = as_array("nonzero", a)
    if x.ndim == 0:
        raise ValueError("Calling nonzero on 0d arrays is not allowed. Use "
                         "jnp.atleast_1d(scalar).nonzero() instead.")
    known = x if type(x) is ArrayImpl else x.concrete()
    if size is None and known is None:
        raise errors.ConcretizationTypeError(
            x, "The size argument of jnp.nonzero must be statically specified to use jnp.nonzero "
            "within JAX transformations.")
    dtype = dtypes.default_int_dtype()
    check_positions("nonzero", max(x.shape) if size is None else x.size + 1, dtype)
    if size is None:
        return tuple(from_numpy(part.astype(dtype)) for part in np.nonzero(known._value()))
    size = as_dimension(size, "size")
    fills = fill_value if isinstance(fill_value, tuple) else \
        (0 if fill_value is None else fill_value,) * x.ndim
    if len(fills) != x.ndim:
        raise ValueError(f"fill_value must be a scalar or a tuple of length {x.ndim}; got "
                         f"{fill_value}")
    return _nonzero_sized(elementwise.to_bool(x), size, fills, dtype)


def _nonzero_sized(mask: Any, size: int, fills: tuple[Any, ...], dtype: Any) -> tuple[Any, ...]:
    """The k-th true element is where the running count first exceeds k: counts of counts."""
    if mask.size == 0 or size == 0:
        return tuple(creation.full((size,), convert(as_array("nonzero", f), dtype))
                     for f in fills)
    flat = convert(shaping.ravel(mask), dtype)
    counts = reductions.cumsum(flat)
    ranks = creation.zeros((size,), dtype).at[counts].add(1, mode="drop")
    places = reductions.cumsum(ranks)
    present = elementwise.less(lax.iota(dtype, size), counts[-1])
    out = []
    stride = mask.size
    for dimension, fill in zip(mask.shape, fills, strict=True):
        stride //= max(dimension, 1)
        along = elementwise.remainder(elementwise.floor_divide(places, stride), dimension)
        out.append(elementwise.where(present, along, convert(as_array("nonzero", fill), dtype)))
    return tuple(out)


def flatnonzero(a: ArrayLike, *, size: int | None = None, fill_value: Any = None) -> Array:
    """The positions, in the flattened array, of the elements that are not zero."""
    return nonzero(shaping.ravel(a), size=size, fill_value=fill_value)[0]


def argwhere(a: ArrayLike, *, size: int | None = None,
             fill_value: ArrayLike | None = None) -> Array:
    """The indices of the elements that are not zero, a row for each."""
    x = as_array("argwhere", a)
    parts = nonzero(x, size=size, fill_value=fill_value)
    if x.ndim == 0:
        return creation.zeros((parts[0].shape[0], 0), dtypes.default_int_dtype())
    return joining.stack(parts, axis=1)


def extract(condition: ArrayLike, arr: ArrayLike, *, size: int | None = None,
            fill_value: ArrayLike = 0) -> Array:
    """The elements where `condition` is true, flattened."""
    return compress(shaping.ravel(condition), shaping.ravel(arr), size=size,
                    fill_value=fill_value)


@remembered
def compress(condition: ArrayLike, a: ArrayLike, axis: int | None = None, *,
             size: int | None = None, fill_value: ArrayLike = 0, out: None = None) -> Array:
    """The slices along `axis` where the vector `condition` is true.

    Args:
      size, fill_value: the length of the result, and what fills it up; needed inside `jit`.
    """
    refuse_out("compress", out)
    mask, x = as_array("compress", condition), as_array("compress", a, 1)
    if mask.ndim != 1:
        raise ValueError("condition must be a 1D array")
    if axis is None:
        x, axis = shaping.ravel(x), 0
    x = shaping.moveaxis(x, axis, 0)
    mask = elementwise.to_bool(mask)
    length = min(mask.shape[0], x.shape[0])
    if mask.shape[0] > x.shape[0] and not isinstance(mask, Tracer) \
            and bool(reductions.any(mask[length:])):
        raise ValueError("condition contains entries that are out of bounds")
    if size is not None and not 0 <= size <= length:
        raise ValueError("size must be positive and not greater than the size of the array axis; "
                         f"got size={size} for a.shape[axis]={length}")
    (places,) = nonzero(mask[:length], size=size, fill_value=x.shape[0])
    if size is None:
        return shaping.moveaxis(x[places], 0, axis)
    fill = convert(as_array("compress", fill_value), x.dtype)
    taken = x.at[places].get(mode="clip")
    present = elementwise.less(places, x.shape[0])
    present = shaping.reshape(present, (size,) + (1,) * (x.ndim - 1))
    return shaping.moveaxis(elementwise.where(present, taken, fill), 0, axis)


# ---- take ------------------------------------------------------------------------------------

@remembered
def take(a: ArrayLike, indices: ArrayLike, axis: int | None = None, out: None = None,
         mode: str | None = None, unique_indices: bool = False, indices_are_sorted: bool = False,
         fill_value: Any = None) -> Array:
    """The slices of `a` at `indices` along `axis` (of the flattened array if None).

    Args:
      mode: for indices out of bounds: "fill" (the default: NaN, or the least integer), "clip" or
        "wrap". Negative indices count from the end, but for "clip".
    """
    refuse_out("take", out)
    x, index = as_array("take", a), as_array("take", indices, 1)
    if axis is None:
        x, axis = shaping.ravel(x), 0
    axis = canonical_axis(axis, x.ndim)
    if mode == "raise":
        raise NotImplementedError("The 'raise' mode to jnp.take is not supported.")
    if mode not in (None, "fill", "clip", "wrap"):
        raise ValueError(f"Invalid mode '{mode}' for np.take")
    if index.dtype not in integer_dtypes:
        if index.dtype != np.bool_:
            raise ValueError("take: indices must have an integer type, got "
                             f"{index.dtype.name}.")
        index = convert(index, dtypes.default_int_dtype())
    known = GatherScatterMode.FILL_OR_DROP
    if mode == "wrap":
        index, known = elementwise.remainder(index, x.shape[axis]), GatherScatterMode.CLIP
    elif mode == "clip":
        known = GatherScatterMode.CLIP
    if x.shape[axis] == 0 and index.size:
        raise IndexError("cannot do a non-empty jnp.take from an empty axis")
    entries: list[Any] = [Span(0, d, 1) for d in x.shape]
    entries[axis] = index._value() if type(index) is ArrayImpl else index
    parsed = Index(x.shape, entries, [], [], True)
    return indexing.read(x, parsed, known, fill_value, indices_are_sorted, unique_indices,
                         wrap_negative=mode != "clip")


@remembered
def take_along_axis(arr: ArrayLike, indices: ArrayLike, axis: int | None = -1, mode: Any = None,
                    fill_value: Any = None, *, wrap_negative_indices: bool | None = None) -> Array:
    """Of each line along `axis`, the elements at the positions in the same line of `indices`.

    Axes other than `axis` broadcast. Modes as for `take`.
    """
    x, index = as_array("take_along_axis", arr), as_array("take_along_axis", indices, 1)
    if index.dtype not in integer_dtypes:
        raise TypeError("take_along_axis indices must be of integer type, got "
                        f"{index.dtype.name}")
    if axis is None:
        if index.ndim != 1:
            raise ValueError("take_along_axis indices must be 1D if axis=None, got shape "
                             f"{index.shape}")
        return take_along_axis(shaping.ravel(x), index, 0, mode, fill_value,
                               wrap_negative_indices=wrap_negative_indices)
    if index.ndim != x.ndim:
        raise ValueError("indices and arr must have the same number of dimensions; "
                         f"{index.ndim} vs. {x.ndim}")
    axis = canonical_axis(axis, x.ndim)
    known = GatherScatterMode.FILL_OR_DROP if mode is None else GatherScatterMode.from_any(mode)
    if wrap_negative_indices is not False and index.dtype.kind == "i":
        index = indexing.from_the_front(index, x.shape[axis])
    return _gather_along(x, index, axis, known, fill_value)


def _gather_along(x: Any, index: Any, axis: int, mode: GatherScatterMode, fill_value: Any) -> Any:
    """The other axes are batch axes of the gather; those of size 1 in one operand are not."""
    rest = [i for i in range(x.ndim) if i != axis]
    shape = list(broadcast_shapes(tuple(x.shape[i] for i in rest),
                                  tuple(index.shape[i] for i in rest)))
    shape.insert(axis, index.shape[axis])
    single = [i for i in rest if x.shape[i] == 1]
    batch = [i for i in rest if i not in single]
    index_shape = tuple(shape[i] if i in batch else index.shape[i] for i in range(x.ndim))
    index = shaping.broadcast_to(index, index_shape)
    numbers = GatherDimensionNumbers(
        offset_dims=(), collapsed_slice_dims=tuple(sorted([axis, *single])),
        start_index_map=(axis,), operand_batching_dims=tuple(batch),
        start_indices_batching_dims=tuple(batch))
    out = lax.gather(x, shaping.expand_dims(index, index.ndim), numbers, (1,) * x.ndim,
                     mode=mode, fill_value=fill_value)
    return shaping.broadcast_to(out, tuple(shape))


# ---- diagonals and triangles -----------------------------------------------------------------

@remembered
def diagonal(a: ArrayLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The diagonals of the matrices in two axes, along a new last axis."""
    x = as_array("diagonal", a)
    if x.ndim < 2:
        raise ValueError("diagonal requires an array of at least two dimensions.")
    offset = integer(offset, "offset")
    x = shaping.moveaxis(x, (axis1, axis2), (-2, -1))
    rows, columns = x.shape[-2:]
    size = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    along = np.arange(size)
    return x[..., along - min(offset, 0), along + max(offset, 0)]


@remembered
def diag(v: ArrayLike, k: int = 0) -> Array:
    """Of a matrix, its diagonal `k`; of a vector, the matrix with it on diagonal `k`."""
    x = as_array("diag", v)
    k = integer(k, "k")
    if x.ndim == 2:
        return diagonal(x, offset=k)
    if x.ndim != 1:
        raise ValueError("diag input must be 1d or 2d")
    zero = scalar_array(0, x.dtype)
    n = x.shape[0] + abs(k)
    padded = lax.pad(x, zero, ((max(0, k), max(0, -k), 0),)) if k else x
    on_diagonal = convert(creation.eye(n, k=k, dtype=bool), np.dtype(bool))
    # Padded in front by k, or behind by -k, each element stands in its column.
    return elementwise.where(on_diagonal, shaping.reshape(padded, (1, n)), zero)


@remembered
def diagflat(v: ArrayLike, k: int = 0) -> Array:
    """The matrix with the flattened `v` on diagonal `k`."""
    return diag(shaping.ravel(v), k)


@remembered
def tril(m: ArrayLike, k: int = 0) -> Array:
    """`m` with zeros above diagonal `k` of its last two axes."""
    x = as_array("tril", m)
    if x.ndim < 2:
        raise ValueError("Argument to jax.numpy.tril must be at least 2D")
    rows, columns = x.shape[-2:]
    return elementwise.where(creation.lower_mask(rows, columns, k), x, lax.full_like(x, 0))


@remembered
def triu(m: ArrayLike, k: int = 0) -> Array:
    """`m` with zeros below diagonal `k` of its last two axes."""
    x = as_array("triu", m)
    if x.ndim < 2:
        raise ValueError("Argument to jax.numpy.triu must be at least 2D")
    rows, columns = x.shape[-2:]
    return elementwise.where(creation.lower_mask(rows, columns, k - 1), lax.full_like(x, 0), x)


def _known_positions(found: tuple[np.ndarray, ...]) -> tuple[Any, ...]:
    dtype = dtypes.default_int_dtype()
    return tuple(from_numpy(part.astype(dtype)) for part in found)


@remembered
def tril_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Any, Any]:
    """The row and column indices of the lower triangle of an n × m matrix."""
    rows, columns = _known_positions(np.tril_indices(integer(n, "n"), k, m))
    return rows, columns


@remembered
def triu_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Any, Any]:
    """The row and column indices of the upper triangle of an n × m matrix."""
    rows, columns = _known_positions(np.triu_indices(n, k, m))
    return rows, columns


def tril_indices_from(arr: Any, k: int = 0) -> tuple[Any, Any]:
    """`tril_indices` for the shape of a matrix."""
    rows, columns = _matrix_shape(arr)
    return tril_indices(rows, k, columns)


def triu_indices_from(arr: Any, k: int = 0) -> tuple[Any, Any]:
    """`triu_indices` for the shape of a matrix."""
    rows, columns = _matrix_shape(arr)
    return triu_indices(rows, k, columns)


def _matrix_shape(arr: Any) -> tuple[int, int]:
    dimensions = shaping.shape(arr)
    if len(dimensions) != 2:
        raise ValueError("Only 2-D inputs are accepted")
    return dimensions[0], dimensions[1]


@remembered
def diag_indices(n: int, ndim: int = 2) -> tuple[Any, ...]:
    """The indices of the main diagonal of an array with `ndim` axes of length n."""
    n, ndim = integer(n, "n"), integer(ndim, "ndim")
    if n < 0 or ndim < 0:
        raise ValueError("n and ndim arguments to diag_indices must be nonnegative, got "
                         f"{n} and {ndim}.")
    return (creation.arange(n),) * ndim


def diag_indices_from(arr: ArrayLike) -> tuple[Any, ...]:
    """`diag_indices` for an array whose axes have one length."""
    dimensions = shaping.shape(arr)
    if len(dimensions) < 2:
        raise ValueError("input array must be at least 2-d")
    if len(set(dimensions)) != 1:
        raise ValueError("All dimensions of input must be of equal length")
    return diag_indices(dimensions[0], len(dimensions))


def mask_indices(n: int, mask_func: Any, k: int = 0, *,
                 size: int | None = None) -> tuple[Any, Any]:
    """Where `mask_func(ones((n, n)), k)` is not zero."""
    rows, columns = nonzero(mask_func(creation.ones((n, n)), k), size=size)
    return rows, columns


# ---- flat positions --------------------------------------------------------------------------

@remembered
def unravel_index(indices: ArrayLike, shape: Any) -> tuple[Any, ...]:
    """The indices, by axis, of positions in a flattened array of `shape`, moved inside it."""
    places = as_array("unravel_index", indices)
    if places.dtype not in integer_dtypes:
        raise TypeError(f"unravel_index requires integer indices, got {places.dtype.name}")
    sizes = tuple(as_dimension(d) for d in (shape if isinstance(shape, (tuple, list))
                                              else (shape,)))
    total = math.prod(sizes)
    places = elementwise.where(elementwise.less(places, 0),
                               elementwise._add(places, total), places)
    places = elementwise._minimum(elementwise._maximum(places, 0), max(total - 1, 0))
    out = []
    stride = total
    for size in sizes:
        stride //= max(size, 1)
        out.append(elementwise.remainder(elementwise.floor_divide(places, stride), size))
    return tuple(out)


@remembered
def ravel_multi_index(multi_index: Any, dims: Any, mode: str = "raise", order: str = "C", *,
                      dtype: DTypeLike | None = None) -> Array:
    """The positions in the flattened array of indices given by axis.

    Args:
      mode: for indices out of bounds: "raise" (only outside of `jit`), "wrap" or "clip".
    """
    sizes = [as_dimension(d) for d in dims]
    parts = [as_array("ravel_multi_index", i) for i in multi_index]
    if len(parts) != len(sizes):
        raise ValueError(f"len(multi_index)={len(parts)} should equal len(dims)={len(sizes)}")
    if any(p.dtype not in integer_dtypes for p in parts):
        raise TypeError("only int indices permitted")
    known = dtypes.check_user_dtype(dtype, "ravel_multi_index")
    if mode == "raise":
        if any(isinstance(p, Tracer) and p.concrete() is None for p in parts):
            raise errors.ConcretizationTypeError(
                next(p for p in parts if isinstance(p, Tracer)),
                "The error occurred because ravel_multi_index was jit-compiled with mode='raise'."
                " Use mode='wrap' or mode='clip' instead.")
        if any(bool(reductions.any((p < 0) | (p >= s))) for p, s in zip(parts, sizes,
                                                                        strict=True)):
            raise ValueError("invalid entry in coordinates array")
    elif mode == "clip":
        parts = [elementwise._minimum(elementwise._maximum(p, 0), s - 1)
                 for p, s in zip(parts, sizes, strict=True)]
    elif mode == "wrap":
        parts = [elementwise.remainder(p, s) for p, s in zip(parts, sizes, strict=True)]
    else:
        raise ValueError(f"invalid mode={mode!r}. Expected 'raise', 'wrap', or 'clip'")
    pairs = list(zip(parts, sizes, strict=True))
    if order == "F":
        pairs.reverse()
    elif order != "C":
        raise ValueError(f"invalid order={order!r}. Expected 'C' or 'F'")
    out: Any = creation.array(0, known or dtypes.default_int_dtype())
    for part, size in pairs:
        out = elementwise._add(elementwise._multiply(out, size), convert(part, out.dtype))
    return out


def ix_(*args: ArrayLike) -> tuple[Any, ...]:
    """Vectors reshaped so that they index the grid of all combinations."""
    out = []
    for position, arg in enumerate(args):
        x = as_array("ix_", arg, position)
        if x.ndim != 1:
            raise ValueError("Arguments to jax.numpy.ix_ must be 1-dimensional, got shape "
                             f"{x.shape}")
        if x.dtype == np.bool_:
            raise NotImplementedError("Boolean arguments to jax.numpy.ix_ are not implemented")
        shape = [1] * len(args)
        shape[position] = x.shape[0]
        out.append(shaping.reshape(x, tuple(shape)))
    return tuple(out)

