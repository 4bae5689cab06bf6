"""Products: dot, matmul, tensordot, outer, kron, cross, convolutions."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax import lax
from arrax.core import dtypes
from arrax.core.array import Array, ArrayImpl
from arrax.core.dimension import broadcast_shapes
from arrax.core.remembered import remembered
from arrax.core.trace import Tracer
from arrax.numpy import elementwise, joining, reductions, shaping
from arrax.numpy.promotion import (as_array, bool_dtype, canonical_axis, check_arraylike,
                                   complex_dtypes, convert, promote_dtypes,
                                   promote_dtypes_inexact, refuse_out)
from arrax.ops.arguments import integer
from arrax.transforms.api_placement import sharded
from arrax.typing import ArrayLike, DTypeLike


def _pair(name: str, a: Any, b: Any, preferred: Any) -> tuple[Any, Any, Any]:
    """Operands in one dtype, and the dtype of the result, as `dot_general` wants them."""
    if (type(a) is ArrayImpl or isinstance(a, Tracer)) and (
            type(b) is ArrayImpl or isinstance(b, Tracer)) \
            and a.aval.dtype is b.aval.dtype and not (a.aval.weak_type or b.aval.weak_type):
        x, y = a, b
    else:
        x, y = (as_array(name, a), as_array(name, b, 1))
        x, y = promote_dtypes(name, x, y)
    known = x.aval.dtype if preferred is None else dtypes.check_user_dtype(preferred, name)
    return x, y, known


def _weak(x: Any, y: Any, preferred: Any) -> bool:
    return bool(preferred is None and x.aval.weak_type and y.aval.weak_type)


def _contract(x: Any, y: Any, contracting: Any, batch: Any, precision: Any, dtype: Any) -> Any:
    return lax.dot_general(x, y, (contracting, batch), precision=precision,
                           preferred_element_type=dtype)


@remembered
@sharded
def dot(a: ArrayLike, b: ArrayLike, *, precision: Any = None,
        preferred_element_type: DTypeLike | None = None, out_sharding: Any = None) -> Array:
    """The sum product over the last axis of `a` and the last but one of `b` (or its only one).

    With a scalar, the plain product.

    Args:
      precision: of the products on accelerators, see `lax.Precision`.
      preferred_element_type: the dtype to accumulate in and return.
    """
    x, y, dtype = _pair("dot", a, b, preferred_element_type)
    if x.ndim == 0 or y.ndim == 0:
        contracting: Any = ((), ())
    elif y.ndim == 1:
        contracting = ((x.ndim - 1,), (0,))
    else:
        contracting = ((x.ndim - 1,), (y.ndim - 2,))
    weak = _weak(x, y, preferred_element_type)
    return convert(_contract(x, y, contracting, ((), ()), precision, dtype), dtype, weak)


@remembered
@sharded
def matmul(a: ArrayLike, b: ArrayLike, *, precision: Any = None,
           preferred_element_type: DTypeLike | None = None, out_sharding: Any = None) -> Array:
    """The matrix product; leading axes are batch axes, which broadcast; vectors are rows or
    columns.

    ValueError for scalars; TypeError for sizes that do not match.
    """
    check_arraylike("matmul", a, b)
    for position, value in enumerate((a, b)):
        if np.ndim(value) == 0:
            raise ValueError(f"matmul input operand {position} must have ndim at least 1, but it "
                             "has ndim 0")
    x, y, dtype = _pair("matmul", a, b, preferred_element_type)
    weak = _weak(x, y, preferred_element_type)
    x_inner, y_inner = x.ndim - 1, max(y.ndim - 2, 0)
    if x.ndim <= 2 and y.ndim <= 2:
        out = _contract(x, y, ((x_inner,), (y_inner,)), ((), ()), precision, dtype)
        return convert(out, dtype, weak)
    return convert(_batched_matmul(x, y, precision, dtype), dtype, weak)


def _batched_matmul(x: Any, y: Any, precision: Any, dtype: Any) -> Any:
    """Batch axes that both have are batched; those of size 1 in one are dropped from it."""
    x_batch, y_batch = x.shape[:-2], y.shape[:-2]
    try:
        batch = broadcast_shapes(x_batch, y_batch)
    except ValueError:
        raise TypeError("matmul: batch dimensions do not broadcast, got shapes "
                        f"{x.shape} and {y.shape}") from None
    rank = len(batch)
    x_axes = _present(x_batch, y_batch, rank)
    y_axes = _present(y_batch, x_batch, rank)
    x = lax.squeeze(x, [i for i in range(len(x_batch)) if i + rank - len(x_batch) not in x_axes])
    y = lax.squeeze(y, [i for i in range(len(y_batch)) if i + rank - len(y_batch) not in y_axes])
    both = [i for i in x_axes if i in y_axes]
    x_core, y_core = x.ndim - len(x_axes), y.ndim - len(y_axes)
    contracting = ((x.ndim - 1,), (len(y_axes) if y_core == 2 else y.ndim - 1,))
    out = _contract(x, y, contracting,
                    (tuple(x_axes.index(i) for i in both), tuple(y_axes.index(i) for i in both)),
                    precision, dtype)
    order = [*both, *(i for i in x_axes if i not in both)]
    rows = ["rows"] if x_core == 2 else []
    columns = ["columns"] if y_core == 2 else []
    names: list[Any] = [*order, *rows, *(i for i in y_axes if i not in both), *columns]
    wanted = [*sorted(i for i in names if isinstance(i, int)), *rows, *columns]
    out = shaping.transpose(out, [names.index(n) for n in wanted])
    lost = [i for i in range(rank) if i not in x_axes and i not in y_axes]
    return lax.expand_dims(out, lost) if lost else out


def _present(mine: Sequence[int], other: Sequence[int], rank: int) -> list[int]:
    """The batch axes, counted in the result, that an operand keeps: not those that broadcast."""
    kept = []
    for i, size in enumerate(mine):
        axis = i + rank - len(mine)
        j = axis - (rank - len(other))
        if size != 1 or (j >= 0 and other[j] == 1 and size == 1):
            kept.append(axis)
    return kept


@remembered
def vdot(a: ArrayLike, b: ArrayLike, *, precision: Any = None,
         preferred_element_type: DTypeLike | None = None) -> Array:
    """The product sum of the flattened operands, the first conjugated."""
    x, y = as_array("vdot", a), as_array("vdot", b, 1)
    if x.dtype in complex_dtypes:
        x = lax.conj(x)
    return dot(shaping.ravel(x), shaping.ravel(y), precision=precision,
               preferred_element_type=preferred_element_type)


@remembered
def vecdot(x1: ArrayLike, x2: ArrayLike, /, *, axis: int = -1, precision: Any = None,
           preferred_element_type: DTypeLike | None = None) -> Array:
    """The product sums along `axis`, the first operand conjugated; other axes broadcast."""
    x, y = as_array("vecdot", x1), as_array("vecdot", x2, 1)
    if x.ndim == 0 or y.ndim == 0:
        raise ValueError("vecdot: inputs must have ndim at least 1, got shapes "
                         f"{x.shape} and {y.shape}")
    x, y = shaping.moveaxis(x, axis, -1), shaping.moveaxis(y, axis, -1)
    if x.shape[-1] != y.shape[-1]:
        raise ValueError("vecdot: the contracted axes have sizes "
                         f"{x.shape[-1]} and {y.shape[-1]}")
    if x.dtype in complex_dtypes:
        x = lax.conj(x)
    shape = broadcast_shapes(x.shape, y.shape)
    x, y, dtype = _pair("vecdot", x, y, preferred_element_type)
    x, y = shaping.broadcast_to(x, shape), shaping.broadcast_to(y, shape)
    batch = tuple(range(len(shape) - 1))
    last = (len(shape) - 1,)
    return _contract(x, y, (last, last), (batch, batch), precision, dtype)


def _check_core(name: str, x: Any, y: Any, x_size: Any, y_size: Any, x_rank: int,
                y_rank: int) -> None:
    """ValueError unless operands have enough axes, agree in the contracted one and broadcast."""
    if x.ndim < x_rank or y.ndim < y_rank:
        raise ValueError(f"{name}: operands need at least {x_rank} and {y_rank} dimensions, got "
                         f"shapes {x.shape} and {y.shape}")
    if x_size != y_size:
        raise ValueError(f"{name}: the contracted axes have sizes {x_size[0]} and {y_size[0]}, "
                         f"for shapes {x.shape} and {y.shape}")
    shaping.broadcast_shapes(x.shape[:x.ndim - x_rank], y.shape[:y.ndim - y_rank])


@remembered
def matvec(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Matrices times vectors; leading axes broadcast."""
    x, y = as_array("matvec", x1), as_array("matvec", x2, 1)
    _check_core("matvec", x, y, x.shape[-1:], y.shape[-1:], 2, 1)
    return shaping.squeeze(matmul(x, y[..., None]), -1)


@remembered
def vecmat(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Vectors, conjugated, times matrices; leading axes broadcast."""
    x, y = as_array("vecmat", x1), as_array("vecmat", x2, 1)
    _check_core("vecmat", x, y, x.shape[-1:], y.shape[-2:-1], 1, 2)
    return shaping.squeeze(matmul(elementwise.conjugate(x)[..., None, :], y), -2)


@remembered
def inner(a: ArrayLike, b: ArrayLike, *, precision: Any = None,
          preferred_element_type: DTypeLike | None = None) -> Array:
    """The product sums over the last axes of both."""
    check_arraylike("inner", a, b)
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return elementwise._multiply(a, b)
    x, y, dtype = _pair("inner", a, b, preferred_element_type)
    return _contract(x, y, ((x.ndim - 1,), (y.ndim - 1,)), ((), ()), precision, dtype)


@remembered
def outer(a: ArrayLike, b: ArrayLike, out: None = None) -> Array:
    """The products of each element of `a` with each of `b`, both flattened."""
    refuse_out("outer", out)
    x, y = as_array("outer", a), as_array("outer", b, 1)
    return elementwise._multiply(shaping.ravel(x)[:, None], shaping.ravel(y)[None, :])


@remembered
@sharded
def tensordot(a: ArrayLike, b: ArrayLike, axes: Any = 2, *, precision: Any = None,
              preferred_element_type: DTypeLike | None = None, out_sharding: Any = None) -> Array:
    """The product sums over pairs of axes of `a` and `b`.

    Args:
      axes: how many axes at the end of `a` and the start of `b`, or two lists of axes.
    """
    x, y, dtype = _pair("tensordot", a, b, preferred_element_type)
    weak = _weak(x, y, preferred_element_type)
    if isinstance(axes, (int, np.integer)):
        count = integer(axes, "axes")
        if count > min(x.ndim, y.ndim):
            raise TypeError(f"Number of tensordot axes (axes {count}) exceeds input ranks "
                            f"({x.shape} and {y.shape})")
        contracting = (tuple(range(x.ndim - count, x.ndim)), tuple(range(count)))
    elif isinstance(axes, (tuple, list)) and len(axes) == 2:
        first, second = axes
        if isinstance(first, (int, np.integer)) and isinstance(second, (int, np.integer)):
            first, second = (first,), (second,)
        elif not (isinstance(first, (tuple, list)) and isinstance(second, (tuple, list))):
            raise TypeError("tensordot requires both axes lists to be either ints, tuples or "
                            f"lists, got {axes}")
        if len(first) != len(second):
            raise TypeError("tensordot requires axes lists to have equal length, got "
                            f"{first} and {second}.")
        contracting = (tuple(canonical_axis(i, x.ndim) for i in first),
                       tuple(canonical_axis(i, y.ndim) for i in second))
    else:
        raise TypeError("tensordot axes argument must be an int, a pair of ints, or a pair of "
                        "lists/tuples of ints.")
    return convert(_contract(x, y, contracting, ((), ()), precision, dtype), dtype, weak)


@remembered
def kron(a: ArrayLike, b: ArrayLike) -> Array:
    """The Kronecker product: each element of `a` times the whole of `b`, as blocks."""
    x, y = promote_dtypes("kron", as_array("kron", a), as_array("kron", b, 1))
    rank = max(x.ndim, y.ndim)
    x = lax.expand_dims(x, tuple(range(rank - x.ndim)))
    y = lax.expand_dims(y, tuple(range(rank - y.ndim)))
    wide_x = lax.expand_dims(x, tuple(range(1, 2 * rank, 2)))
    wide_y = lax.expand_dims(y, tuple(range(0, 2 * rank, 2)))
    shape = tuple(i * j for i, j in zip(x.shape, y.shape, strict=True))
    return shaping.reshape(elementwise._multiply(wide_x, wide_y), shape)


@remembered
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1,
          axis: int | None = None) -> Any:
    """The cross product of vectors of 2 or 3 components along `axis`.

    Of two plane vectors, the third component alone.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    x = shaping.moveaxis(as_array("cross", a), axisa, -1)
    y = shaping.moveaxis(as_array("cross", b, 1), axisb, -1)
    if x.shape[-1] not in (2, 3) or y.shape[-1] not in (2, 3):
        raise ValueError("Dimension must be either 2 or 3 for cross product")
    first = [x[..., i] for i in range(x.shape[-1])]
    second = [y[..., i] for i in range(y.shape[-1])]
    if len(first) == len(second) == 2:
        return first[0] * second[1] - first[1] * second[0]
    zero = lax.full_like(first[0], 0)
    first += [zero] * (3 - len(first))
    second += [lax.full_like(second[0], 0)] * (3 - len(second))
    parts = [first[1] * second[2] - first[2] * second[1],
             first[2] * second[0] - first[0] * second[2],
             first[0] * second[1] - first[1] * second[0]]
    return joining.stack(parts, axis=axisc)


@remembered
def trace(a: ArrayLike, offset: Any = 0, axis1: int = 0, axis2: int = 1,
          dtype: DTypeLike | None = None, out: None = None) -> Array:
    """The sum of the elements on a diagonal of the matrices in two axes."""
    refuse_out("trace", out)
    x = as_array("trace", a)
    known = dtypes.check_user_dtype(dtype, "trace")
    x = shaping.moveaxis(x, (axis1, axis2), (-2, -1))
    rows, columns = x.shape[-2:]
    row = lax.broadcasted_iota(np.int32, (rows, columns), 0)
    column = lax.broadcasted_iota(np.int32, (rows, columns), 1)
    on_diagonal = elementwise.equal(elementwise._add(row, offset), column)
    if x.dtype == bool_dtype:
        x = convert(x, dtypes.default_int_dtype())
    kept = elementwise.where(on_diagonal, x, lax.full_like(x, 0))
    return reductions.sum(kept, axis=(-2, -1), dtype=known)


# ---- convolution -----------------------------------------------------------------------------

def _slide(name: str, a: Any, v: Any, mode: str, flip: bool, precision: Any,
           preferred: Any) -> Any:
    """The product sums of `v` at each place along `a` (reversed, for a convolution)."""
    x, y = as_array(name, a), as_array(name, v, 1)
    if x.ndim != 1 or y.ndim != 1:
        raise ValueError(f"{name}() only support 1-dimensional inputs.")
    if x.size == 0 or y.size == 0:
        raise ValueError(f"{name}: inputs cannot be empty, got shapes {x.shape} and {y.shape}.")
    x, y = promote_dtypes_inexact(name, x, y)
    known = dtypes.check_user_dtype(preferred, name)
    reverse_out = False
    if not flip:
        y = lax.conj(y) if y.dtype in complex_dtypes else y
    if x.shape[0] < y.shape[0]:
        x, y = y, x
        reverse_out = not flip
    if flip:
        y = lax.rev(y, (0,))
    if mode == "valid":
        padding = [(0, 0)]
    elif mode == "same":
        padding = [(y.shape[0] // 2, y.shape[0] - y.shape[0] // 2 - 1)]
    elif mode == "full":
        padding = [(y.shape[0] - 1, y.shape[0] - 1)]
    else:
        raise ValueError("mode must be one of ['full', 'same', 'valid']")
    out = lax.conv_general_dilated(x[None, None, :], y[None, None, :], (1,), padding,
                                   precision=precision, preferred_element_type=known)
    out = lax.squeeze(out, (0, 1))
    return lax.rev(out, (0,)) if reverse_out else out


@remembered
def convolve(a: ArrayLike, v: ArrayLike, mode: str = "full", *, precision: Any = None,
             preferred_element_type: DTypeLike | None = None) -> Array:
    """The convolution of two vectors, in floating point.

    Args:
      mode: "full" (every overlap), "same" (as long as the longer one), "valid" (full overlaps).
    """
    return _slide("convolve", a, v, mode, True, precision, preferred_element_type)


@remembered
def correlate(a: ArrayLike, v: ArrayLike, mode: str = "valid", *, precision: Any = None,
              preferred_element_type: DTypeLike | None = None) -> Array:
    """The cross-correlation of two vectors, the second conjugated; modes as for `convolve`."""
    return _slide("correlate", a, v, mode, False, precision, preferred_element_type)
