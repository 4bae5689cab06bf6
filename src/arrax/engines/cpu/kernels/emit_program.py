"""A program of the loop IR as one LLVM module: `int32 entry(context, inputs, outputs, arena)`.

Small kernels stand inline; large ones become functions that `arrax_parallel_for` calls on ranges;
kernels that occur several times outside of loops, but for the memory they work on, become one
function, which cuts the time to compile unrolled layers.
0-d values live in stack slots, which LLVM turns into registers.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from llvmlite import ir

from arrax.engines.cpu import library_plans, loop_ir
from arrax.engines.cpu.kernels.addresses import Address, place_addresses
from arrax.engines.cpu.kernels.checks import Checks
from arrax.engines.cpu.kernels.emit_kernel import KernelEmitter, block_of, choose_lanes
from arrax.engines.cpu.kernels.kernel_key import kernel_key
from arrax.engines.cpu.kernels.long_blocks import cut_long_blocks
from arrax.engines.cpu.kernels.lanes import I8, I32, I64, mark_wide
from arrax.engines.cpu.kernels.levels import constant64
from arrax.engines.cpu.kernels.values import LAYOUTS
from arrax.engines.cpu.loop_ir import Buffer, Kernel, Map, Region

POINTER = ir.PointerType()
PARALLEL_WORK = 256 * 1024  # elements times their cost from which threads pay off
GRAIN_WORK = 64 * 1024
POLL_WORK = 64 * 1024  # work of a loop between two looks after signals
UNKNOWN_WORK = 1024  # what a loop of unknown length is taken for


SMALL_ROW = 256  # bytes up to which a row may have a slot of its own, which may become registers
SMALL_ROWS = 16 * 1024  # bytes that such slots of one function have together


class FunctionWriter:
    """One LLVM function: a prologue for addresses and stack slots, and the code after it.

    What a step needs memory for while it runs (rows, tables of addresses) lies in one piece of the
    stack that all steps share, as large as the one that needs most: `merge_kernels` bounds the rows
    of a kernel. So the stack that a function takes does not grow with its steps.
    """

    def __init__(self, module: ir.Module, name: str, kind: ir.FunctionType):
        self.function = ir.Function(module, kind, name)
        self.function.attributes.add("nounwind")
        mark_wide(self.function)
        self.prologue = ir.IRBuilder(self.function.append_basic_block("prologue"))
        self.start = self.function.append_basic_block("start")
        self.builder = ir.IRBuilder(self.start)
        self.small_rows = 0
        self.shared: ir.Value = None
        self.used = self.most = 0  # bytes of the shared piece: by this step, by any
        self.addresses: list[Address] = []

    def begin_step(self) -> None:
        """What the steps before had on the stack is free."""
        self.used = 0

    def scratch(self, nbytes: int) -> ir.Value:
        """Stack memory until the next step begins, aligned for vectors."""
        if self.shared is None:
            self.shared = self.alloca(ir.ArrayType(I8, 1))
            self.shared.align = 64
        place = self.prologue.gep(self.shared, [constant64(self.used)], source_etype=I8)
        self.used += -(-max(nbytes, 1) // 64) * 64
        self.most = max(self.most, self.used)
        return place

    def address(self, compute: Callable[[ir.IRBuilder], ir.Value]) -> ir.Value:
        """An address that depends on the function's arguments alone."""
        value = compute(self.prologue)
        self.addresses.append(Address(value, compute))
        return value

    def entry_of(self, table: ir.Value, position: int) -> ir.Value:
        """An address out of a table that nobody writes."""
        def compute(b: ir.IRBuilder) -> ir.Value:
            place = b.gep(table, [constant64(position)], source_etype=POINTER)
            return b.load(place, typ=POINTER)
        return self.address(compute)

    def alloca(self, kind: ir.Type) -> ir.Value:
        """Stack memory for the whole function."""
        slot = self.prologue.alloca(kind)
        slot.type = POINTER  # opaque, as LLVM has it
        return slot

    def row(self, buffer: Buffer) -> ir.Value:
        """Memory for a row buffer while its kernel runs, aligned for vectors."""
        if buffer.nbytes > SMALL_ROW or self.small_rows + buffer.nbytes > SMALL_ROWS:
            return self.scratch(buffer.nbytes)
        self.small_rows += buffer.nbytes
        slot = self.alloca(ir.ArrayType(I8, buffer.nbytes))
        slot.align = 64
        return slot

    def finish(self) -> None:
        if self.shared is not None:
            self.shared.allocated_type = ir.ArrayType(I8, self.most)
        self.prologue.branch(self.start)
        place_addresses(self.function, self.addresses)


class ProgramEmitter:
    """Writes the module. Host calls have the numbers that `loop_ir.host_calls` gives them; one more
    ends a program with `checks`."""

    def __init__(self, name: str, checks: Checks | None = None):
        self.module = ir.Module(name)
        self.checks = checks
        kind = ir.FunctionType(I32, [POINTER] * 4)
        self.writer = FunctionWriter(self.module, "entry", kind)
        self.context, self.inputs, self.outputs, self.arena = self.writer.function.args
        self.pointers: dict[Buffer, ir.Value] = {}
        self.numbers: dict[int, int] = {}  # by id of the host call
        self.failure: ir.PhiInstr | None = None  # the status that the program ends with
        self.kernels = 0
        self.shared: dict[int, tuple[Hashable, list[Buffer]]] = {}  # by id of the kernel
        self.functions: dict[Hashable, ir.Function] = {}

    @property
    def builder(self) -> ir.IRBuilder:
        return self.writer.builder

    def emit(self, region: Region) -> ir.Module:
        """Write the whole program."""
        self.shared = repeated_kernels(region)
        self.numbers = {id(step): n for n, step in enumerate(loop_ir.host_calls(region))}
        self.region(region)
        if self.checks is not None:
            self.call_python(len(self.numbers), [], [])
        self.builder.ret(ir.Constant(I32, 0))
        self.writer.finish()
        cut_long_blocks(self.module)
        return self.module

    def region(self, region: Region) -> None:
        for step in region.steps:
            self.step(step)

    def step(self, step: Any) -> None:
        self.writer.begin_step()
        getattr(self, _HANDLERS[type(step)])(step)

    # ---- memory --------------------------------------------------------------------------------

    def pointer(self, buffer: Buffer) -> ir.Value:
        """The address of a buffer, computed in the prologue (or bound by a loop)."""
        buffer = buffer.root
        found = self.pointers.get(buffer)
        if found is None:
            found = self.pointers[buffer] = self._pointer(buffer)
        return found

    def _pointer(self, buffer: Buffer) -> ir.Value:
        if buffer.kind == "temporary":
            assert buffer.offset >= 0, "temporary buffer without a place"
            return self.writer.address(
                lambda b: b.gep(self.arena, [constant64(buffer.offset)], source_etype=I8))
        if buffer.kind == "scalar":
            return self.writer.alloca(slot_type(buffer))
        if buffer.kind == "row":
            return self.writer.row(buffer)
        assert buffer.kind in ("input", "output"), f"{buffer.kind} buffer without a pointer"
        table = self.inputs if buffer.kind == "input" else self.outputs
        return self.writer.entry_of(table, buffer.position)

    def declare(self, name: str, result: ir.Type, arguments: list[ir.Type]) -> ir.Function:
        found = self.module.globals.get(name)
        return found or ir.Function(self.module, ir.FunctionType(result, arguments), name)

    def pointer_array(self, pointers: list[ir.Value]) -> ir.Value:
        """An array of addresses on the stack, for this step."""
        table = self.writer.scratch(8 * len(pointers))
        for position, pointer in enumerate(pointers):
            place = self.builder.gep(table, [constant64(position)], source_etype=POINTER)
            self.builder.store(pointer, place)
        return table

    def copy(self, step: loop_ir.Copy) -> None:
        """memcpy; scalars through a register."""
        source, target = self.pointer(step.source), self.pointer(step.target)
        if source is target or step.source.nbytes == 0:
            return
        if step.source.size == 1 and step.source.dtype in LAYOUTS:
            kind = slot_type(step.source)
            align = step.source.dtype.alignment
            self.builder.store(self.builder.load(source, typ=kind, align=align), target,
                               align=align)
            return
        if {step.source.root.kind, step.target.root.kind} == {"input", "output"} \
                and step.source.nbytes >= 4096:  # donated memory may be the same
            with self.builder.if_then(self.builder.icmp_unsigned("!=", source, target)):
                self.memcpy(source, target, step.source.nbytes)
            return
        self.memcpy(source, target, step.source.nbytes)

    def memcpy(self, source: ir.Value, target: ir.Value, count: int) -> None:
        copy = self.declare("llvm.memcpy.p0.p0.i64", ir.VoidType(),
                            [POINTER, POINTER, I64, ir.IntType(1)])
        self.builder.call(copy, [target, source, constant64(count),
                                 ir.Constant(ir.IntType(1), 0)])

    # ---- kernels -------------------------------------------------------------------------------

    def kernel(self, kernel: Kernel) -> None:
        """Inline, or in parallel when there is work for several threads."""
        split = parallel_range(kernel)
        if split is None and id(kernel) in self.shared:
            self.call_shared(kernel, *self.shared[id(kernel)])
            return
        if split is None:
            emitter = KernelEmitter(self.builder, self.pointer, self.writer.alloca, self.checks)
            emitter.emit(kernel)
            return
        buffers: list[Buffer] = []
        for buffer in loop_ir.kernel_buffers(kernel):
            if buffer.root not in buffers and buffer.root.kind != "row":
                buffers.append(buffer.root)
        body = self.parallel_body(kernel, buffers, split)
        table = self.pointer_array([self.shareable(b) for b in buffers])
        count, _, grain = split
        run = self.declare("arrax_parallel_for", ir.VoidType(), [POINTER, POINTER, I64, I64])
        self.builder.call(run, [body, table, constant64(count), constant64(grain)])

    def call_shared(self, kernel: Kernel, key: Hashable, buffers: list[Buffer]) -> None:
        """Call the function of all kernels with this key, written when first needed."""
        given = [b for b in buffers if b.kind != "row"]
        function = self.functions.get(key)
        if function is None:
            function = self.functions[key] = self.shared_function(kernel, given)
        self.builder.call(function, [self.pointer(b) for b in given])

    def shared_function(self, kernel: Kernel, buffers: list[Buffer]) -> ir.Function:
        """`void kernel(pointers...)`."""
        self.kernels += 1
        kind = ir.FunctionType(ir.VoidType(), [POINTER] * len(buffers))
        writer = FunctionWriter(self.module, f"kernel_{self.kernels}_{kernel.name}", kind)
        writer.function.linkage = "internal"
        pointers = dict(zip(buffers, writer.function.args, strict=True))

        def pointer(buffer: Buffer) -> ir.Value:
            found = pointers.get(buffer.root)
            if found is None:
                found = pointers[buffer.root] = writer.row(buffer.root)
            return found

        KernelEmitter(writer.builder, pointer, writer.alloca, self.checks).emit(kernel)
        writer.builder.ret_void()
        writer.finish()
        return writer.function

    def shareable(self, buffer: Buffer) -> ir.Value:
        """An address to hand out: a copy of a scalar's slot, so that the slot stays a register."""
        pointer = self.pointer(buffer)
        if buffer.kind != "scalar":
            return pointer
        spill = self.writer.scratch(buffer.dtype.itemsize)
        self.builder.store(self.builder.load(pointer, typ=slot_type(buffer)), spill)
        return spill

    def parallel_body(self, kernel: Kernel, buffers: list[Buffer],
                      split: tuple[int, int, int]) -> ir.Function:
        """`void body(pointers, begin, end)`: the kernel on a range of blocks of its first loop."""
        self.kernels += 1
        kind = ir.FunctionType(ir.VoidType(), [POINTER, I64, I64])
        writer = FunctionWriter(self.module, f"kernel_{self.kernels}_{kernel.name}", kind)
        writer.function.linkage = "internal"
        table, begin, end = writer.function.args
        b = writer.prologue
        pointers = {buffer: writer.entry_of(table, i) for i, buffer in enumerate(buffers)}
        _, block, _ = split
        extent = first_variable(kernel).extent
        first = b.mul(begin, constant64(block))
        last = b.mul(end, constant64(block))
        if extent % block:
            short = b.icmp_signed("<", last, constant64(extent))
            last = b.select(short, last, constant64(extent))

        def pointer(buffer: Buffer) -> ir.Value:
            found = pointers.get(buffer.root)
            if found is None:
                found = pointers[buffer.root] = writer.row(buffer.root)
            return found

        emitter = KernelEmitter(writer.builder, pointer, writer.alloca, self.checks)
        emitter.emit(kernel, (first, last))
        writer.builder.ret_void()
        writer.finish()
        return writer.function

    # ---- calls ---------------------------------------------------------------------------------

    def host_call(self, step: loop_ir.HostCallStep) -> None:
        """Call the evaluation of an equation."""
        self.call_python(self.numbers[id(step)], step.operands, step.results)

    def call_python(self, number: int, operands: Sequence[Buffer],
                    results: Sequence[Buffer]) -> None:
        """Call a Python function; a nonzero result ends the program."""
        tables = [self.pointer_array([self.pointer(b) for b in buffers])
                  for buffers in (operands, results)]
        call = self.declare("arrax_host_call", I32, [POINTER, I64, POINTER, POINTER])
        self.check(self.builder.call(call, [self.context, constant64(number), *tables]))

    def check(self, status: ir.Value) -> None:
        """Return from the program with a status that is not zero."""
        b = self.builder
        if self.failure is None:
            end = ir.IRBuilder(self.writer.function.append_basic_block("failure"))
            self.failure = end.phi(I32)
            end.ret(self.failure)
        good = self.writer.function.append_basic_block("good")
        failed = b.icmp_signed("!=", status, ir.Constant(I32, 0))
        self.failure.add_incoming(status, b.block)
        b.cbranch(failed, self.failure.parent, good)
        b.position_at_end(good)

    def library(self, step: loop_ir.LibraryStep) -> None:
        if self.checks is None:
            library_plans.write(self, step)
        else:
            self.checks.call(self, step, library_plans.write)

    # ---- control flow --------------------------------------------------------------------------

    def poll(self) -> None:
        """Look after signals, of which one may end the program."""
        poll = self.declare("arrax_poll", I32, [POINTER])
        self.check(self.builder.call(poll, [self.context]))

    def while_loop(self, step: loop_ir.WhileStep) -> None:
        b, function = self.builder, self.writer.function
        header, body, done = (function.append_basic_block(name)
                              for name in ("while", "do", "done"))
        before = b.block
        b.branch(header)
        b.position_at_end(header)
        counter = b.phi(I64)
        counter.add_incoming(constant64(0), before)
        self.region(step.condition)
        flag = b.load(self.pointer(step.condition.results[0]), typ=I8)
        b.cbranch(b.icmp_unsigned("!=", flag, ir.Constant(I8, 0)), body, done)
        b.position_at_end(body)
        self.region(step.body)
        following = b.add(counter, constant64(1))
        last = constant64(poll_interval(step.body) - 1)
        with b.if_then(b.icmp_unsigned("==", b.and_(counter, last), last)):
            self.poll()
        counter.add_incoming(following, b.block)
        b.branch(header)
        b.position_at_end(done)

    def scan(self, step: loop_ir.ScanStep) -> None:
        """A loop that pauses at `limit` to look after signals, so that steps cost nothing more."""
        b, function = self.builder, self.writer.function
        before = b.block
        body, pause, done = (function.append_basic_block(name)
                             for name in ("scan", "pause", "scanned"))
        b.branch(body)
        b.position_at_end(body)
        counter, limit = b.phi(I64), b.phi(I64)
        position = b.sub(constant64(step.length - 1), counter) if step.reverse else counter
        for piece, whole in step.slices:
            offset = b.mul(position, constant64(piece.nbytes), flags=("nsw",))
            self.pointers[piece] = b.gep(self.pointer(whole), [offset], source_etype=I8)
        self.region(step.body)
        following = b.add(counter, constant64(1), flags=("nuw", "nsw"))
        steps = poll_interval(step.body)
        counter.add_incoming(constant64(0), before)
        counter.add_incoming(following, b.block)
        b.cbranch(b.icmp_signed("<", following, limit), body, pause)
        limit.add_incoming(constant64(min(steps, step.length)), before)
        limit.add_incoming(limit, b.block)
        b.position_at_end(pause)
        if step.length > steps:
            go_on = function.append_basic_block("go_on")
            b.cbranch(b.icmp_signed("<", following, constant64(step.length)), go_on, done)
            b.position_at_end(go_on)
            self.poll()
            far = b.add(limit, constant64(steps))
            short = b.icmp_signed("<", far, constant64(step.length))
            counter.add_incoming(following, b.block)
            limit.add_incoming(b.select(short, far, constant64(step.length)), b.block)
            b.branch(body)
        else:
            b.branch(done)
        b.position_at_end(done)

    def cond(self, step: loop_ir.CondStep) -> None:
        b, function = self.builder, self.writer.function
        layout = LAYOUTS[step.index.dtype]
        index = b.load(self.pointer(step.index), typ=layout.memory)
        done = function.append_basic_block("joined")
        blocks = [function.append_basic_block("branch") for _ in step.branches]
        # Out of range: negative indices take branch 0, large ones the last.
        is_negative = b.icmp_signed("<", index, ir.Constant(layout.memory, 0)) \
            if layout.kind == "int" else ir.Constant(ir.IntType(1), 0)
        index = b.select(is_negative, ir.Constant(layout.memory, 0), index)
        switch = b.switch(index, blocks[-1])
        for number, block in enumerate(blocks[:-1]):
            switch.add_case(ir.Constant(layout.memory, number), block)
        for block, branch in zip(blocks, step.branches, strict=True):
            b.position_at_end(block)
            self.region(branch)
            b.branch(done)
        b.position_at_end(done)


_HANDLERS = {Kernel: "kernel", loop_ir.Copy: "copy", loop_ir.HostCallStep: "host_call",
             loop_ir.LibraryStep: "library", loop_ir.WhileStep: "while_loop",
             loop_ir.ScanStep: "scan", loop_ir.CondStep: "cond"}


def poll_interval(body: Region) -> int:
    """After how many steps of a loop signals are looked after: a power of two."""
    steps = POLL_WORK // max(1, region_work(body))
    return 1 << steps.bit_length() - 1 if steps > 1 else 1


def region_work(region: Region) -> int:
    """Elements times the cost of each in one run of a region, roughly."""
    return sum(step_work(step) for step in region.steps)


def step_work(step: Any) -> int:
    """The same for a step; `while` loops look after signals themselves when they are long."""
    if isinstance(step, Kernel):
        return kernel_work(step)
    if isinstance(step, loop_ir.Copy):
        return step.source.size
    if isinstance(step, loop_ir.WhileStep):
        return UNKNOWN_WORK + region_work(step.body) + region_work(step.condition)
    if isinstance(step, loop_ir.ScanStep):
        return step.length * region_work(step.body)
    if isinstance(step, loop_ir.CondStep):
        return max((region_work(branch) for branch in step.branches), default=0)
    return POLL_WORK  # a call


def repeated_kernels(region: Region) -> dict[int, tuple[Hashable, list[Buffer]]]:
    """By id, the key and buffers of kernels that occur several times, not inside of control flow
    (there a call could cost more than it saves) and not on scalars (whose slots are registers)."""
    found = {id(step): kernel_key(step) for step in region.steps if isinstance(step, Kernel)
             and all(b.root.kind != "scalar" for b in loop_ir.kernel_buffers(step))}
    times = Counter(key for key, _ in found.values())
    return {name: entry for name, entry in found.items() if times[entry[0]] > 1}


def slot_type(buffer: Buffer) -> ir.Type:
    """The LLVM type of one element in memory."""
    layout = LAYOUTS.get(buffer.dtype)
    if layout is None:
        return ir.ArrayType(I8, max(buffer.dtype.itemsize, 1))
    return ir.VectorType(layout.memory, 2) if layout.kind == "complex" else layout.memory


def first_variable(kernel: Kernel) -> Any:
    """The loop variable that threads share."""
    if kernel.outer:
        return kernel.outer[0]
    stage = kernel.stages[0]
    return stage.vars[-1] if isinstance(stage, Map) and stage.vars else None


def parallel_range(kernel: Kernel) -> tuple[int, int, int] | None:
    """(blocks, elements of the first variable in a block, grain in blocks) for `parallel_for`, or
    None where threads do not pay off."""
    first = first_variable(kernel)
    if first is None or first.extent < 2:
        return None
    if not kernel.outer and len(kernel.stages) > 1:
        return None
    if any(isinstance(stage, Map) and stage.ordered for stage in kernel.stages):
        return None
    work = kernel_work(kernel)
    if work < PARALLEL_WORK:
        return None
    tile = block_of(kernel)
    if tile:
        blocks = -(-first.extent // tile)
        return blocks, tile, max(1, GRAIN_WORK * blocks // work)
    if kernel.outer:
        return first.extent, 1, max(1, GRAIN_WORK * first.extent // work)
    block = 8 * choose_lanes(kernel.stages[0], first.extent)
    blocks = -(-first.extent // block)
    return blocks, block, max(1, GRAIN_WORK * blocks // work)


def kernel_work(kernel: Kernel) -> int:
    """Elements times the cost of each in a kernel."""
    work = sum(stage_work(stage) for stage in kernel.stages)
    for var in kernel.outer:
        work *= var.extent
    return work


def stage_work(stage: Any) -> int:
    """Elements times the cost of each in one pass over a stage."""
    variables = stage.vars if isinstance(stage, Map) else [*stage.kept, *stage.reduced]
    work = loop_ir.expressions_cost(loop_ir.stages_loads(stage))
    for var in variables:
        work *= var.extent
    return work
