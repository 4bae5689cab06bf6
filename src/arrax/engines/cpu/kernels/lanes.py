"""`Lanes`: LLVM instructions on `lanes` elements at once, the floor that the vector math stands on.

Values here are bare LLVM values: scalars when `lanes == 1`, else vectors `<lanes x T>`. Dtypes,
and what JAX's primitives mean, live one floor up in `scalar_builder`.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
F16, F32, F64 = ir.HalfType(), ir.FloatType(), ir.DoubleType()
CONTRACT = ("contract",)


def float_text(value: float, scalar: ir.Type) -> str:
    """LLVM's text of a floating-point constant (the bits of the value as a double)."""
    if scalar is F16:
        value = struct.unpack("e", struct.pack("e", value))[0]
    elif scalar is F32 and value == value and abs(value) != float("inf"):
        value = struct.unpack("f", struct.pack("f", value))[0]
    return f"0x{struct.unpack('Q', struct.pack('d', value))[0]:016x}"


@functools.lru_cache(maxsize=1)
def host_features() -> dict[str, bool]:
    """The features of this machine's CPU by LLVM's names."""
    from llvmlite import binding

    return dict(binding.get_host_cpu_features())


@functools.lru_cache(maxsize=1)
def native_vector_bits() -> int:
    """Width of this machine's vector registers: 512, 256 or 128 bits."""
    features = host_features()
    if features.get("avx512f") and features.get("avx512vl") and features.get("avx512dq"):
        return 512
    return 256 if features.get("avx2") and features.get("fma") else 128


@functools.cache
def lanes_type(scalar: ir.Type, lanes: int) -> ir.Type:
    """The LLVM type of `lanes` elements of type `scalar`."""
    return scalar if lanes == 1 else ir.VectorType(scalar, lanes)


def scalar_of(llvm_type: ir.Type) -> ir.Type:
    """The element type of a scalar or vector type."""
    return llvm_type.element if isinstance(llvm_type, ir.VectorType) else llvm_type


def mangled(llvm_type: ir.Type) -> str:
    """The suffix that LLVM's intrinsics carry for a type: `f32`, `v16i32`, ..."""
    if isinstance(llvm_type, ir.VectorType):
        return f"v{llvm_type.count}{mangled(llvm_type.element)}"
    if isinstance(llvm_type, ir.IntType):
        return f"i{llvm_type.width}"
    return {F16: "f16", F32: "f32", F64: "f64"}[llvm_type]


def mark_wide(function: ir.Function) -> None:
    """Lets a function use the machine's widest registers, also where LLVM prefers narrower ones."""
    bits = native_vector_bits()
    for text in (f'"prefer-vector-width"="{bits}"', f'"min-legal-vector-width"="{bits}"'):
        set.add(function.attributes, text)


class Splat(ir.Constant):  # type: ignore[misc]  # llvmlite has no types
    """A constant with one number in every lane, in LLVM's short `splat` form."""

    def __init__(self, llvm_type: ir.Type, text: str, number: float | int) -> None:
        self.type = llvm_type
        self.constant = text
        self.number = number

    def _get_reference(self) -> str:
        return str(self.constant)


class Lanes:
    """Emits instructions at the position of `builder`, on `lanes` elements each."""

    def __init__(self, builder: ir.IRBuilder, lanes: int) -> None:
        self.builder = builder
        self.lanes = lanes
        self._constants: dict[tuple[ir.Type, Any], ir.Constant] = {}

    # ---- types and constants ----------------------------------------------------------------

    def type(self, scalar: ir.Type) -> ir.Type:
        """`scalar` itself, or a vector of it."""
        return lanes_type(scalar, self.lanes)

    def constant(self, scalar: ir.Type, value: float | int) -> ir.Constant:
        """`value` in every lane."""
        key = (scalar, repr(value))
        constant = self._constants.get(key)
        if constant is None:
            if isinstance(scalar, ir.IntType):
                text = str(int(value)) if scalar.width > 1 else ("true" if value else "false")
            else:
                text = float_text(float(value), scalar)
            if self.lanes > 1:
                text = f"splat ({scalar} {text})"
            constant = Splat(self.type(scalar), text, value)
            self._constants[key] = constant
        return constant

    def like(self, value: ir.Value, number: float | int) -> ir.Constant:
        """`number` in every lane, as the type of `value`."""
        return self.constant(scalar_of(value.type), number)

    def splat(self, value: ir.Value) -> ir.Value:
        """A scalar value in every lane."""
        if self.lanes == 1:
            return value
        undefined = ir.Constant(self.type(value.type), ir.Undefined)
        first = self.builder.insert_element(undefined, value, ir.Constant(I32, 0))
        zeros = ir.Constant(ir.VectorType(I32, self.lanes), None)
        return self.builder.shuffle_vector(first, undefined, zeros)

    # ---- floating point ---------------------------------------------------------------------

    def fma(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        """a * b + c, rounded once."""
        return self.intrinsic("llvm.fma", a.type, [a, b, c])

    def add(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self.builder.fadd(a, b)

    def sub(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self.builder.fsub(a, b)

    def mul(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self.builder.fmul(a, b)

    def div(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self.builder.fdiv(a, b)

    def neg(self, a: ir.Value) -> ir.Value:
        return self.builder.fneg(a)

    def unary(self, name: str, a: ir.Value) -> ir.Value:
        """An LLVM intrinsic of one operand: `fabs`, `sqrt`, `floor`, `roundeven`, ..."""
        return self.intrinsic(f"llvm.{name}", a.type, [a])

    def abs(self, a: ir.Value) -> ir.Value:
        return self.unary("fabs", a)

    def sqrt(self, a: ir.Value) -> ir.Value:
        return self.unary("sqrt", a)

    def copysign(self, a: ir.Value, sign: ir.Value) -> ir.Value:
        return self.intrinsic("llvm.copysign", a.type, [a, sign])

    def horner(self, coefficients: Sequence[float], x: ir.Value) -> ir.Value:
        """The polynomial with these coefficients, highest power first."""
        scalar = scalar_of(x.type)
        total: ir.Value = self.constant(scalar, coefficients[0])
        for coefficient in coefficients[1:]:
            total = self.fma(total, x, self.constant(scalar, coefficient))
        return total

    def at_most(self, a: ir.Value, bound: float) -> ir.Value:
        """min(a, bound); NaN stays NaN."""
        limit = self.like(a, bound)
        return self.select(self.compare(">", a, limit), limit, a)

    def at_least(self, a: ir.Value, bound: float) -> ir.Value:
        """max(a, bound); NaN stays NaN."""
        limit = self.like(a, bound)
        return self.select(self.compare("<", a, limit), limit, a)

    def compare(self, operator: str, a: ir.Value, b: ir.Value) -> ir.Value:
        """An ordered comparison; `!=` is true for NaNs."""
        if operator == "!=":
            return self.builder.fcmp_unordered("!=", a, b)
        return self.builder.fcmp_ordered(operator, a, b)

    def is_nan(self, a: ir.Value) -> ir.Value:
        return self.builder.fcmp_unordered("uno", a, a)

    # ---- integers, conversions, choice -------------------------------------------------------

    def bits(self, a: ir.Value) -> ir.Value:
        """The bits of floats as integers of the same width."""
        scalar = scalar_of(a.type)
        return self.builder.bitcast(a, self.type({F16: I16, F32: I32, F64: I64}[scalar]))

    def from_bits(self, a: ir.Value, scalar: ir.Type) -> ir.Value:
        return self.builder.bitcast(a, self.type(scalar))

    def select(self, condition: ir.Value, a: ir.Value, b: ir.Value) -> ir.Value:
        return self.builder.select(condition, a, b)

    def widen(self, a: ir.Value) -> ir.Value:
        """float32 to float64."""
        return self.builder.fpext(a, self.type(F64))

    def narrow(self, a: ir.Value) -> ir.Value:
        """float64 to float32."""
        return self.builder.fptrunc(a, self.type(F32))

    def to_int(self, a: ir.Value, scalar: ir.Type) -> ir.Value:
        """Truncation to a signed integer; the caller guarantees the range."""
        return self.builder.fptosi(a, self.type(scalar))

    def to_float(self, a: ir.Value, scalar: ir.Type) -> ir.Value:
        """A signed integer to floating point."""
        return self.builder.sitofp(a, self.type(scalar))

    # ---- calls -------------------------------------------------------------------------------

    def declared(self, name: str, result: ir.Type, arguments: Sequence[ir.Type]) -> ir.Function:
        """The function `name` of the module, declared on first use."""
        module = self.builder.module
        function = module.globals.get(name)
        if function is None:
            function = ir.Function(module, ir.FunctionType(result, arguments), name)
        return function

    def intrinsic(
        self, name: str, overload: ir.Type, args: Sequence[ir.Value], result: ir.Type | None = None
    ) -> ir.Value:
        """Calls `name.<type>`; the result has the type `overload` unless told otherwise."""
        function = self.declared(
            f"{name}.{mangled(overload)}", result or overload, [argument.type for argument in args]
        )
        return self.builder.call(function, args)

    def any(self, condition: ir.Value) -> ir.Value:
        """Whether a condition holds in any lane."""
        if self.lanes == 1:
            return condition
        return self.intrinsic("llvm.vector.reduce.or", condition.type, [condition], I1)

    def by_lane(self, name: str, *args: ir.Value) -> ir.Value:
        """Calls a scalar C function (of libm) once per lane, in a loop of its own function."""
        scalar = scalar_of(args[0].type)
        if self.lanes == 1:
            return self.builder.call(self.declared(name, scalar, [scalar] * len(args)), args)
        return self.helper(f"lanes.{name}", functools.partial(_loop_over_lanes, name), *args)

    def unless_any(
        self, condition: ir.Value, fast: Callable[[], ir.Value], slow: Callable[[], ir.Value]
    ) -> ir.Value:
        """`fast()`, or `slow()` when the condition holds in any lane. Makes new blocks, so it is
        for the bodies of helpers only."""
        b = self.builder
        names = [b.append_basic_block(name) for name in ("slow", "fast", "done")]
        slow_block, fast_block, done = names
        b.cbranch(self.any(condition), slow_block, fast_block)
        arrivals = []
        for block, emit in ((slow_block, slow), (fast_block, fast)):
            b.position_at_end(block)
            value = emit()
            arrivals.append((value, b.block))
            b.branch(done)
        b.position_at_end(done)
        phi = b.phi(arrivals[0][0].type)
        for value, block in arrivals:
            phi.add_incoming(value, block)
        return phi

    def helper(self, name: str, emit: Callable[..., Any], *args: ir.Value, results: int = 1) -> Any:
        """Calls a function of the module which `emit(lanes, *args)` writes at the first use.

        It returns one value of the first argument's type, or a tuple of `results` of them.
        """
        full_name = f"arrax.{name}.{mangled(args[0].type)}"
        function = self.builder.module.globals.get(full_name)
        if function is None:
            function = self._write_helper(full_name, emit, args, results)
        result = self.builder.call(function, args)
        if results == 1:
            return result
        return tuple(self.builder.extract_value(result, i) for i in range(results))

    def _write_helper(
        self, name: str, emit: Callable[..., Any], args: Sequence[ir.Value], results: int
    ) -> ir.Function:
        """Writes a private function of the module."""
        types = [argument.type for argument in args]
        result_type = types[0] if results == 1 else ir.LiteralStructType([types[0]] * results)
        function = ir.Function(self.builder.module, ir.FunctionType(result_type, types), name)
        function.linkage = "internal"
        function.attributes.add("noinline")
        function.attributes.add("nounwind")
        mark_wide(function)
        body = ir.IRBuilder(function.append_basic_block("entry"))
        result = emit(type(self)(body, self.lanes), *function.args)
        if results > 1:
            packed: ir.Value = ir.Constant(result_type, ir.Undefined)
            for position, part in enumerate(result):
                packed = body.insert_value(packed, part, position)
            result = packed
        body.ret(result)
        return function


def _loop_over_lanes(name: str, e: Lanes, *args: ir.Value) -> ir.Value:
    """The body of `by_lane`: through memory, so that its size doesn't grow with the lanes."""
    b, scalar = e.builder, scalar_of(args[0].type)
    function = e.declared(name, scalar, [scalar] * len(args))
    slots = [b.alloca(argument.type) for argument in args]
    for slot, argument in zip(slots, args):
        b.store(argument, slot)
    pointers = [b.bitcast(slot, scalar.as_pointer()) for slot in slots]
    start, loop, end = b.block, b.append_basic_block("loop"), b.append_basic_block("end")
    b.branch(loop)
    b.position_at_end(loop)
    index = b.phi(I64)
    places = [b.gep(pointer, [index]) for pointer in pointers]
    b.store(b.call(function, [b.load(place) for place in places]), places[0])
    following = b.add(index, ir.Constant(I64, 1))
    index.add_incoming(ir.Constant(I64, 0), start)
    index.add_incoming(following, loop)
    b.cbranch(b.icmp_unsigned("<", following, ir.Constant(I64, e.lanes)), loop, end)
    b.position_at_end(end)
    return b.load(slots[0])


def power_of_two(e: Lanes, exponent: ir.Value, scalar: ir.Type) -> ir.Value:
    """2^exponent for an integer exponent in the range of normal numbers."""
    width, mantissa, bias = (I32, 23, 127) if scalar is F32 else (I64, 52, 1023)
    biased = e.builder.add(exponent, e.constant(width, bias))
    return e.from_bits(e.builder.shl(biased, e.constant(width, mantissa)), scalar)


def scale_by_power(e: Lanes, x: ir.Value, exponent: ir.Value) -> ir.Value:
    """x * 2^exponent for a floating-point exponent with an integer value; overflows and underflows
    gradually, with one rounding. |exponent| stays below twice the normal range."""
    scalar = scalar_of(x.type)
    width = I32 if scalar is F32 else I64
    whole = e.to_int(exponent, width)
    half = e.builder.ashr(whole, e.constant(width, 1))
    rest = e.builder.sub(whole, half)
    return e.mul(e.mul(x, power_of_two(e, half, scalar)), power_of_two(e, rest, scalar))
