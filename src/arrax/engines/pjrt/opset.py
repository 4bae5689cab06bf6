"""The operations of StableHLO (and the few of CHLO) that rules may use.

Each entry gives the names of an operation's operands, the number of its regions, and its attributes
with their forms, as the StableHLO specification has them; `check_op` holds every operation that is
written against it. In a list of operands, `name*` stands for any number of them. Attributes must be
given unless they are `optional`.

`short` is how an operation is written when exactly the attributes in it are given; else it is
written in MLIR's generic form. Its fields are `operands`, their `types`, the `signature`, `type`
(that of operands and results if they have one, else the signature), `arrow` (a signature without
parentheses), `ends` (types of the first and the last operand), and the attributes. It may be a
function of the attributes that makes such a form.

Left out are operations on what no value of a jaxpr is (tokens, tuples, quantized elements, shapes
known at run time only), and names that the specification means to drop (`dot`, `broadcast`, …).

Source: openxla/stablehlo, docs/spec.md; for the names of MLIR attributes, StablehloOps.td and
ChloOps.td.
"""
from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from arrax.core.errors import InternalError
from arrax.core.record import Record
from arrax.engines.pjrt.mlir_text import (
    accuracy, attributes, boolean, booleans, enum, enums, i32, i64, i64s, matrix, string, struct,
    symbol, unit, verbatim)

Form = Callable[[Any], str]


class Op(Record):
    """One operation; see the head of the module."""

    operands: tuple[str, ...]
    attributes: dict[str, Form]
    optional: frozenset[str]
    regions: int | None
    short: str | Form

    def is_short(self, given: Collection[str]) -> bool:
        """Whether it is written short with these attributes."""
        if callable(self.short):
            return True
        return bool(self.short) and all(
            ("{" + name + "}" in self.short) == (name in given) for name in self.attributes)


def _op(operands: str = "", *, regions: int | None = 0, short: str | Form = "", optional: str = "",
        **attributes: Form) -> Op:
    return Op(tuple(operands.split()), attributes, frozenset(optional.split()), regions, short)


def _slice(given: dict[str, Any]) -> str:
    """`%0 [0:3, 1:7:2] : …`"""
    bounds = [f"{start}:{limit}" + (f":{stride}" if stride != 1 else "") for start, limit, stride
              in zip(given["start_indices"], given["limit_indices"], given["strides"], strict=True)]
    return f"{{operands}} [{', '.join(bounds)}] : {{signature}}"


_SAME = "{operands} : {type}"  # one type, or a signature
_FUNCTION = "{operands} : {signature}"
_ARROW = "{operands} : {arrow}"
_UNARY = _op("operand", short=_SAME)
_BINARY = _op("lhs rhs", short=_SAME)
_ACCURATE = _op("operand", short=_SAME, optional="result_accuracy", result_accuracy=accuracy)
_CHANNEL: dict[str, Any] = {
    "channel_handle": struct("stablehlo.channel_handle"), "use_global_device_ids": unit}
_OPTIONAL_CHANNEL = "channel_handle use_global_device_ids"

OPS: dict[str, Op] = {
    **dict.fromkeys(
        "abs ceil count_leading_zeros floor imag is_finite negate not popcnt real "
        "round_nearest_afz round_nearest_even sign".split(), _UNARY),
    **dict.fromkeys(
        "cbrt cosine exponential exponential_minus_one log log_plus_one logistic rsqrt sine sqrt "
        "tan tanh".split(), _ACCURATE),
    **dict.fromkeys(
        "add and atan2 complex divide maximum minimum multiply or power remainder shift_left "
        "shift_right_arithmetic shift_right_logical subtract xor".split(), _BINARY),
    **dict.fromkeys(
        "chlo.acos chlo.acosh chlo.asin chlo.asinh chlo.atan chlo.atanh chlo.bessel_i1e chlo.conj "
        "chlo.cosh chlo.digamma chlo.erf chlo.erf_inv chlo.erfc chlo.is_inf chlo.is_neg_inf "
        "chlo.is_pos_inf chlo.lgamma chlo.sinh chlo.square chlo.tan".split(),
        _op("operand", short=_ARROW)),
    **dict.fromkeys(
        "chlo.mulhi chlo.next_after chlo.polygamma chlo.zeta".split(),
        _op("lhs rhs", short=_ARROW)),
    "all_gather": _op("operands*", optional=_OPTIONAL_CHANNEL, all_gather_dim=i64,
                      replica_groups=matrix, **_CHANNEL),
    "all_reduce": _op("operands*", regions=1, optional=_OPTIONAL_CHANNEL, replica_groups=matrix,
                      **_CHANNEL),
    "all_to_all": _op("operands*", optional="channel_handle", split_dimension=i64,
                      concat_dimension=i64, split_count=i64, replica_groups=matrix,
                      channel_handle=_CHANNEL["channel_handle"]),
    "bitcast_convert": _op("operand", short=_FUNCTION),
    "broadcast_in_dim": _op(
        "operand", short="{operands}, dims = {broadcast_dimensions} : {signature}",
        broadcast_dimensions=i64s),
    "case": _op("index", regions=None),
    "cholesky": _op("a", lower=boolean),
    "chlo.ragged_dot": _op("lhs rhs group_sizes", optional="precision_config",
                           ragged_dot_dimension_numbers=struct("chlo.ragged_dot"),
                           precision_config=enums("chlo", "precision")),
    "chlo.top_k": _op("operand", k=i64),
    "clamp": _op("min operand max", short=_SAME),
    "collective_broadcast": _op("operand", optional="channel_handle", replica_groups=matrix,
                                channel_handle=_CHANNEL["channel_handle"]),
    "collective_permute": _op("operand", optional="channel_handle", source_target_pairs=matrix,
                              channel_handle=_CHANNEL["channel_handle"]),
    "compare": _op(
        "lhs rhs", optional="compare_type",
        short="{comparison_direction}, {operands}, {compare_type} : {signature}",
        comparison_direction=enum("comparison_direction"), compare_type=enum("comparison_type")),
    "composite": _op("inputs*", optional="composite_attributes version", name=string,
                     composite_attributes=attributes, decomposition=symbol, version=i32),
    "concatenate": _op("inputs*", short="{operands}, dim = {dimension} : {signature}",
                       dimension=i64),
    "constant": _op(value=verbatim),
    "convert": _op("operand", short=_SAME),
    "convolution": _op(
        "lhs rhs", optional="window_strides padding lhs_dilation rhs_dilation window_reversal "
        "precision_config", window_strides=i64s, padding=matrix, lhs_dilation=i64s,
        rhs_dilation=i64s, window_reversal=booleans, dimension_numbers=verbatim,
        feature_group_count=i64, batch_group_count=i64,
        precision_config=enums("stablehlo", "precision")),
    "custom_call": _op(
        "inputs*", optional="has_side_effect backend_config api_version called_computations "
        "operand_layouts result_layouts output_operand_aliases", call_target_name=string,
        has_side_effect=boolean, backend_config=verbatim, api_version=i32,
        called_computations=verbatim, operand_layouts=verbatim, result_layouts=verbatim,
        output_operand_aliases=verbatim),
    "dot_general": _op("lhs rhs", optional="precision_config algorithm",
                       dot_dimension_numbers=struct("stablehlo.dot"),
                       precision_config=enums("stablehlo", "precision"),
                       algorithm=struct("stablehlo.dot_algorithm")),
    "dynamic_slice": _op(
        "operand start_indices*", short="{operands}, sizes = {slice_sizes} : {signature}",
        slice_sizes=i64s),
    "dynamic_update_slice": _op("operand update start_indices*", short=_FUNCTION),
    "fft": _op("operand", fft_type=enum("fft_type"), fft_length=i64s),
    "gather": _op("operand start_indices", optional="indices_are_sorted",
                  dimension_numbers=struct("stablehlo.gather"), slice_sizes=i64s,
                  indices_are_sorted=boolean),
    "if": _op("pred", regions=2),
    "iota": _op(short="dim = {iota_dimension} : {type}", iota_dimension=i64),
    "map": _op("inputs*", regions=1, dimensions=i64s),
    "optimization_barrier": _op("operand*", short="{operands} : {types}"),
    "pad": _op(
        "operand padding_value", short="{operands}, low = {edge_padding_low}, high = "
        "{edge_padding_high}, interior = {interior_padding} : {signature}", edge_padding_low=i64s,
        edge_padding_high=i64s, interior_padding=i64s),
    "partition_id": _op(),
    "reduce": _op("inputs* init_values*", regions=1, dimensions=i64s),
    "reduce_precision": _op(
        "operand", short="{operands}, format = e{exponent_bits}m{mantissa_bits} : {type}",
        exponent_bits=i32, mantissa_bits=i32),
    "reduce_scatter": _op("operand", regions=1, optional=_OPTIONAL_CHANNEL, scatter_dimension=i64,
                          replica_groups=matrix, **_CHANNEL),
    "reduce_window": _op(
        "inputs* init_values*", regions=1, optional="window_strides base_dilations "
        "window_dilations padding", window_dimensions=i64s, window_strides=i64s,
        base_dilations=i64s, window_dilations=i64s, padding=matrix),
    "replica_id": _op(),
    "reshape": _op("operand", short=_FUNCTION),
    "reverse": _op("operand", short="{operands}, dims = {dimensions} : {type}", dimensions=i64s),
    "rng": _op("a b shape", rng_distribution=enum("rng_distribution")),
    "rng_bit_generator": _op("initial_state", rng_algorithm=enum("rng_algorithm")),
    "scatter": _op("inputs* scatter_indices updates*", regions=1,
                   optional="indices_are_sorted unique_indices",
                   scatter_dimension_numbers=struct("stablehlo.scatter"),
                   indices_are_sorted=boolean, unique_indices=boolean),
    "select": _op("pred on_true on_false", short="{operands} : {ends}"),
    "select_and_scatter": _op("operand source init_value", regions=2,
                              optional="window_dimensions window_strides padding",
                              window_dimensions=i64s, window_strides=i64s, padding=matrix),
    "slice": _op("operand", short=_slice, start_indices=i64s, limit_indices=i64s, strides=i64s),
    "sort": _op("inputs*", regions=1, dimension=i64, is_stable=boolean),
    "transpose": _op("operand", short="{operands}, dims = {permutation} : {signature}",
                     permutation=i64s),
    "triangular_solve": _op("a b", left_side=boolean, lower=boolean, unit_diagonal=boolean,
                            transpose_a=enum("transpose")),
    "while": _op("operand*", regions=2),
}


def full_name(name: str) -> str:
    """`stablehlo.add` of `add`; names with a dialect stay."""
    return name if "." in name else f"stablehlo.{name}"


def check_op(name: str, operands: int, attributes: Collection[str], regions: int) -> Op:
    """The entry of an operation; InternalError if operands, attributes or regions do not fit it."""
    spec = OPS.get(name.removeprefix("stablehlo."))
    if spec is None:
        raise InternalError(f"StableHLO has no operation {name!r}")
    fixed = [o for o in spec.operands if o[-1] != "*"]
    most = None if len(fixed) < len(spec.operands) else len(spec.operands)
    if operands < len(fixed) or (most is not None and operands > most):
        raise InternalError(f"{name} takes the operands {' '.join(spec.operands)}, got {operands}")
    unknown = set(attributes) - set(spec.attributes)
    missing = set(spec.attributes) - spec.optional - set(attributes)
    if unknown or missing:
        raise InternalError(f"{name} has the attributes {sorted(spec.attributes)}; unknown: "
                            f"{sorted(unknown)}, missing: {sorted(missing)}")
    if spec.regions is not None and regions != spec.regions:
        raise InternalError(f"{name} has {spec.regions} regions, got {regions}")
    return spec

