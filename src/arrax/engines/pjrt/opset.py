"""The operations of StableHLO (and the few of CHLO) that rules may use.

Each entry gives the names of an operation's operands, the number of its regions, and its attributes
with their forms, as the StableHLO specification has them; `check_op` holds every operation that is
written against it. In a list of operands, `name*` stands for any number of them and `name?` for one
or none. `required` and `optional` attributes are told apart by `Optional`.

Source: openxla/stablehlo, docs/spec.md; for the names of MLIR attributes, StablehloOps.td.
"""
from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from arrax.core.errors import InternalError
from arrax.core.record import Record
from arrax.engines.pjrt.mlir_text import (
    boolean, booleans, enum, enums, i32, i64, i64s, matrix, string, struct, verbatim)

Form = Callable[[Any], str]


class Op(Record):
    """One operation; `pretty`: operands and result have one type, and it is written short."""

    operands: tuple[str, ...]
    attributes: dict[str, Form]
    optional: frozenset[str]
    regions: int | None
    pretty: bool


def _op(operands: str = "", *, regions: int | None = 0, pretty: bool = False, optional: str = "",
        **attributes: Form) -> Op:
    return Op(tuple(operands.split()), attributes, frozenset(optional.split()), regions, pretty)


_UNARY = _op("operand", pretty=True)
_BINARY = _op("lhs rhs", pretty=True)

OPS: dict[str, Op] = {
    **dict.fromkeys(
        "abs cbrt ceil cosine count_leading_zeros exponential exponential_minus_one floor imag "
        "is_finite log log_plus_one logistic negate not popcnt real round_nearest_afz "
        "round_nearest_even rsqrt sign sine sqrt tan tanh".split(), _UNARY),
    **dict.fromkeys(
        "add and atan2 divide maximum minimum multiply or power remainder shift_left "
        "shift_right_arithmetic shift_right_logical subtract xor".split(), _BINARY),
    "broadcast_in_dim": _op("operand", broadcast_dimensions=i64s),
    "compare": _op("lhs rhs", optional="compare_type",
                   comparison_direction=enum("comparison_direction"),
                   compare_type=enum("comparison_type")),
    "constant": _op(value=verbatim),
    "convert": _op("operand"),
    "iota": _op(iota_dimension=i64),
    "reduce": _op("inputs* init_values*", regions=1, dimensions=i64s),
    "reshape": _op("operand"),
    "select": _op("pred on_true on_false"),
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
    fixed = [o for o in spec.operands if o[-1] not in "*?"]
    most = None if any(o.endswith("*") for o in spec.operands) else len(spec.operands)
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


_UNUSED = (boolean, booleans, enums, i32, matrix, string, struct)
