"""Control flow as steps of the loop IR: `while`, `scan` and `cond` with their bodies inline.

A loop's carries have one buffer each, which the body reads and, after its last step, gets its new
values copied into; `bufferize` removes the copies where the body can write in place.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arrax.core.jaxpr import ClosedJaxpr, Eqn, Var
from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.loop_ir import Buffer

SHORT = 8  # iterations; preparing operands for a loop of fewer is not worth it


def _region(lowerer: Any, closed: ClosedJaxpr, parameters: Sequence[Buffer],
            targets: Sequence[Buffer | None]) -> ir.Region:
    """A nested jaxpr applied to buffers."""
    return lowerer.nested(closed, parameters, targets)  # type: ignore[no-any-return]


def while_invariants(eqn: Eqn) -> tuple[str, int, int]:
    """`Control.invariants`; loops whose trip count is not known are taken for long ones."""
    return "body_jaxpr", eqn.params["cond_nconsts"], eqn.params["body_nconsts"]


def scan_invariants(eqn: Eqn) -> tuple[str, int, int] | None:
    """`Control.invariants` of a scan."""
    return ("jaxpr", 0, eqn.params["num_consts"]) if eqn.params["length"] >= SHORT else None


def _start_carries(lowerer: Any, initial: Sequence[Buffer], outvars: Sequence[Var]) -> list[Buffer]:
    """Buffers for the carries, filled with the initial values. Scalars stay on the stack, and so in
    registers, also where the results go elsewhere in the end."""
    carries = []
    for var in outvars:
        if not var.aval.shape:
            lowerer.buffers[var] = lowerer.new_buffer(var.aval)
        carries.append(lowerer.buffers[var] if not var.aval.shape else lowerer.result_buffer(var))
    moves = []
    for source, carry in zip(initial, carries, strict=True):
        moves.append(ir.Copy(source, carry))
    lowerer.steps += moves
    return carries


def _update_carries(region: ir.Region, carries: Sequence[Buffer]) -> None:
    """At the end of the body: carries = results, all at once."""
    results = region.results[:len(carries)]
    late = []
    for result, carry in zip(results, carries, strict=True):
        if result is carry:
            continue
        if any(result.root is other.root for other in carries):
            saved = Buffer(result.shape, result.dtype, "temporary" if result.shape else "scalar")
            region.steps.append(ir.Copy(result, saved))
            result = saved
        late.append(ir.Copy(result, carry))
    region.steps += late


def lower_while(lowerer: Any, eqn: Eqn) -> None:
    """while: cond_consts, body_consts, carries."""
    p = eqn.params
    operands = [lowerer.operand_buffer(atom) for atom in eqn.invars]
    n_cond, n_body = p["cond_nconsts"], p["body_nconsts"]
    cond_consts, body_consts = operands[:n_cond], operands[n_cond:n_cond + n_body]
    carries = _start_carries(lowerer, operands[n_cond + n_body:], eqn.outvars)
    condition = _region(lowerer, p["cond_jaxpr"], [*cond_consts, *carries], [None])
    body = _region(lowerer, p["body_jaxpr"], [*body_consts, *carries], [None] * len(carries))
    _update_carries(body, carries)
    lowerer.steps.append(ir.WhileStep(condition, body, carries))


def lower_scan(lowerer: Any, eqn: Eqn) -> None:
    """scan: consts, carries, inputs sliced along axis 0; results: carries, stacked outputs."""
    p = eqn.params
    operands = [lowerer.operand_buffer(atom) for atom in eqn.invars]
    n_consts, n_carry = p["num_consts"], p["num_carry"]
    consts, wholes = operands[:n_consts], operands[n_consts + n_carry:]
    carries = _start_carries(lowerer, operands[n_consts:n_consts + n_carry],
                             eqn.outvars[:n_carry])
    stacked = [lowerer.result_buffer(var) for var in eqn.outvars[n_carry:]]
    if p["length"] == 0:
        return
    slices = [_slice_of(whole) for whole in wholes]
    pieces = [_slice_of(whole) for whole in stacked]
    body = _region(lowerer, p["jaxpr"], [*consts, *carries, *slices],
                   [*[None] * n_carry, *pieces])
    _update_carries(body, carries)
    pairs = [*zip(slices, wholes, strict=True), *zip(pieces, stacked, strict=True)]
    lowerer.steps.append(ir.ScanStep(p["length"], bool(p["reverse"]), body, pairs))


def _slice_of(whole: Buffer) -> Buffer:
    """One row of a buffer; the loop binds its pointer."""
    return Buffer(whole.shape[1:], whole.dtype, "bound")


def lower_cond(lowerer: Any, eqn: Eqn) -> None:
    """cond: the branch's index, then the operands of every branch."""
    operands = [lowerer.operand_buffer(atom) for atom in eqn.invars]
    targets = [lowerer.result_buffer(var) for var in eqn.outvars]
    branches = [_region(lowerer, branch, operands[1:], targets)
                for branch in eqn.params["branches"]]
    lowerer.steps.append(ir.CondStep(operands[0], branches))
