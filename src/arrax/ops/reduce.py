"""Reductions over axes: sums, products, extremes, logic, and the positions of extremes."""
from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax import _native
from arrax.core import dtypes
from arrax.core.ad_values import Zero
from arrax.core.array import Array, ArrayImpl
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.positions import check_positions
from arrax.core.primitive import NotApplicable, Primitive
from arrax.core.remembered import remembered
from arrax.library.calls import CODES
from arrax.core.lowering import Pairs, Reduce
from arrax.ops import sharding_rules
from arrax.ops.arguments import axis_number, operand, positions
from arrax.ops.arithmetic import add_any, add_p, div_p, max_p, min_p, mul_p
from arrax.ops.bits import and_p, or_p, xor_p
from arrax.ops.compare import eq_p
from arrax.ops.elementwise_rules import (
    ANY, ORDERED, check_kind, converted, is_small, piecewise_constant, wide_dtype)
from arrax.ops.extremes import signed_zeros
from arrax.ops.p import concatenate_p, reshape_p, slice_p, squeeze_p, transpose_p
from arrax.ops.quiet import quiet
from arrax.ops.rules import broadcast_in_dim, by_operand, constant, linear_jvp, transpose_unary
from arrax.typing import ArrayLike, DTypeLike

NUMBER = (np.number,)


# ---- shared rules ----------------------------------------------------------------------------

def _check_axes(axes: Sequence[int], x: Any) -> None:
    if len(set(axes)) != len(axes):
        raise ValueError(f"duplicate value in 'axes' of reduction: {tuple(axes)}")
    if not all(0 <= axis < x.ndim for axis in axes):
        raise ValueError(
            f"reduction axes {tuple(axes)} contains out-of-bounds indices for {x.str_short()}.")


class _reduction_type:
    def __init__(self, name: str, kinds: Any):
        self.name, self.kinds = name, kinds

    def __call__(self, x: Any, *, axes: Any, out_sharding: Any = None) -> Any:
        self.check(x.dtype)
        _check_axes(axes, x)
        return ShapedArray([size for i, size in enumerate(x.shape) if i not in axes], x.dtype)

    def check(self, dtype: Any) -> None:
        check_kind(self.name, dtype, self.kinds)


class _logical_type(_reduction_type):
    def check(self, dtype: Any) -> None:
        if not any(dtypes.issubdtype(dtype, kind) for kind in self.kinds):
            raise TypeError("logical reduction requires operand dtype bool or int, got "
                            f"{dtypes.dtype_name(dtype)}.")


def accumulation_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which elements of `dtype` are summed up: float32 for narrower floats."""
    number = dtype.num
    if number == _FLOAT16 or number >= 256:
        return wide_dtype(dtype) if number >= 256 else _FLOAT32
    return dtype


_FLOAT16, _FLOAT32 = np.dtype(np.float16).num, np.dtype(np.float32)


def _evaluate_by(ufunc: Any, initial: Callable[[Any], Any] | None) -> Callable[..., Any]:
    fold = _folds.get(ufunc, ufunc.reduce)

    def evaluate(x: Any, *, axes: Any, out_sharding: Any = None) -> Any:
        if not axes:
            return x
        dtype = x.dtype
        wide = accumulation_dtype(dtype)
        if initial is not None and not x.size:
            out = ufunc.reduce(x.astype(wide), axis=axes, dtype=wide, initial=initial(wide))
        else:
            out = fold(x if dtype is wide else x.astype(wide), axes, wide)
        return out if dtype is wide else np.asarray(out).astype(dtype)
    return quiet(evaluate)


def _extremes(ufunc: Any, greatest: bool) -> Callable[..., Any]:
    fold = signed_zeros(lambda x, axes: ufunc.reduce(x, axes), greatest)
    return lambda x, axes, dtype: fold(x, axes=axes)


_folds = {np.maximum: _extremes(np.maximum, True), np.minimum: _extremes(np.minimum, False)}


def reduction_batch(primitive: Callable[[], Primitive]) -> Callable[..., Any]:
    """Batching of a reduction: the axes move out of the way of the batch axis."""
    def rule(axis: Any, operands: Any, dims: Any, *, axes: Any, **params: Any) -> Any:
        (x,), (dim,) = operands, dims
        moved = tuple(a + (a >= dim) for a in axes)
        out = primitive().bind(x, axes=moved, **params)
        return out, dim - sum(a < dim for a in moved)
    return rule


def _reduction(name: str, kinds: Any, evaluate: Any, *, jvp: Any, combine: Primitive,
               identity: Callable[[Any], Any], transpose: Any = None,
               type_rule: Any = _reduction_type, **facts: Any) -> Primitive:
    primitive = Primitive(
        name, sharding=sharding_rules.reduce, type_rule=type_rule(name, kinds),
        evaluate=evaluate, jvp=jvp, **facts,
        transpose=transpose or NotApplicable("not linear"),
        batch=reduction_batch(lambda: primitive),
        lower=Reduce(combine, identity),
        stablehlo=lambda b, x, *, axes, **_: b.reduce(
            [x], [b.constant(identity(x.dtype), x.dtype)], axes,
            combine.bind))
    return primitive


def spread(x: Any, shape: Sequence[int], axes: Sequence[int]) -> Any:
    """A reduced value repeated along the reduced `axes` of `shape`."""
    return broadcast_in_dim(x, shape, positions(len(shape), axes))


class when_nonzero:
    """A JVP rule that is asked only about tangents that are not zero."""

    def __init__(self, rule: Any):
        self.rule = rule

    def attach(self, primitive: Primitive) -> Any:
        zero_rule = piecewise_constant.attach(primitive)

        def rule(primals: Any, tangents: Any, **params: Any) -> Any:
            chosen = zero_rule if type(tangents[0]) is Zero else self.rule
            return chosen(primals, tangents, **params)
        return rule


def _axes(axes: Any) -> tuple[int, ...]:
    return tuple(map(axis_number, axes))


def _call(primitive: Primitive, x: Any, axes: Any, **params: Any) -> Any:
    if type(x) is not ArrayImpl:
        x = operand(x, primitive.name)
    if type(axes) is not tuple:
        axes = _axes(axes)
    key = (primitive, x.aval, axes)
    if key not in _checked:
        axes = _axes(axes)
        primitive.type_rule(x.aval, axes=axes, **params)
        if len(_checked) > 4096:
            _checked.clear()
        _checked.add(key)
    return primitive.bind(x, axes=axes, **params)


_checked: set[Any] = set()  # (primitive, aval, axes) that the type rule has accepted


# ---- sum, prod -------------------------------------------------------------------------------

def _zero(dtype: Any) -> Any:
    return 0


def _one(dtype: Any) -> Any:
    return 1


_sum_by_numpy = _evaluate_by(np.add, None)
_SUM_CODES = {dtype: code for dtype, code in CODES.items() if dtype != np.bool_}


def _sum_evaluate(x: Any, *, axes: Any, out_sharding: Any = None) -> Any:
    code = _SUM_CODES.get(x.dtype)
    if code is None:
        return _sum_by_numpy(x, axes=axes)
    return _native.sum(x, axes, code) if axes else x


def _is_fast_sum(x: Any, *, axes: Any, out_sharding: Any = None) -> bool:
    """Whether no short rows are summed: compiled loops sum several at a time."""
    row = 1
    for axis in reversed(range(x.ndim)):
        if axis not in axes:
            break
        row *= x.shape[axis]
    return x.dtype in _SUM_CODES and (row == 1 or row > _SHORT_ROW or row == x.size)


_SHORT_ROW = 4096  # elements

reduce_sum_p = _reduction(
    "reduce_sum", NUMBER, _sum_evaluate, native=_is_fast_sum, jvp=linear_jvp(), combine=add_p,
    identity=_zero,
    transpose=transpose_unary(
        lambda ct, x, *, axes, out_sharding=None: spread(ct, x.shape, axes)))


def reduce_sum(operand: ArrayLike, axes: Sequence[int], *, out_sharding: Any = None) -> Array:
    """The sum over `axes`. Floats narrower than float32 are summed in float32.

    Raises TypeError for bools, ValueError for axes that repeat or do not exist.
    """
    return _call(reduce_sum_p, operand, axes, out_sharding=out_sharding)


def _prod_jvp(primals: Any, tangents: Any, *, axes: Any, **params: Any) -> Any:
    """Products of halves, with the product rule at each step: right for zeros, of any order."""
    (x,), (tangent,) = primals, tangents
    out = reduce_prod_p.bind(x, axes=axes, **params)
    aval = aval_of(x)
    order = (*axes, *positions(aval.ndim, axes))
    rest = tuple(aval.shape[i] for i in order[len(axes):])
    count = int(np.prod([aval.shape[i] for i in axes], dtype=np.int64))
    if count == 0:
        return out, broadcast_in_dim(constant(0, aval), rest, ())
    pair = [_reshaped(_reordered(v, order), (count, *rest)) for v in (x, tangent)]
    while count > 1:
        half = count // 2
        (a, ta), (b, tb) = _take(pair, 0, half), _take(pair, half, 2 * half)
        product = [mul_p.bind(a, b), add_any(mul_p.bind(ta, b), mul_p.bind(a, tb))]
        if count % 2:
            last = _take(pair, count - 1, count)
            product = [concatenate_p.bind(v, w, dimension=0)
                       for v, w in zip(product, last, strict=True)]
        pair, count = product, half + count % 2
    return out, squeeze_p.bind(pair[1], dimensions=(0,))


def _reordered(x: Any, order: tuple[int, ...]) -> Any:
    return x if order == tuple(range(len(order))) else transpose_p.bind(x, permutation=order)


def _reshaped(x: Any, shape: tuple[int, ...]) -> Any:
    return x if aval_of(x).shape == shape else reshape_p.bind(
        x, new_sizes=shape, dimensions=None, sharding=None)


def _take(values: Sequence[Any], start: int, stop: int) -> list[Any]:
    """Rows `start` to `stop` of each value."""
    out = []
    for x in values:
        shape = aval_of(x).shape
        out.append(slice_p.bind(x, start_indices=(start, *(0 for _ in shape[1:])),
                         limit_indices=(stop, *shape[1:]), strides=None))
    return out


reduce_prod_p = _reduction("reduce_prod", NUMBER, _evaluate_by(np.multiply, None),
                           jvp=when_nonzero(_prod_jvp), combine=mul_p, identity=_one)


def reduce_prod(operand: ArrayLike, axes: Sequence[int]) -> Array:
    """The product over `axes`; its derivative is right where elements are zero."""
    return _call(reduce_prod_p, operand, axes)


# ---- max, min --------------------------------------------------------------------------------

def lowest(dtype: Any) -> Any:
    """The identity of `max`: -inf, the least number of a dtype without infinities, or False."""
    if dtype.kind == "b":
        return False
    if dtypes.issubdtype(dtype, np.integer):
        return dtypes.iinfo(dtype).min
    return -np.inf if _has_infinities(dtype) else dtypes.finfo(dtype).min


def _has_infinities(dtype: Any) -> bool:
    return bool(np.isinf(np.asarray(np.inf).astype(dtype)))


def highest(dtype: Any) -> Any:
    """The identity of `min`: inf, the greatest number of a dtype without infinities, or True."""
    if dtype.kind == "b":
        return True
    if dtypes.issubdtype(dtype, np.integer):
        return dtypes.iinfo(dtype).max
    return np.inf if _has_infinities(dtype) else dtypes.finfo(dtype).max


def _extreme_jvp(g: Any, out: Any, x: Any, *, axes: Any, **params: Any) -> Any:
    """The mean of the tangents at the places where the extreme is attained."""
    shape = aval_of(x).shape
    places = converted(eq_p.bind(x, spread(out, shape, axes)), aval_of(g).dtype)
    counts = reduce_sum_p.bind(places, axes=axes, out_sharding=None)
    return div_p.bind(
        reduce_sum_p.bind(mul_p.bind(g, places), axes=axes, out_sharding=None), counts)


reduce_max_p = _reduction("reduce_max", ANY, _evaluate_by(np.maximum, lowest), exact=ANY,
                          jvp=by_operand(_extreme_jvp), combine=max_p, identity=lowest)
reduce_min_p = _reduction("reduce_min", ANY, _evaluate_by(np.minimum, highest), exact=ANY,
                          jvp=by_operand(_extreme_jvp), combine=min_p, identity=highest)


def reduce_max(operand: ArrayLike, axes: Sequence[int]) -> Array:
    """The maximum over `axes`, NaN if there is one; the identity (-inf, …) over empty axes.

    The derivative is shared equally between equal maxima.
    """
    return _call(reduce_max_p, operand, axes)


def reduce_min(operand: ArrayLike, axes: Sequence[int]) -> Array:
    """The minimum over `axes`, NaN if there is one; the identity (inf, …) over empty axes."""
    return _call(reduce_min_p, operand, axes)


# ---- logic -----------------------------------------------------------------------------------

_LOGICAL = (np.bool_, np.integer)


def _all_ones(dtype: Any) -> Any:
    return True if dtype.kind == "b" else ~np.zeros((), dtype)[()]


def _logical(name: str, ufunc: Any, combine: Primitive, identity: Any) -> Primitive:
    return _reduction(name, _LOGICAL, _evaluate_by(ufunc, identity), jvp=piecewise_constant,
                      combine=combine, identity=identity, type_rule=_logical_type)


reduce_and_p = _logical("reduce_and", np.bitwise_and, and_p, _all_ones)
reduce_or_p = _logical("reduce_or", np.bitwise_or, or_p, _zero)
reduce_xor_p = _logical("reduce_xor", np.bitwise_xor, xor_p, _zero)


def reduce_and(operand: ArrayLike, axes: Sequence[int]) -> Array:
    """The AND over `axes`, of bools or of the bits of integers."""
    return _call(reduce_and_p, operand, axes)


def reduce_or(operand: ArrayLike, axes: Sequence[int]) -> Array:
    """The OR over `axes`, of bools or of the bits of integers."""
    return _call(reduce_or_p, operand, axes)


def reduce_xor(operand: ArrayLike, axes: Sequence[int]) -> Array:
    """The exclusive OR over `axes`, of bools or of the bits of integers."""
    return _call(reduce_xor_p, operand, axes)


# ---- argmax, argmin --------------------------------------------------------------------------

def _position_type(name: str) -> Callable[..., Any]:
    def rule(x: Any, *, axes: Any, index_dtype: Any) -> Any:
        axis, = axes
        check_kind(name, x.dtype, ORDERED)
        if not dtypes.issubdtype(index_dtype, np.integer):
            raise TypeError(
                f"index_dtype must be an integer type, but got {dtypes.dtype_name(index_dtype)}")
        if not 0 <= axis < x.ndim:
            raise ValueError(f"Invalid axis {axis} for operand shape {x.shape}")
        if x.shape[axis] < 1:
            raise ValueError("argmin and argmax require non-empty reduced dimension. "
                             f"operand.shape={x.shape} axis={axis}")
        check_positions(name, x.shape[axis], np.dtype(index_dtype))
        return ShapedArray([size for i, size in enumerate(x.shape) if i != axis], index_dtype)
    return rule


def _better(b: Any, x: Any, y: Any, wins: Any) -> Any:
    """The better of two (value, position) pairs: NaN, then the value, then the first position."""
    (v, i), (w, j) = x, y
    better, equal = wins(v, w), b.eq(v, w)
    if v.kind == "float":
        v_nan, w_nan = b.ne(v, v), b.ne(w, w)
        better = b.or_(b.and_(v_nan, b.not_(w_nan)), better)
        equal = b.or_(equal, b.and_(v_nan, w_nan))
    first = b.or_(better, b.and_(equal, b.lt(i, j)))
    return b.select(first, v, w), b.select(first, i, j)


def _better_evaluated(wins: Any, x: Any, y: Any) -> Any:
    """The same, of pairs of NumPy arrays."""
    (v, i), (w, j) = x, y
    v_nan, w_nan = v != v, w != w
    better = wins(v, w) | (v_nan & ~w_nan)
    first = better | (((v == w) | (v_nan & w_nan)) & (i < j))
    return np.where(first, v, w), np.where(first, i, j)


def _better_stablehlo(b: Any, direction: str, v: Any, i: Any, w: Any, j: Any) -> Any:
    """The same, of two pairs as StableHLO gives them to a reduction."""
    better = or_p.bind(b.compare(direction, v, w), b.compare("NE", v, v))
    first = or_p.bind(better, and_p.bind(b.compare("EQ", v, w), b.compare("LT", i, j)))
    return b.select(better, v, w), b.select(first, i, j)


def _position(name: str, fn: Any, compare: str, worst: Callable[[Any], Any]) -> Primitive:
    def evaluate(x: Any, *, axes: Any, index_dtype: Any) -> Any:
        values = x.astype(wide_dtype(x.dtype)) if is_small(x.dtype) else x
        return np.asarray(fn(values, axis=axes[0])).astype(index_dtype)
    primitive = Primitive(
        name, sharding=sharding_rules.reduce, type_rule=_position_type(name),
        evaluate=evaluate, jvp=piecewise_constant,
        transpose=NotApplicable("not linear"), batch=reduction_batch(lambda: primitive),
        weak_type="none", exact=ANY,
        lower=Reduce(Pairs(
            lambda b, x, y: _better(b, x, y, getattr(b, compare)),
            lambda x, y: _better_evaluated(getattr(operator, compare), x, y)), worst),
        stablehlo=lambda b, x, *, axes, index_dtype: b.reduce(
            [x, b.iota(x.shape, index_dtype, axes[0])],
            [b.constant(worst(x.dtype), x.dtype), b.constant(0, index_dtype)], axes,
            lambda *pairs: _better_stablehlo(b, compare.upper(), *pairs))[1])
    return primitive


argmax_p = _position("argmax", np.argmax, "gt", lowest)
argmin_p = _position("argmin", np.argmin, "lt", highest)


def _call_position(primitive: Primitive, x: Any, axis: int, index_dtype: Any) -> Any:
    x = operand(x, primitive.name)
    dtype = dtypes.check_user_dtype(index_dtype, primitive.name)
    axis = axis_number(axis)
    primitive.type_rule(x.aval, axes=(axis,), index_dtype=dtype)
    return primitive.bind(x, axes=(axis,), index_dtype=dtype)


@remembered
def argmax(operand: ArrayLike, axis: int, index_dtype: DTypeLike) -> Array:
    """The index of the first maximum along `axis` (of the first NaN, if there is one).

    Raises ValueError when the axis does not exist or is empty, TypeError when `index_dtype` is no
    integer dtype.
    """
    return _call_position(argmax_p, operand, axis, index_dtype)


@remembered
def argmin(operand: ArrayLike, axis: int, index_dtype: DTypeLike) -> Array:
    """The index of the first minimum along `axis` (of the first NaN, if there is one)."""
    return _call_position(argmin_p, operand, axis, index_dtype)
