"""Reductions over windows in StableHLO."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from arrax.core.aval import ShapedArray
from arrax.core.primitive import Primitive
from arrax.ops.p import add_p, ge_p, le_p, pad_p


def window_attributes(*, window_dimensions: Any, window_strides: Any, padding: Any,
                      base_dilation: Any, window_dilation: Any) -> dict[str, Any]:
    """The parameters of a primitive by the names of StableHLO's attributes."""
    return {"window_dimensions": window_dimensions, "window_strides": window_strides,
            "padding": padding, "base_dilations": base_dilation,
            "window_dilations": window_dilation}


def windowed(combine: Primitive, identity: Callable[[Any], Any]) -> Callable[..., Any]:
    """The rule of a reduction over windows by the primitive `combine`."""
    def rule(b: Any, x: Any, **params: Any) -> Any:
        out, scalar = b.outs[0], ShapedArray((), x.aval.dtype)
        region = b.region(combine.bind, scalar, scalar)
        return b.op("reduce_window", x, b.constant(identity(scalar.dtype), scalar.dtype),
                    results=out, regions=[region], **window_attributes(**params))
    return rule


def gather_selected_form(identity: Callable[..., Any]) -> Callable[..., Any]:
    """The rule of `select_and_gather_add`: one reduction of (value, place, tangent).

    Of equal values the first place wins; padding is at the place after all others, so that it wins
    over no element.
    """
    def rule(b: Any, tangents: Any, x: Any, *, select_prim: Any, **params: Any) -> Any:
        largest = select_prim is ge_p
        shape, size = x.aval.shape, math.prod(x.aval.shape)
        place = np.dtype(np.int32 if size < 2 ** 31 else np.int64)
        places = b.reshape(b.iota((size,), place, 0), shape)
        dtypes = (x.aval.dtype, place, tangents.aval.dtype)
        starts = (identity(dtypes[0], not largest), size, 0)
        scalars = [ShapedArray((), d) for d in dtypes]

        def better(v: Any, i: Any, t: Any, w: Any, j: Any, u: Any) -> list[Any]:
            wins = b.op("or", b.compare("GT" if largest else "LT", v, w),
                        b.op("and", b.compare("EQ", v, w), b.compare("LT", i, j)))
            return [b.select(wins, p, q) for p, q in ((v, w), (i, j), (t, u))]

        outs = b.op("reduce_window", x, places, tangents,
                    *(b.constant(s, d) for s, d in zip(starts, dtypes, strict=True)),
                    results=[ShapedArray(b.outs[0].shape, d) for d in dtypes],
                    regions=[b.region(better, *scalars, *scalars)], **window_attributes(**params))
        return outs[2]
    return rule


def scatter_selected_form(identity: Callable[..., Any]) -> Callable[..., Any]:
    """The rule of `select_and_scatter_add`.

    The operand is padded before, since the operation's own padding counts as elements of value 0.
    """
    def rule(b: Any, source: Any, x: Any, *, select_prim: Any, window_dimensions: Any,
             window_strides: Any, padding: Any) -> Any:
        fill = identity(x.aval.dtype, select_prim is le_p)
        config = tuple((lo, hi, 0) for lo, hi in padding)
        padded = pad_p.bind(x, b.constant(fill, x.aval.dtype), padding_config=config)
        value, total = ShapedArray((), x.aval.dtype), ShapedArray((), source.aval.dtype)
        regions = [b.region(select_prim.bind, value, value),
                   b.region(add_p.bind, total, total)]
        zero = b.constant(0, total.dtype)
        out = b.op("select_and_scatter", padded, source, zero, regions=regions,
                   results=ShapedArray(padded.aval.shape, total.dtype),
                   window_dimensions=window_dimensions, window_strides=window_strides)
        undo = tuple((-lo, -hi, 0) for lo, hi in padding)
        return pad_p.bind(out, zero, padding_config=undo)
    return rule
