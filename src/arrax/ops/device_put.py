"""`device_put` as an operation of traced programs: where a value is to be.

All devices of the CPU share memory, so that a placement is a label on concrete arrays.
"""
from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

from arrax.core.ad_values import Zero, is_undefined
from arrax.core.array import array_of, placed_array
from arrax.core.shardings import Sharding, placement_of
from arrax.core.parameter_types import parameter_type
from arrax.core.primitive import BY_EXECUTION, Primitive
from arrax.core.lowering import Expand
from arrax.ops.rules import linear_jvp


@parameter_type
class ArrayCopySemantics(enum.IntEnum):
    """What may happen to the memory of the value that is placed."""

    REUSE_INPUT = 0
    ALWAYS_COPY = 1
    DONATE_INPUT = 2


def placed(value: Any, target: Any) -> Any:
    """A concrete array with the label `target`: a device, a sharding, or None for no change."""
    value = array_of(value)
    if target is None:
        return value
    if isinstance(target, Sharding):
        target.shard_shape(value.shape)  # raises for shapes that it cannot divide
    placement = placement_of(target)
    if placement is value.placement:
        return value
    return placed_array(value._value(), value.aval, placement)


def _execute(*values: Any, devices: Sequence[Any], **params: Any) -> list[Any]:
    return [placed(v, d) for v, d in zip(values, devices, strict=True)]


def _transpose(cotangents: Any, *operands: Any, devices: Any, srcs: Any, copy_semantics: Any,
               ) -> list[Any]:
    """Cotangents go back to where the values came from."""
    linear = [i for i, x in enumerate(operands) if is_undefined(x)]
    given = [i for i in linear if type(cotangents[i]) is not Zero]
    back = device_put_p.bind(*(cotangents[i] for i in given),
                             devices=tuple(srcs[i] for i in given),
                             srcs=tuple(devices[i] for i in given),
                             copy_semantics=tuple(copy_semantics[i] for i in given)) \
        if given else []
    out: list[Any] = [Zero(x.aval) if is_undefined(x) else None for x in operands]
    for i, value in zip(given, back, strict=True):
        out[i] = value
    return out


device_put_p: Primitive = Primitive(
    "device_put", multiple_results=True, weak_type="rule", sharding=BY_EXECUTION,
    type_rule=lambda *avals, **params: list(avals), execute=_execute, jvp=linear_jvp(),
    transpose=_transpose,
    batch=lambda axis, operands, dims, **params: (device_put_p.bind(*operands, **params),
                                                  list(dims)),
    lower=Expand(lambda *operands, **params: list(operands)),
    stablehlo=lambda b, *operands, **params: list(operands))
