"""Cumulative sums, products, extremes and log-sum-exps along an axis."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from arrax import _native
from arrax.core import dtypes
from arrax.core.array import Array
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.primitive import NotApplicable, Primitive
from arrax.core.remembered import remembered
from arrax.library.calls import call_eagerly
from arrax.library.rows import ScanKind, scan, scan_spec
from arrax.core.lowering import Library
from arrax.ops import sharding_rules
from arrax.ops import formulas as f
from arrax.ops.arguments import axis_number, operand
from arrax.ops.arithmetic import add_any, add_p, max_p, min_p, mul_p
from arrax.ops.elementwise_rules import check_kind
from arrax.ops.extremes import signed_zeros
from arrax.ops.p import (concatenate_p, pad_p, real_p, rev_p,
                        slice_p)
from arrax.ops.quiet import quiet
from arrax.ops.reduce import accumulation_dtype, highest, lowest, when_nonzero
from arrax.ops.rules import constant, linear_jvp, transpose_unary

_NUMBER = (np.number,)
_INEXACT = (np.floating, np.complexfloating)


# ---- scans over pairs of value and tangent -----------------------------------------------------

def _slice(x: Any, axis: int, start: int, stop: int, stride: int = 1) -> Any:
    shape = aval_of(x).shape
    starts, limits, strides = [0] * len(shape), list(shape), [1] * len(shape)
    starts[axis], limits[axis], strides[axis] = start, max(stop, start), stride
    return slice_p.bind(x, start_indices=tuple(starts), limit_indices=tuple(limits),
                 strides=tuple(strides))


def _interleave(even: Any, odd: Any, axis: int) -> Any:
    """The values of `even` and `odd` in turns, `even` first."""
    def spread(x: Any, low: int, high: int) -> Any:
        config = [(0, 0, 0)] * aval_of(x).ndim
        config[axis] = (low, high, 1)
        return pad_p.bind(x, constant(0, x), padding_config=tuple(config))
    n, m = aval_of(even).shape[axis], aval_of(odd).shape[axis]
    return add_p.bind(spread(even, 0, 1 if n == m else 0), spread(odd, 1, 1 if n > m else 0))


Pair = tuple[Any, Any]


def scan_pairs(combine: Callable[[Pair, Pair], Pair], elements: Pair, axis: int) -> Pair:
    """All prefixes of `elements` under an associative `combine`, in about 2 log₂ n steps.

    Neighbours are combined, the half as long sequence is scanned, and the missing prefixes are
    filled in (Blelloch, "Prefix sums and their applications", 1990).
    """
    count = aval_of(elements[0]).shape[axis]
    if count < 2:
        return elements

    def take(pair: Pair, start: int, stop: int, stride: int = 1) -> Pair:
        return tuple(_slice(x, axis, start, stop, stride) for x in pair)

    odd = scan_pairs(combine, combine(take(elements, 0, count - 1, 2),
                                      take(elements, 1, count, 2)), axis)
    known = aval_of(odd[0]).shape[axis]
    even = take(elements, 0, 1)
    if count > 2:
        before = take(odd, 0, known - 1) if count % 2 == 0 else odd
        filled = combine(before, take(elements, 2, count, 2))
        even = tuple(concatenate_p.bind(x, y, dimension=axis)
                     for x, y in zip(even, filled, strict=True))
    return tuple(_interleave(x, y, axis) for x, y in zip(even, odd, strict=True))


class _scan_jvp:
    """JVP through `scan_pairs`, whose `combine` carries the tangents along."""

    def __init__(self, combine: Callable[[Pair, Pair], Pair]):
        self.combine = combine

    def attach(self, primitive: Primitive) -> Any:
        def rule(primals: Any, tangents: Any, *, axis: int, reverse: bool) -> Any:
            out = primitive.bind(*primals, axis=axis, reverse=reverse)
            pair = (primals[0], tangents[0])
            if reverse:
                pair = tuple(rev_p.bind(x, dimensions=(axis,)) for x in pair)
            tangent = scan_pairs(self.combine, pair, axis)[1]
            return out, rev_p.bind(tangent, dimensions=(axis,)) if reverse else tangent
        return when_nonzero(rule).attach(primitive)


# ---- declaration -------------------------------------------------------------------------------

def _type_rule(name: str, kinds: Any) -> Callable[..., Any]:
    def rule(x: Any, *, axis: int, reverse: bool) -> Any:
        check_kind(name, x.dtype, kinds)
        if axis < 0:
            raise ValueError("XLA operations do not allow negative axes")
        if axis >= x.ndim:
            raise ValueError(f"axis {axis} is out of bounds for array of shape {x.shape}")
        return ShapedArray(x.shape, x.dtype)
    return rule


def _evaluate_by(accumulate: Callable[..., Any]) -> Callable[..., Any]:
    def evaluate(x: Any, *, axis: int, reverse: bool) -> Any:
        wide = accumulation_dtype(x.dtype)
        source = x if x.dtype == wide else x.astype(wide)
        if reverse:
            source = np.flip(source, axis)
        out = accumulate(source, axis)
        if reverse:
            out = np.flip(out, axis)
        return out if out.dtype == x.dtype else out.astype(x.dtype)
    return quiet(evaluate)


def _evaluate_sums(x: Any, *, axis: int, reverse: bool) -> Any:
    """By the library, whose errors do not grow along the axis, where it knows the dtype."""
    spec = scan_spec(ScanKind.SUM, x, axis, reverse)
    if spec is None or not x.size:
        return _sums_by_numpy(x, axis=axis, reverse=reverse)
    out = _native.empty(x.shape, x.dtype)
    call_eagerly("arrax_scan", spec, np.ascontiguousarray(x), out)
    return out


def _accumulate(ufunc: Any, greatest: bool | None = None) -> Callable[..., Any]:
    def accumulate(x: Any, axis: int) -> Any:
        return ufunc.accumulate(x, axis=axis, dtype=x.dtype)
    if greatest is None:
        return _evaluate_by(accumulate)
    corrected = signed_zeros(accumulate, greatest)
    return _evaluate_by(lambda x, axis: corrected(x, axis=axis))


def _prefixes(combine: Callable[..., Any], identity: Callable[[Any], Any]) -> Callable[..., Any]:
    """The StableHLO form: a window as long as the axis, over `identity`s in front (or behind)."""
    def rule(b: Any, x: Any, *, axis: int, reverse: bool) -> Any:
        size = x.shape[axis]
        if not x.size:
            return x
        element = ShapedArray((), x.dtype)
        window, padding = [1] * x.ndim, [(0, 0)] * x.ndim
        window[axis], padding[axis] = size, (0, size - 1) if reverse else (size - 1, 0)
        return b.op("reduce_window", x, b.constant(identity(x.dtype), x.dtype), padding=padding,
                    window_dimensions=window, regions=[b.region(combine, element, element)])
    return rule


def _cumulative(name: str, kind: ScanKind, kinds: Any, evaluate: Any, jvp: Any, stablehlo: Any,
                transpose: Any = NotApplicable("not linear")) -> Primitive:
    def batch(axis_data: Any, operands: Any, dims: Any, *, axis: int, reverse: bool) -> Any:
        (x,), (dim,) = operands, dims
        return primitive.bind(x, axis=axis + (axis >= dim), reverse=reverse), dim
    primitive = Primitive(
        name, sharding=sharding_rules.along_unsplit("cumulative"),
        type_rule=_type_rule(name, kinds), evaluate=evaluate, jvp=jvp, transpose=transpose,
        batch=batch, lower=Library(scan(kind)), stablehlo=stablehlo)
    return primitive


def _call(primitive: Primitive, x: Any, axis: int, reverse: bool) -> Any:
    x = operand(x, primitive.name)
    axis, reverse = axis_number(axis), bool(reverse)
    primitive.type_rule(x.aval, axis=axis, reverse=reverse)
    return primitive.bind(x, axis=axis, reverse=reverse)


# ---- cumsum, cumprod, cummax, cummin -----------------------------------------------------------

_sums_by_numpy = _accumulate(np.add)
cumsum_p: Primitive = _cumulative(
    "cumsum", ScanKind.SUM, _NUMBER, _evaluate_sums, linear_jvp(),
    _prefixes(add_p.bind, lambda dtype: 0),
    transpose_unary(
        lambda ct, x, *, axis, reverse: cumsum_p.bind(ct, axis=axis, reverse=not reverse)))


@remembered
def cumsum(operand: Any, axis: int = 0, reverse: bool = False) -> Array:
    """Sums of the first 1, 2, … elements along `axis`, or of the last ones if `reverse`.

    Raises ValueError for negative or too large `axis`, TypeError for bools.

    Example:
      >>> lax.cumsum(jnp.array([1, 2, 3]))
      Array([1, 3, 6], dtype=int32)
    """
    return _call(cumsum_p, operand, axis, reverse)


def _product(left: Pair, right: Pair) -> Pair:
    (a, ta), (b, tb) = left, right
    return mul_p.bind(a, b), add_any(mul_p.bind(ta, b), mul_p.bind(a, tb))


cumprod_p = _cumulative("cumprod", ScanKind.PRODUCT, _NUMBER, _accumulate(np.multiply),
                        _scan_jvp(_product), _prefixes(mul_p.bind, lambda dtype: 1))


@remembered
def cumprod(operand: Any, axis: int = 0, reverse: bool = False) -> Array:
    """Products of the first 1, 2, … elements along `axis`, or of the last ones if `reverse`."""
    return _call(cumprod_p, operand, axis, reverse)


def _extreme(primitive: Primitive) -> Callable[[Pair, Pair], Pair]:
    def combine(left: Pair, right: Pair) -> Pair:
        out: Pair = primitive.jvp((left[0], right[0]), (left[1], right[1]))
        return out
    return combine


cummax_p = _cumulative("cummax", ScanKind.MAX, _NUMBER, _accumulate(np.maximum, True),
                       _scan_jvp(_extreme(max_p)), _prefixes(max_p.bind, lowest))
cummin_p = _cumulative("cummin", ScanKind.MIN, _NUMBER, _accumulate(np.minimum, False),
                       _scan_jvp(_extreme(min_p)), _prefixes(min_p.bind, highest))


@remembered
def cummax(operand: Any, axis: int = 0, reverse: bool = False) -> Array:
    """Maxima of the first 1, 2, … elements along `axis`, or of the last ones if `reverse`."""
    return _call(cummax_p, operand, axis, reverse)


@remembered
def cummin(operand: Any, axis: int = 0, reverse: bool = False) -> Array:
    """Minima of the first 1, 2, … elements along `axis`, or of the last ones if `reverse`."""
    return _call(cummin_p, operand, axis, reverse)


# ---- cumlogsumexp ------------------------------------------------------------------------------

def _accumulate_log_sums(x: np.ndarray, axis: int) -> np.ndarray:
    if x.dtype.kind != "c":
        return np.logaddexp.accumulate(x, axis=axis, dtype=x.dtype)
    rows = np.moveaxis(x, axis, 0)
    out = np.empty_like(rows)
    for i, row in enumerate(rows):
        out[i] = row if i == 0 else _log_add_exp_complex(out[i - 1], row)
    return np.moveaxis(out, 0, axis)


def _log_add_exp_complex(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    larger = np.where(x.real >= y.real, x, y)
    smaller = np.where(x.real >= y.real, y, x)
    return np.where(larger.real == -np.inf, larger, larger + np.log1p(np.exp(smaller - larger)))


def _real_log_add_exp(a: Any, b: Any) -> Any:
    difference = a - b
    general = f.apply(max_p, a, b) + f.log1p(f.exp(-abs(difference)))
    return f.where(difference != difference, a + b, general)  # infinities of one sign too


def _complex_log_add_exp(a: Any, b: Any) -> Any:
    swap = f.apply(real_p, a) < f.apply(real_p, b)
    larger, smaller = f.where(swap, b, a), f.where(swap, a, b)
    general = larger + f.log1p(f.exp(smaller - larger))
    return f.where(f.apply(real_p, larger) == -np.inf, larger, general)


_of_reals, _of_complex = f.Formula(_real_log_add_exp), f.Formula(_complex_log_add_exp)


def _log_add_exp(a: Any, b: Any) -> Any:
    """log(eᵃ + eᵇ) = max + log1p(exp(-|a - b|))."""
    is_complex = dtypes.issubdtype(aval_of(a).dtype, np.complexfloating)
    return (_of_complex if is_complex else _of_reals)(a, b)


def _log_add_exp_pairs(left: Pair, right: Pair) -> Pair:
    """The slopes of log(eᵃ + eᵇ) are exp(a - out) and exp(b - out)."""
    (a, ta), (b, tb) = left, right
    out = _log_add_exp(a, b)
    tangent = add_any(mul_p.bind(ta, _weight(a, out)), mul_p.bind(tb, _weight(b, out)))
    return out, tangent


def _finite(v: Any) -> Any:
    return f.where(v == np.inf, f.filled(0, v), v)


# exp(x - out), with infinities replaced by zeros so that they do not meet.
_weight = f.Formula(lambda x, out: f.exp(_finite(x) - _finite(out)))


cumlogsumexp_p = _cumulative("cumlogsumexp", ScanKind.LOG_SUM_EXP, _INEXACT,
                             _evaluate_by(_accumulate_log_sums),
                             _scan_jvp(_log_add_exp_pairs), _prefixes(_log_add_exp, lowest))


@remembered
def cumlogsumexp(operand: Any, axis: int = 0, reverse: bool = False) -> Array:
    """`log(cumsum(exp(operand)))` along `axis`, without overflow, for inexact operands."""
    return _call(cumlogsumexp_p, operand, axis, reverse)
