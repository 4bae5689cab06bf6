"""How the results of an operation are split over mesh axes, given how its operands are.

A `Spec` names, for each axis of an array, the mesh axes that split it. The rule of a primitive
(`Primitive.sharding`) is a function `rule(call) -> list of Specs` of a `Call`; without one, that of
elementwise operations holds where shapes allow it. One rule serves three masters: types on explicit
mesh axes (`strict`: ShardingTypeError where no answer follows), placements of eager results, and
placements of a program's results on automatic axes (`result_specs`), where a compiler that may move
data would choose: there, what does not follow is not split.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from arrax.core.aval import ShapedArray, aval_of
from arrax.core.caching import memoize_on_jaxpr
from arrax.core.device import Device
from arrax.core.jaxpr import ClosedJaxpr, Jaxpr, Literal, jaxprs_in_params
from arrax.core.mesh import EMPTY_MESH, Mesh
from arrax.core.primitive import BY_EXECUTION, BY_TYPES, Primitive
from arrax.core.shardings import (NamedSharding, PartitionSpec, Sharding, ShardingTypeError,
                                  placement_devices, placement_of, spec_names, spec_of)

Spec = tuple[tuple[Any, ...], ...]


@dataclass
class Call:
    """One operation: its operands' types and specs, its results' types."""

    name: str
    avals: Sequence[Any]
    specs: Sequence[Spec]
    outs: Sequence[Any]
    params: dict[str, Any]
    sizes: dict[Any, int]
    strict: bool

    def count(self, axes: Sequence[Any]) -> int:
        """How many parts these mesh axes make."""
        return math.prod(self.sizes[n] for n in axes)

    def unclear(self, message: str) -> None:
        """ShardingTypeError if types must tell."""
        if self.strict:
            raise ShardingTypeError(message)


def plain(aval: Any) -> Spec:
    """The spec of what is not split."""
    return ((),) * getattr(aval, "ndim", 0)


def joined(call: Call) -> list[Spec]:
    """Elementwise operations: an axis is split as it is in an operand."""
    out: list[Spec] = []
    for aval in call.outs:
        axes: list[tuple[Any, ...]] = [()] * aval.ndim
        used: set[Any] = set()
        for operand, spec in zip(call.avals, call.specs, strict=True):
            if operand.ndim > aval.ndim:
                continue
            for dim, names in enumerate(spec, aval.ndim - operand.ndim):
                size = operand.shape[dim - aval.ndim]
                if not names or size != aval.shape[dim] or axes[dim] == names:
                    continue
                if axes[dim] or used & set(names):
                    call.unclear(f"{call.name} got incompatible shardings for broadcasting: " + ", "
                                 .join(str(tuple(spec_of(s))) for s in call.specs) + ".")
                else:
                    axes[dim] = names
                    used |= set(names)
        out.append(tuple(axes))
    return out


def _given(call: Call) -> list[Spec] | None:
    """The sharding that the operation was asked for."""
    params = call.params
    wanted = params.get("devices") or [
        params.get("out_sharding") or params.get("sharding") or params.get("dst_sharding")]
    specs = [w.spec if isinstance(w, NamedSharding) else w for w in wanted]
    if len(specs) != len(call.outs) or not all(isinstance(s, PartitionSpec) for s in specs):
        return None
    return [spec_names(s, aval.ndim) for s, aval in zip(specs, call.outs, strict=True)]


def specs_of_results(primitive: Primitive, call: Call) -> list[Spec]:
    """The specs of an operation's results."""
    specs = _given(call)
    if specs is None:
        if not any(any(spec) for spec in call.specs):
            return [plain(aval) for aval in call.outs]
        rule = primitive.sharding
        specs = joined(call) if rule is None or isinstance(rule, str) else rule(call)
    return [_divisible(call, spec, aval) for spec, aval in zip(specs, call.outs, strict=True)]


def _divisible(call: Call, spec: Spec, aval: Any) -> Spec:
    if call.strict or not any(spec):
        return spec
    return tuple(names if aval.shape[dim] % call.count(names) == 0 else ()
                 for dim, names in enumerate(spec))


# ---- types ---------------------------------------------------------------------------------------

def typed_results(primitive: Primitive, atoms: Sequence[Any], params: dict[str, Any], out: Any,
                  mesh: Any) -> Any:
    """The types of an equation's results, with shardings on the explicit axes of `mesh`."""
    if primitive.sharding in (BY_TYPES, BY_EXECUTION):
        return out
    outs = out if primitive.multiple_results else [out]
    avals = [a.aval for a in atoms]
    specs = [spec_names(a.located.spec, a.ndim) if getattr(a, "located", None) is not None
             else plain(a) for a in avals]
    call = Call(primitive.name, avals, specs, outs, params, mesh.shape, True)
    found = [aval.update(sharding=NamedSharding(mesh, spec_of(spec)))
             if isinstance(aval, ShapedArray) else aval
             for aval, spec in zip(outs, specs_of_results(primitive, call), strict=True)]
    return found if primitive.multiple_results else found[0]


# ---- placements ----------------------------------------------------------------------------------

def common_devices(placements: Sequence[Any], describe: Any) -> Any:
    """The one of the placements that tells where all are: a Device or a mesh; None without any.

    ValueError with `describe(i)` of two of them that are on different devices.
    """
    first, where = -1, None
    for i, placement in enumerate(placements):
        if placement is None:
            continue
        devices = placement_devices(placement)
        if first < 0:
            first, where = i, placement
        elif devices != placement_device_list(where):
            raise ValueError(
                "Received incompatible devices for jitted computation. Got "
                f"{_at(describe(first), where)} and {_at(describe(i), placement)}")
        elif isinstance(where, Device) and isinstance(placement, NamedSharding):
            where = placement
    return where


def placement_device_list(placement: Any) -> tuple[Device, ...]:
    return placement_devices(placement)


def _at(what: str, placement: Any) -> str:
    ids = [d.id for d in placement_devices(placement)]
    return f"{what} and with device ids {ids} on platform CPU"


def result_placements(primitive: Primitive, args: Sequence[Any], params: dict[str, Any],
                      outs: Sequence[Any], mesh: Any) -> list[Any]:
    """Where the results of an eager operation, of types `outs`, are."""
    avals = [aval_of(a) for a in args]
    placements = [getattr(a, "placement", None) for a in args]

    def describe(i: int) -> str:
        letter = "xyzwvuts"[i] if i < 8 else f"args[{i}]"
        return f"argument {letter} of {primitive.name} with shape {avals[i].str_short()}"
    where = common_devices(placements, describe)
    if where is None and isinstance(mesh, Mesh) and not mesh.empty:
        where = NamedSharding(mesh, PartitionSpec())
    if not isinstance(where, NamedSharding):
        return [where] * len(outs)
    over = where.mesh
    specs = [spec_names(p.spec, a.ndim) if isinstance(p, NamedSharding) else plain(a)
             for p, a in zip(placements, avals, strict=True)]
    strict = bool(over.explicit_axes)
    call = Call(primitive.name, avals, specs, outs, params, over.shape, strict)
    return [placement_of(NamedSharding(over, spec_of(spec, trim=not strict)))
            for spec in specs_of_results(primitive, call)]


def result_specs(closed: ClosedJaxpr, specs: Sequence[Spec], sizes: dict[Any, int]) -> list[Spec]:
    """How a program's results are split, if its inputs are as `specs` say."""
    return _jaxpr_specs(closed.jaxpr, [plain(v.aval) for v in closed.jaxpr.constvars], specs, sizes)


def _jaxpr_specs(jaxpr: Jaxpr, consts: Sequence[Spec], specs: Sequence[Spec],
                 sizes: dict[Any, int]) -> list[Spec]:
    known: dict[Any, Spec] = dict(zip(jaxpr.constvars, consts, strict=True))
    known.update(zip(jaxpr.invars, specs, strict=True))

    def spec(atom: Any) -> Spec:
        return plain(atom.aval) if type(atom) is Literal else known[atom]
    for eqn in jaxpr.eqns:
        operands = [spec(v) for v in eqn.invars]
        outs = _eqn_specs(eqn, operands, sizes)
        known.update(zip(eqn.outvars, outs, strict=True))
    return [spec(v) for v in jaxpr.outvars]


def _eqn_specs(eqn: Any, operands: list[Spec], sizes: dict[Any, int]) -> list[Spec]:
    avals, outs = [v.aval for v in eqn.invars], [v.aval for v in eqn.outvars]
    call = Call(eqn.primitive.name, avals, operands, outs, eqn.params, sizes, False)
    rule = eqn.primitive.sharding
    if isinstance(rule, str):
        inner = list(jaxprs_in_params(eqn.params))
        if len(inner) == 1 and len(inner[0].in_avals) == len(operands) and all(
                a.shape == b.shape for a, b in zip(inner[0].in_avals, avals, strict=True)):
            jaxpr = inner[0].jaxpr if isinstance(inner[0], ClosedJaxpr) else inner[0]
            found = _jaxpr_specs(jaxpr, [plain(v.aval) for v in jaxpr.constvars], operands, sizes)
            if len(found) == len(outs):
                return [_divisible(call, s, a) for s, a in zip(found, outs, strict=True)]
    return specs_of_results(eqn.primitive, call)


def program_placements(closed: ClosedJaxpr, placements: Sequence[Any], describe: Any,
                       asked: Sequence[Any] | None, constraints: Sequence[Any], mesh: Any,
                       ) -> list[Any] | None:
    """Where the results of a program are; None where nobody says anything of places.

    Args:
      placements: of its arguments, None for those that are anywhere.
      describe: names argument i, for errors.
      asked: the placement that each result was asked for, None for those that were not.
      constraints: shardings inside of the program.
      mesh: the mesh in scope.
    """
    wanted = [*placements, *(asked or ()), *constraints]
    count = len(placements)
    where = common_devices(wanted, lambda i: describe(i) if i < count else
                           "explicit output sharding" if i < count + len(asked or ()) else
                           "sharding constraint inside the program")
    if where is None and isinstance(mesh, Mesh) and not mesh.empty:
        where = NamedSharding(mesh, PartitionSpec())
    if where is None:
        return None
    outs = closed.out_avals
    if not isinstance(where, NamedSharding):
        found: list[Any] = [where] * len(outs)
    else:
        over = where.mesh
        specs = [spec_names(p.spec, a.ndim) if isinstance(p, NamedSharding) else plain(a)
                 for p, a in zip(placements, closed.in_avals, strict=True)]
        found = []
        for aval, spec in zip(outs, result_specs(closed, specs, over.shape), strict=True):
            typed = getattr(aval, "located", None)
            chosen = typed.spec if typed is not None and over.are_all_axes_explicit else \
                spec_of(spec, trim=not over.explicit_axes)
            found.append(placement_of(NamedSharding(over, chosen)))
    return [a if a is not None else f for a, f in zip(asked or [None] * len(outs), found,
                                                      strict=True)]


@memoize_on_jaxpr
def constraints_in(closed: ClosedJaxpr) -> list[Any]:
    """The placements that sharding constraints inside of a program name."""
    return _constraints_in(closed.jaxpr)


def _constraints_in(jaxpr: Any) -> list[Any]:
    found: list[Any] = []
    for eqn in jaxpr.eqns:
        for value in (eqn.params.get("sharding"), eqn.params.get("dst_sharding"),
                      *eqn.params.get("devices", ())):
            if isinstance(value, Sharding) and not (
                    isinstance(value, NamedSharding) and not isinstance(value.mesh, Mesh)):
                found.append(placement_of(value))
        mesh = eqn.params.get("mesh")
        if isinstance(mesh, Mesh) and mesh is not EMPTY_MESH:
            found.append(placement_of(NamedSharding(mesh, PartitionSpec())))
        for inner in jaxprs_in_params(eqn.params):
            found += _constraints_in(inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner)
    return found
