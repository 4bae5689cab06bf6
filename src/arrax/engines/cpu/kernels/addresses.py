"""Addresses of many buffers, computed where they are used.

A function computes the addresses of its buffers in its prologue, once. Where there are more than
registers hold, each stays on the stack from there to its last use, and the time that LLVM takes to
place them grows with their square. So a function with many addresses gets each computed again in
every block that uses it, at the first use; of a loop, before the loop. An address costs an
addition, or a load from a table that nobody writes.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

MANY = 32  # addresses of one function from which they are computed where they are used


@dataclass(frozen=True)
class Address:
    """An address in the prologue, and how a builder computes it again."""

    value: ir.Value
    compute: Callable[[ir.IRBuilder], ir.Value]


def place_addresses(function: ir.Function, addresses: list[Address]) -> None:
    """Compute the addresses of a finished function near their uses, if they are many."""
    if len(addresses) <= MANY:
        return
    prologue, *blocks = function.blocks
    known = {id(address.value): address for address in addresses}
    loops = _loops(blocks)
    cyclic = {block for loop in loops for block in loop}
    predecessors: dict[Any, set[Any]] = {}
    for block in (prologue, *blocks):
        for following in _successors(block):
            predecessors.setdefault(following, set()).add(block)
    before: dict[Any, dict[int, ir.Value]] = {}  # of each block, the addresses that it computes
    in_loops: dict[Any, list[Any]] = {}  # by the block before a loop: the blocks of the loop
    for loop in loops:
        entries = {b for block in loop for b in predecessors[block]} - set(loop)
        if len(entries) == 1 and entries.isdisjoint(cyclic) and prologue not in entries:
            in_loops.setdefault(entries.pop(), []).extend(loop)
    for block in blocks:
        if block not in cyclic:
            before[block] = _rewrite(block, known, in_loops.get(block, ()))
    for entry, inner in in_loops.items():
        for block in inner:
            _replace(block.instructions, before[entry])
    _drop_unused(prologue, blocks, known)


def _rewrite(block: Any, known: dict[int, Address], inner: Any) -> dict[int, ir.Value]:
    """Compute the addresses that a block uses at their first use, and those that the blocks of the
    loops behind it use at its end."""
    instructions, block.instructions = block.instructions, []
    builder = ir.IRBuilder(block)
    own: dict[int, ir.Value] = {}

    def compute(number: int) -> None:
        if number not in own:
            builder.position_at_end(block)
            own[number] = known[number].compute(builder)
    for i, instruction in enumerate(instructions):
        for number in _used(instruction, known):
            compute(number)
        if i == len(instructions) - 1:
            for other in inner:
                for one in other.instructions:
                    for number in _used(one, known):
                        compute(number)
        block.instructions.append(instruction)
    _replace(instructions, own)
    return own


def _used(instruction: Any, known: dict[int, Any]) -> Iterator[int]:
    """The addresses among the operands. A phi's stay those of the prologue, which dominate it."""
    if not isinstance(instruction, ir.PhiInstr):
        for operand in instruction.operands:
            if id(operand) in known:
                yield id(operand)


def _replace(instructions: list[Any], values: dict[int, ir.Value]) -> None:
    for instruction in instructions:
        if any(True for _ in _used(instruction, values)):
            instruction.operands = tuple([values.get(id(x), x) for x in instruction.operands])
            if isinstance(instruction, ir.GEPInstr):
                instruction.pointer = instruction.operands[0]
            instruction._clear_string_cache()


def _drop_unused(prologue: Any, blocks: list[Any], known: dict[int, Address]) -> None:
    """Take what nobody uses any more out of the prologue: addresses, and what they come from."""
    used = {id(x) for block in blocks for instruction in block.instructions
            for x in (*instruction.operands,
                      *(value for value, _ in getattr(instruction, "incomings", ())))}
    kept: list[Any] = []
    for instruction in reversed(prologue.instructions):
        is_pure = isinstance(instruction, (ir.GEPInstr, ir.LoadInstr))
        if not is_pure or id(instruction) in used:
            used.update(map(id, instruction.operands))
            kept.append(instruction)
    prologue.instructions[:] = kept[::-1]


def _successors(block: Any) -> list[Any]:
    last = block.instructions[-1]
    cases = [target for _, target in getattr(last, "cases", ())]
    return [x for x in last.operands if isinstance(x, ir.Block)] + cases


def _loops(blocks: list[Any]) -> list[list[Any]]:
    """The sets of blocks that reach themselves (Tarjan's strongly connected components)."""
    order: dict[Any, int] = {}
    low: dict[Any, int] = {}
    stack: list[Any] = []
    waiting: set[Any] = set()
    found: list[list[Any]] = []
    for start in blocks:
        if start in order:
            continue
        work: list[tuple[Any, Iterator[Any]]] = []

        def enter(block: Any) -> None:
            order[block] = low[block] = len(order)
            stack.append(block)
            waiting.add(block)
            work.append((block, iter(_successors(block))))  # noqa: B023
        enter(start)
        while work:
            block, following = work[-1]
            new = next(following, None)
            if new is not None:
                if new not in order:
                    enter(new)
                elif new in waiting:
                    low[block] = min(low[block], order[new])
                continue
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[block])
            if low[block] == order[block]:
                component: list[Any] = []
                while not component or component[-1] is not block:
                    component.append(stack.pop())
                    waiting.discard(component[-1])
                if len(component) > 1 or block in _successors(block):
                    found.append(component)
    return found
