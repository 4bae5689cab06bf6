"""`ragged_all_to_all`: parts of different sizes, exchanged between the instances of an axis."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.ad_values import Zero, is_undefined, tangent_aval
from arrax.core.aval import aval_of
from arrax.core.axis_env import axis_size, names_of
from arrax.core.primitive import Primitive
from arrax.core.lowering import HostCall
from arrax.ops import arguments
from arrax.ops.arithmetic import add, sub
from arrax.ops.bits import bitwise_and
from arrax.ops.collective import BATCHED_AWAY
from arrax.ops.collective_functions import all_gather
from arrax.ops.compare import ge, lt, select
from arrax.ops.convert import convert_element_type
from arrax.ops.create import broadcasted_iota
from arrax.ops.gather import gather
from arrax.ops.index_types import GatherDimensionNumbers, GatherScatterMode
from arrax.ops.reduce import reduce_max
from arrax.ops.rules import batch_to_front, broadcast_in_dim, instantiate, move_axis, zeros
from arrax.ops.shape import reshape
from arrax.ops.slicing import slice_in_dim


def _type(x: Any, output: Any, *tables: Any, axis_name: Any, axis_index_groups: Any) -> Any:
    if x.dtype != output.dtype or x.shape[1:] != output.shape[1:] or not x.ndim or not output.ndim:
        raise ValueError("ragged_all_to_all operand and output must have the same dtype and shapes "
                         f"that differ in the first axis only, got {x.str_short()} and "
                         f"{output.str_short()}")
    for name, table in zip(("input_offsets", "send_sizes", "output_offsets", "recv_sizes"), tables,
                           strict=True):
        if not dtypes.issubdtype(table.dtype, np.integer) or table.ndim != 1 or \
                table.shape != tables[0].shape or not table.size:
            raise ValueError(f"ragged_all_to_all {name} must be a vector of integers, as long as "
                             f"input_offsets and not empty, got {table.str_short()}")
    for axis in names_of(axis_name):
        if tables[0].size % axis_size(axis):
            raise ValueError(f"ragged_all_to_all needs equally many parts for each instance, got "
                             f"{tables[0].size} for {axis_size(axis)} instances")
    return output


def _execute(*args: Any, axis_name: Any, **params: Any) -> Any:
    for name in names_of(axis_name):
        axis_size(name)
    raise NameError(f"ragged_all_to_all over {axis_name} has no mapped axis to work on")


def _jvp(primals: Any, tangents: Any, **params: Any) -> Any:
    out = ragged_all_to_all_p.bind(*primals, **params)
    if type(tangents[0]) is Zero and type(tangents[1]) is Zero:
        return out, Zero(tangent_aval(aval_of(out)))
    return out, ragged_all_to_all_p.bind(*map(instantiate, tangents[:2]), *primals[2:], **params)


def _transpose(cotangent: Any, x: Any, output: Any, *tables: Any, axis_name: Any,
               axis_index_groups: Any) -> list[Any]:
    """Parts travel back; what was overwritten in `output` has no cotangent."""
    rest = [None] * 4
    if type(cotangent) is Zero:
        return [Zero(v.aval) if is_undefined(v) else None for v in (x, output)] + rest
    params = {"axis_name": axis_name, "axis_index_groups": axis_index_groups}
    x_cotangent = output_cotangent = None
    if is_undefined(x):
        everyone = all_gather(cotangent, axis_name, axis_index_groups=axis_index_groups)
        x_cotangent = _collected(everyone, x.aval, *tables[:3])
    if is_undefined(output):
        nothing = zeros(x.aval if is_undefined(x) else aval_of(x))
        output_cotangent = ragged_all_to_all_p.bind(nothing, cotangent, *tables, **params)
    return [x_cotangent, output_cotangent, *rest]


def _collected(cotangents: Any, aval: Any, inputs: Any, sizes: Any, outputs: Any) -> Any:
    """The cotangent of an operand: for each part the rows of its receiver's cotangent, added up,
    because parts may overlap."""
    count, rows = cotangents.shape[:2]
    parts = inputs.shape[0]
    flat = reshape(cotangents, (count * rows, *cotangents.shape[2:]))
    numbers = GatherDimensionNumbers(tuple(range(1, flat.ndim)), (0,), (0,))
    places = broadcasted_iota(np.int32, (aval.shape[0],), 0)
    total = zeros(aval)
    for part in range(parts):
        begin, size, there = (
            convert_element_type(reshape(slice_in_dim(t, part, part + 1), ()), np.int32)
            for t in (inputs, sizes, outputs))
        step = sub(places, begin)
        inside = bitwise_and(ge(step, np.int32(0)), lt(step, size))
        start = add(there, np.int32(part // (parts // count) * rows))
        taken = gather(flat, reshape(add(step, start), (aval.shape[0], 1)), numbers,
                       (1, *flat.shape[1:]), mode=GatherScatterMode.CLIP)
        total = add(total, select(broadcast_in_dim(inside, aval.shape, (0,)), taken, zeros(aval)))
    return total


def _batch(axis: Any, operands: Any, dims: Any, *, axis_name: Any, axis_index_groups: Any) -> Any:
    if axis.name is None or axis.name not in names_of(axis_name):
        raise NotImplementedError(
            "ragged_all_to_all under vmap over another axis than its own is not implemented")
    if axis_index_groups is not None or len(names_of(axis_name)) > 1:
        raise NotImplementedError("ragged_all_to_all under vmap over several axes or with "
                                  "axis_index_groups is not implemented")
    x, output, inputs, sizes, outputs, _ = (
        batch_to_front(v, d, axis.size) for v, d in zip(operands, dims, strict=True))
    return _exchange(x, output, inputs, sizes, outputs), 0


def _exchange(x: Any, output: Any, inputs: Any, sizes: Any, outputs: Any) -> Any:
    """The meaning, with the instances along axis 0 of all operands: every row of the results finds
    the part that it lies in, if any, and from that its source."""
    (count, length), rows = aval_of(x).shape[:2], aval_of(output).shape[1]
    parts = aval_of(inputs).shape[1] // count
    full = (count, rows, count * parts)  # receiver, row, part of sender

    def spread(table: Any) -> Any:
        """[sender, receiver × part] → [receiver, any row, sender × part], as int32."""
        table = reshape(convert_element_type(table, np.int32), (count, count, parts))
        table = reshape(move_axis(table, 0, 1), (count, count * parts))
        return broadcast_in_dim(table, full, (0, 2))

    begin, row = spread(outputs), broadcasted_iota(np.int32, full, 1)
    inside = bitwise_and(ge(row, begin), lt(row, add(begin, spread(sizes))))
    sender = np.repeat(np.arange(count, dtype=np.int32) * length, parts)
    source = add(add(spread(inputs), sub(row, begin)), broadcast_in_dim(sender, full, (2,)))
    nowhere = broadcast_in_dim(np.int32(-1), full, ())
    source = reduce_max(select(inside, source, nowhere), (2,))
    flat = reshape(x, (count * length, *aval_of(x).shape[2:]))
    numbers = GatherDimensionNumbers(tuple(range(2, flat.ndim + 1)), (0,), (0,))
    taken = gather(flat, reshape(source, (count, rows, 1)), numbers, (1, *flat.shape[1:]),
                   mode=GatherScatterMode.CLIP)
    written = broadcast_in_dim(ge(source, np.int32(0)), aval_of(output).shape, (0, 1))
    return select(written, taken, output)


ragged_all_to_all_p = Primitive(
    "ragged_all_to_all", type_rule=_type, execute=_execute, jvp=_jvp, transpose=_transpose,
    batch=_batch, named_axes=lambda axis_name, **_: names_of(axis_name),
    varying=lambda axis_name, **_: (names_of(axis_name), ()),
    lower=HostCall("axis names are gone when a program is compiled"), stablehlo=BATCHED_AWAY)


def ragged_all_to_all(operand: Any, output: Any, input_offsets: Any, send_sizes: Any,
                      output_offsets: Any, recv_sizes: Any, *, axis_name: Any,
                      axis_index_groups: Any = None) -> Any:
    """`output`, where rows are replaced by rows that the instances of an axis send each other.

    Each instance sends K parts of its `operand`, K / n to each of the n instances in order: part i
    is the `send_sizes[i]` rows from `input_offsets[i]` on. At its receiver it goes to the rows from
    `output_offsets[i]` on.

    Args:
      operand: array of shape (N, ...).
      output: array of shape (M, ...) and of the same dtype.
      input_offsets, send_sizes, output_offsets: integers of shape (K,).
      recv_sizes: integers of shape (K,): the sizes of the parts that come in, n by n.
      axis_name: a mapped axis.
      axis_index_groups: groups of instances that exchange among each other; not under `vmap`.

    ValueError for shapes and dtypes that do not fit.
    """
    values = [arguments.operand(v, "ragged_all_to_all", i) for i, v in enumerate(
        (operand, output, input_offsets, send_sizes, output_offsets, recv_sizes))]
    groups = None if axis_index_groups is None else tuple(map(tuple, axis_index_groups))
    params = {"axis_name": names_of(axis_name), "axis_index_groups": groups}
    _type(*(v.aval for v in values), **params)
    return ragged_all_to_all_p.bind(*values, **params)
