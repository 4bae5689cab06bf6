"""Comparisons, selection, clamping, rounding and other piecewise constant or linear functions."""
from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import numpy as np

from arrax._native import select_small
from arrax.core import dtypes
from arrax.core.ad_values import UndefinedPrimal, Zero, tangent_aval
from arrax.core.array import Array, ArrayImpl
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.dtypes import ExtendedDType
from arrax.core.parameter_types import parameter_type
from arrax.core.primitive import NotApplicable, Primitive
from arrax.core.remembered import remembered
from arrax.core.lowering import Elementwise
from arrax.ops.arguments import operand
from arrax.ops.elementwise_rules import (
    ANY, FLOAT, INEXACT, ORDERED, REAL, accept_once, binary, call_binary, call_unary,
    check_kind, check_same_dtypes, emits, evaluate_by, is_small, joint_shape,
    nary_type, piecewise_constant, to_bool, unary)
from arrax.ops.p import and_p
from arrax.ops.quiet import quiet
from arrax.ops.extremes import maximum, minimum
from arrax.ops.rules import (add_tangents, batch_elementwise, broadcast_in_dim, filled_like,
                             instantiate, move_axis, to_shape_of, zeros)
from arrax.typing import ArrayLike


# ---- comparisons -----------------------------------------------------------------------------

def _comparison(name: str, fn: Any, kinds: Any, **facts: Any) -> Primitive:
    return binary(name, kinds, fn, result=to_bool, jvp=piecewise_constant, exact=ANY,
                  stablehlo=lambda b, x, y: b.compare(name.upper(), x, y), **facts)


class _equality_type(nary_type):
    """Equality also compares keys."""

    def __call__(self, *avals: Any, **params: Any) -> Any:
        if isinstance(avals[0].dtype, ExtendedDType):
            check_same_dtypes(self.name, avals)
            return ShapedArray(joint_shape(self.name, avals), np.dtype(bool))
        return super().__call__(*avals, **params)


eq_p = _comparison("eq", np.equal, ANY, commutative=True)
ne_p = _comparison("ne", np.not_equal, ANY, commutative=True)
for _primitive in (eq_p, ne_p):
    _primitive.type_rule = _equality_type(_primitive.name, (ANY, ANY), to_bool)
lt_p = _comparison("lt", np.less, ORDERED)
le_p = _comparison("le", np.less_equal, ORDERED)
gt_p = _comparison("gt", np.greater, ORDERED)
ge_p = _comparison("ge", np.greater_equal, ORDERED)


def eq(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise `x == y`, as bools."""
    return call_binary(eq_p, x, y)


def ne(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise `x != y`, as bools."""
    return call_binary(ne_p, x, y)


def lt(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise `x < y`, as bools."""
    return call_binary(lt_p, x, y)


def le(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise `x <= y`, as bools."""
    return call_binary(le_p, x, y)


def gt(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise `x > y`, as bools."""
    return call_binary(gt_p, x, y)


def ge(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise `x >= y`, as bools."""
    return call_binary(ge_p, x, y)


def total_order_key(x: np.ndarray) -> np.ndarray:
    """Integers that order floats totally: -NaN < -inf < … < -0 < 0 < … < inf < NaN."""
    if not dtypes.issubdtype(x.dtype, np.floating):
        return x
    bits = x.dtype.itemsize * 8
    signed = np.dtype(f"int{bits}")
    key = x.view(signed)
    ordered: np.ndarray = key ^ (
        (key >> signed.type(bits - 1)) & signed.type(np.iinfo(signed).max))
    return ordered


def _emit_key(b: Any, x: Any) -> Any:
    """`total_order_key` in native code."""
    if x.dtype.kind in "iub":
        return x
    bits = x.dtype.itemsize * 8
    key = b.bitcast_convert_type(x, f"int{bits}")
    sign = b.shift_right_arithmetic(key, b.like(key, bits - 1))
    return b.xor(key, b.and_(sign, b.like(key, (1 << (bits - 1)) - 1)))


def _total_order(name: str, fn: Any) -> Primitive:
    def evaluate(x: Any, y: Any) -> Any:
        return fn(total_order_key(x), total_order_key(y))
    return Primitive(
        name, type_rule=nary_type(name, (ORDERED, ORDERED), to_bool), evaluate=evaluate,
        jvp=piecewise_constant, transpose=NotApplicable("not linear"), batch=batch_elementwise(),
        lower=Elementwise(
            lambda b, x, y: getattr(b, name[:2])(_emit_key(b, x), _emit_key(b, y)), 4),
        elementwise=True, exact=ANY, stablehlo=lambda b, x, y: b.compare(
            name[:2].upper(), x, y,
            "TOTALORDER" if dtypes.issubdtype(x.dtype, np.floating) else None))


eq_to_p = _total_order("eq_to", np.equal)
le_to_p = _total_order("le_to", np.less_equal)
lt_to_p = _total_order("lt_to", np.less)


# ---- select_n --------------------------------------------------------------------------------

def _select_type(which: Any, *cases: Any) -> Any:
    if not cases:
        raise ValueError("select_n() must have at least one case")
    kind = np.dtype(dtypes.storage_dtype(which.dtype)).kind
    if kind not in "biu":
        raise TypeError("select `which` must be boolean or integer type, got "
                        f"{dtypes.dtype_name(which.dtype)}.")
    if kind == "b" and len(cases) > 2:
        raise TypeError("select with boolean `which` cannot have > 2 cases.")
    shapes = [case.shape for case in cases]
    if any(shape != shapes[0] for shape in shapes):
        raise TypeError(f"select cases must have the same shapes, got {shapes}.")
    if which.shape not in ((), shapes[0]):
        raise TypeError(
            "select `which` must be scalar or have the same shape as cases, got `which` shape "
            f"{which.shape} but case shape {shapes[0]}.")
    check_same_dtypes("select", cases)
    return ShapedArray(shapes[0], cases[0].dtype)


def _select_evaluate(which: Any, *cases: Any) -> Any:
    if which.ndim == 0:
        return cases[min(max(int(which), 0), len(cases) - 1)]
    if len(cases) == 2:
        found = select_small(which, *cases)
        if found is not None:
            return found
        return np.where(which if which.dtype is _BOOL else which > 0, cases[1], cases[0])
    if len(cases) == 1:
        return cases[0]
    index = np.clip(which.astype(np.int64), 0, len(cases) - 1)
    if is_small(cases[0].dtype):
        return np.choose(index, [case.view(f"u{case.dtype.itemsize}") for case in cases]) \
            .view(cases[0].dtype)
    out = cases[0]
    for i, case in enumerate(cases[1:], 1):
        out = np.where(index == i, case, out)
    return out


_BOOL = np.dtype(bool)


def _select_is_weak(which: Any, *cases: Any) -> bool:
    return cases[0].weak_type and all(case.weak_type for case in cases)


def _select_jvp(primals: Any, tangents: Any) -> Any:
    which, *cases = primals
    out = select_n_p.bind(which, *cases)
    if all(type(t) is Zero for t in tangents[1:]):
        return out, Zero(tangent_aval(aval_of(out)))
    return out, select_n_p.bind(which, *map(instantiate, tangents[1:]))


def _select_transpose(cotangent: Any, which: Any, *cases: Any) -> list[Any]:
    if type(cotangent) is Zero:
        return [None, *(Zero(c.aval) if type(c) is UndefinedPrimal else None for c in cases)]
    nothing = zeros(aval_of(cotangent))
    return [None, *(
        select_n_p.bind(which, *(cotangent if i == j else nothing for j in range(len(cases))))
        if type(case) is UndefinedPrimal else None for i, case in enumerate(cases))]


def _select_batch(axis: Any, operands: Any, dims: Any) -> Any:
    which, *cases = operands
    which_dim, *case_dims = dims
    batched = next((i for i, d in enumerate(case_dims) if d is not None), None)
    unbatched_scalar = which_dim is None and aval_of(which).ndim == 0
    shape = _unbatched_shape(cases[0], case_dims[0])
    cases = [_to_front(c, d, axis.size, shape, batched is not None)
             for c, d in zip(cases, case_dims, strict=True)]
    if batched is None:  # only `which` has the batch axis
        cases = [broadcast_in_dim(c, (axis.size, *shape), range(1, len(shape) + 1)) for c in cases]
    if not unbatched_scalar:
        if which_dim is None:
            which = broadcast_in_dim(which, (axis.size, *shape), range(1, len(shape) + 1))
        else:
            which = move_axis(which, which_dim, 0)
            if aval_of(which).ndim == 1 and shape:
                which = broadcast_in_dim(which, (axis.size, *shape), (0,))
    return select_n_p.bind(which, *cases), 0


def _select_stablehlo(b: Any, which: Any, *cases: Any) -> Any:
    if which.dtype == _BOOL and len(cases) == 2:
        return b.select(which, cases[1], cases[0])
    return _chosen(b, which, cases, 0)


def _chosen(b: Any, which: Any, cases: tuple[Any, ...], first: int) -> Any:
    """Of `cases`, which start with number `first`, by halves."""
    if len(cases) == 1:
        return cases[0]
    half = len(cases) // 2
    is_low = b.compare("LT", which, b.constant(first + half, which.dtype))
    return b.select(is_low, _chosen(b, which, cases[:half], first),
                    _chosen(b, which, cases[half:], first + half))


def _unbatched_shape(x: Any, dim: int | None) -> tuple[int, ...]:
    shape: tuple[int, ...] = aval_of(x).shape
    return shape if dim is None else shape[:dim] + shape[dim + 1:]


def _to_front(x: Any, dim: int | None, size: int, shape: tuple[int, ...], needed: bool) -> Any:
    if dim is not None:
        return move_axis(x, dim, 0)
    return broadcast_in_dim(x, (size, *shape), range(1, len(shape) + 1)) if needed else x


select_n_p = Primitive(
    "select_n", type_rule=_select_type, evaluate=_select_evaluate, jvp=_select_jvp,
    transpose=_select_transpose, batch=_select_batch, elementwise=True, linear=True,
    exact=ANY, weak_type=_select_is_weak, lower=emits("select_n"), stablehlo=_select_stablehlo)


def select_n(which: ArrayLike, *cases: ArrayLike) -> Array:
    """Elements of `cases`, chosen by `which`: case 0 for False or 0, case 1 for True or 1, …

    `which` is a scalar or has the shape of the cases, bool (two cases at most) or integer. Integers
    out of range choose the first or the last case. All cases have one shape and dtype.

    Example:
      >>> lax.select_n(jnp.array([True, False]), jnp.array([1, 2]), jnp.array([3, 4]))
      Array([3, 2], dtype=int32)
    """
    if not cases:
        raise ValueError("select_n() must have at least one case")
    values = [x if type(x) is ArrayImpl else operand(x, "select_n", i)
              for i, x in enumerate((which, *cases))]
    accept_once(select_n_p, *[x.aval for x in values])
    return select_n_p.bind(*values)


@remembered
def select(pred: ArrayLike, on_true: ArrayLike, on_false: ArrayLike) -> Array:
    """`on_true` where `pred` holds, else `on_false`; operands as for `select_n`."""
    return select_n(pred, on_false, on_true)


# ---- clamp -----------------------------------------------------------------------------------

def _clamp_type(low: Any, x: Any, high: Any) -> Any:
    for i, aval in enumerate((low, x, high)):
        check_kind("clamp", aval.dtype, (np.integer, np.bool_, *INEXACT),
                   "" if isinstance(aval.dtype, ExtendedDType) else f" at position {i}")
    for name, aval in (("min", low), ("max", high)):
        if aval.shape not in ((), x.shape):
            raise TypeError(
                f"clamp requires {name}.shape == operand.shape or {name}.shape == (), got "
                f"{name}.shape={aval.shape}, operand.shape={x.shape}.")
    check_same_dtypes("clamp", (low, x, high))
    return ShapedArray(x.shape, x.dtype)


def _clamp_jvp(primals: Any, tangents: Any) -> Any:
    low, x, high = primals
    out = clamp_p.bind(low, x, high)
    total: Any = Zero(tangent_aval(aval_of(out)))
    conditions: tuple[Callable[[], Any], ...] = (
        lambda: _and(gt_p.bind(low, x), lt_p.bind(low, high)),
        lambda: _and(gt_p.bind(x, low), lt_p.bind(x, high)),
        lambda: lt_p.bind(high, x))
    for tangent, condition in zip(tangents, conditions, strict=True):
        if type(tangent) is not Zero:
            tangent = to_shape_of(tangent, out)
            total = add_tangents(total, select_n_p.bind(
                condition(), filled_like(0, tangent), tangent))
    return out, total


def _and(x: Any, y: Any) -> Any:
    return and_p.bind(x, y)


class _clamp_batch:
    """Batching as for elementwise ops, but the bounds may not be larger than `x`."""

    def attach(self, primitive: Primitive) -> Any:
        general = batch_elementwise(full=True).attach(primitive)

        def rule(axis: Any, operands: Any, dims: Any) -> Any:
            low, x, high = operands
            if dims[1] is None:
                shape = aval_of(x).shape
                x = broadcast_in_dim(x, (axis.size, *shape), range(1, len(shape) + 1))
                dims = (dims[0], 0, dims[2])
            return general(axis, (low, x, high), dims)
        return rule


clamp_p = Primitive(
    "clamp", type_rule=_clamp_type,
    evaluate=evaluate_by(lambda low, x, high: minimum(maximum(x, low), high)),
    jvp=_clamp_jvp, transpose=NotApplicable("not linear"), batch=_clamp_batch(),
    lower=emits("clamp", 2), elementwise=True, exact=REAL, stablehlo="stablehlo.clamp")


@remembered
def clamp(min: ArrayLike, x: ArrayLike, max: ArrayLike) -> Array:
    """Elementwise `x`, but `min` where it is smaller and `max` where it is larger.

    The bounds are scalars or have the shape of `x`, and its dtype. NaNs propagate.
    """
    values = [operand(v, "clamp", i) for i, v in enumerate((min, x, max))]
    accept_once(clamp_p, *[v.aval for v in values])
    return clamp_p.bind(*values)


# ---- rounding --------------------------------------------------------------------------------

floor_p = unary("floor", FLOAT, np.floor, jvp=piecewise_constant, exact=FLOAT,
                stablehlo="stablehlo.floor")


def floor(x: ArrayLike) -> Array:
    """Elementwise largest whole number ≤ x."""
    return call_unary(floor_p, x)


ceil_p = unary("ceil", FLOAT, np.ceil, jvp=piecewise_constant, exact=FLOAT,
               stablehlo="stablehlo.ceil")


def ceil(x: ArrayLike) -> Array:
    """Elementwise smallest whole number ≥ x."""
    return call_unary(ceil_p, x)


@parameter_type
class RoundingMethod(enum.IntEnum):
    """Which way `round` goes from halves: away from zero, or to the even neighbour."""

    AWAY_FROM_ZERO = 0
    TO_NEAREST_EVEN = 1


_BELOW_HALF = {np.dtype(kind): np.nextafter(kind(0.5), kind(0))
               for kind in (np.float16, np.float32, np.float64)}


def _round_evaluate(x: Any, *, rounding_method: Any) -> Any:
    if rounding_method == RoundingMethod.TO_NEAREST_EVEN:
        return np.rint(x)
    # Adding the float below 0.5 reaches the next whole number from 0.5 on, and never before.
    return np.trunc(x + np.copysign(_BELOW_HALF[x.dtype], x))


round_p = unary("round", FLOAT, _round_evaluate, jvp=piecewise_constant, lower=Elementwise(
    lambda b, x, rounding_method: b.round(x, int(rounding_method)), 2), exact=FLOAT,
    stablehlo=lambda b, x, rounding_method: b.op(
        ("round_nearest_afz", "round_nearest_even")[int(rounding_method)], x))


@remembered
def round(x: Any, rounding_method: Any = RoundingMethod.AWAY_FROM_ZERO) -> Array:
    """Elementwise nearest whole number; `rounding_method` decides halves."""
    x = operand(x, "round")
    check_kind("round", x.aval.dtype, FLOAT)
    return round_p.bind(x, rounding_method=RoundingMethod(rounding_method).value)


is_finite_p = unary("is_finite", FLOAT, np.isfinite, result=to_bool, jvp=piecewise_constant,
                    exact=FLOAT, stablehlo="stablehlo.is_finite")


def is_finite(x: ArrayLike) -> Array:
    """Elementwise: neither infinite nor NaN, as bools."""
    return call_unary(is_finite_p, x)


nextafter_p = Primitive(
    "nextafter", type_rule=nary_type("nextafter", (FLOAT, FLOAT)),
    evaluate=quiet(np.nextafter),
    jvp=NotApplicable("it is a step function of the bits of its operand"),
    transpose=NotApplicable("not linear"), batch=batch_elementwise(),
    lower=emits("nextafter", 2), elementwise=True, exact=FLOAT, stablehlo="chlo.next_after")


def nextafter(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Elementwise next representable number after `x1` towards `x2`."""
    return call_binary(nextafter_p, x1, x2)
