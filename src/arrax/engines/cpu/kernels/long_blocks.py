"""Basic blocks of bounded length.

LLVM selects instructions block by block, and in time that grows with the square of a block's length
where operations that depend on each other take loads from memory: before it folds a load into an
operation it follows all that the operation depends on. So a finished function with longer blocks
gets them cut. Nothing but an address that somebody has taken keeps LLVM from joining the parts
again; a table that nobody reads takes them.
"""
from __future__ import annotations

from llvmlite import ir

LONGEST = 512  # instructions of a block; few loop bodies are so long


def cut_long_blocks(module: ir.Module) -> None:
    """Cut the blocks of all functions of a module."""
    addresses = [address for function in list(module.functions)
                 for block in list(function.blocks) if len(block.instructions) > LONGEST
                 for address in _cut(function, block)]
    if addresses:
        table = ir.Constant(ir.ArrayType(addresses[0].type, len(addresses)), addresses)
        variable = ir.GlobalVariable(module, table.type, module.get_unique_name("blocks"))
        variable.linkage, variable.global_constant = "private", True
        variable.initializer = table


def _cut(function: ir.Function, block: ir.Block) -> list[ir.BlockAddress]:
    """Cut a block into parts, one after the other; the addresses of the new ones. Phis and stack
    slots stay in the first."""
    instructions, end = block.instructions, block.terminator
    fixed = [k for k, i in enumerate(instructions) if isinstance(i, (ir.AllocaInstr, ir.PhiInstr))]
    first = max(LONGEST, fixed[-1] + 1 if fixed else 0)
    cuts = [*range(first, len(instructions) - 1, LONGEST), len(instructions)]
    made: list[ir.BlockAddress] = []
    if len(cuts) == 1:
        return made
    block.instructions, block.terminator = instructions[:cuts[0]], None
    last = block
    place = function.blocks.index(block)
    for start, stop in zip(cuts, cuts[1:]):
        part = ir.Block(function, "part")
        place += 1
        function.blocks.insert(place, part)
        ir.IRBuilder(last).branch(part)
        part.instructions = instructions[start:stop]
        for instruction in part.instructions:
            instruction.parent = part
        made.append(ir.BlockAddress(function, part))
        last = part
    last.terminator = end
    for after in function.blocks:
        for phi in after.instructions:
            if isinstance(phi, ir.PhiInstr):
                phi.incomings = [(value, last if before is block else before)
                                 for value, before in phi.incomings]
    return made
