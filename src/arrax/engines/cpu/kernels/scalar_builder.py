"""`ScalarBuilder`: one method per elementwise primitive, for one element or a vector of them.

    b = ScalarBuilder(ir_builder, lanes=16)
    y = b.mul(b.exp(x), b.constant(0.5, np.float32))

Operands and results are `Value`s. Operands of one call have the same dtype, as JAX's primitives
demand. 16-bit floats compute in float32 and round after each operation. What is not lowered raises
`NotLowered`, and the compiler calls the primitive's NumPy evaluation instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir

from . import (
    integer_math,
    vector_complex,
    vector_float,
    vector_gamma,
    vector_special,
    vector_trig,
)
from .convert import bitcast, convert
from .lanes import CONTRACT, F16, F32, I1, I64, Lanes, scalar_of
from .values import (
    BFLOAT16,
    FLOAT16,
    NotLowered,
    Value,
    component_dtype,
    layout_of,
    load,
    round_to_format,
    store,
)

# Real functions: small ones stand inline, long ones become functions of the module.
INLINE: dict[str, Any] = {
    "exp": vector_float.exp,
    "exp2": vector_float.exp2,
    "logistic": vector_float.logistic,
    "tanh": vector_float.tanh,
    "rsqrt": vector_special.rsqrt,
    "sqrt": lambda e, x: e.sqrt(x),
    "floor": lambda e, x: e.unary("floor", x),
    "ceil": lambda e, x: e.unary("ceil", x),
    "abs": lambda e, x: e.abs(x),
    "sin": vector_trig.sin,
    "cos": vector_trig.cos,
    "tan": vector_trig.tan,
    "atan2": vector_trig.atan2,
    "pow": vector_special.pow,
    "cbrt": vector_special.cbrt,
    "asinh": vector_special.asinh,
    "acosh": vector_special.acosh,
    "atanh": vector_special.atanh,
    "erfc": vector_special.erfc,
}
OUTLINE: dict[str, Any] = {
    "log": vector_float.log,
    "log1p": vector_float.log1p,
    "expm1": vector_float.expm1,
    "erf_inv": vector_float.erf_inv,
    "erf": vector_special.erf,
    "sinh": vector_special.sinh,
    "cosh": vector_special.cosh,
    "asin": vector_trig.asin,
    "acos": vector_trig.acos,
    "atan": vector_trig.atan,
}


def _is_nonzero(value: ir.Value) -> bool:
    """Whether `value` is known not to be zero."""
    number = value.constant if isinstance(value, ir.Constant) else 0.0
    if isinstance(number, (list, tuple)):
        return all(map(_is_nonzero, number))
    return isinstance(number, float) and number != 0


class ScalarBuilder:
    """Writes elementwise operations at the position of an `ir.IRBuilder`."""

    def __init__(self, builder: ir.IRBuilder, lanes: int = 1, out_dtype: Any = None) -> None:
        self.builder = builder
        self.lanes = lanes
        self.out_dtype = out_dtype
        self.emit = Lanes(builder, lanes)

    # ---- values ------------------------------------------------------------------------------

    def constant(self, value: Any, dtype: Any) -> Value:
        """A Python or NumPy scalar in every lane."""
        dtype = np.dtype(dtype)
        layout = layout_of(dtype)
        number = np.asarray(value).astype(dtype)
        if layout.kind == "complex":
            parts = (
                self.emit.constant(layout.register, float(part))
                for part in (number.real, number.imag)
            )
            real, imag = parts
            return Value(real, dtype, imag)
        python = float(number) if layout.kind == "float" else int(number)
        return Value(self.emit.constant(layout.register, python), dtype)

    def like(self, x: Value, value: Any) -> Value:
        """`value` as a constant of the dtype of `x`."""
        return self.constant(value, x.dtype)

    def load(self, pointer: ir.Value, dtype: Any) -> Value:
        """`lanes` consecutive elements at a pointer."""
        return load(self.emit, pointer, np.dtype(dtype))

    def store(self, x: Value, pointer: ir.Value) -> None:
        """Stores `lanes` consecutive elements."""
        store(self.emit, x, pointer)

    def splat(self, x: Value) -> Value:
        """A value of a scalar builder (one lane) in every lane of this one."""
        imag = None if x.imag is None else self.emit.splat(x.imag)
        return Value(self.emit.splat(x.llvm), x.dtype, imag)

    def element(self, x: Value, lane: ir.Value) -> Value:
        """One lane, as a value of a scalar builder."""
        if self.lanes == 1:
            return x
        imag = None if x.imag is None else self.builder.extract_element(x.imag, lane)
        return Value(self.builder.extract_element(x.llvm, lane), x.dtype, imag)

    def iota(self, start: ir.Value, dtype: Any, step: int = 1) -> Value:
        """start, start + step, ... over the lanes, for an i64 `start`."""
        counts: ir.Value = self.emit.splat(start)
        if self.lanes > 1:
            steps = ir.Constant(
                ir.VectorType(I64, self.lanes), [step * i for i in range(self.lanes)]
            )
            counts = self.builder.add(counts, steps)
        return convert(self.emit, Value(counts, np.dtype(np.int64)), np.dtype(dtype))

    # ---- arithmetic --------------------------------------------------------------------------

    def _rounded(self, llvm: ir.Value, dtype: np.dtype[Any]) -> Value:
        return Value(round_to_format(self.emit, llvm, dtype), dtype)

    def _arithmetic(self, name: str, x: Value, y: Value) -> Value:
        b = self.builder
        if x.imag is not None:
            apply = getattr(b, "f" + name)
            return Value(apply(x.llvm, y.llvm), x.dtype, apply(x.imag, y.imag))
        if x.kind == "float":
            return self._rounded(getattr(b, "f" + name)(x.llvm, y.llvm, flags=CONTRACT), x.dtype)
        return Value(getattr(b, name)(x.llvm, y.llvm), x.dtype)

    def add(self, x: Value, y: Value) -> Value:
        return self.or_(x, y) if x.kind == "bool" else self._arithmetic("add", x, y)

    add_any = add

    def sub(self, x: Value, y: Value) -> Value:
        return self._arithmetic("sub", x, y)

    def mul(self, x: Value, y: Value) -> Value:
        if x.kind == "bool":
            return self.and_(x, y)
        if x.imag is not None:
            assert y.imag is not None
            real, imag = vector_complex.multiply(self.emit, x.llvm, x.imag, y.llvm, y.imag)
            return Value(real, x.dtype, imag)
        return self._arithmetic("mul", x, y)

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        """x * y + z, rounded once where the dtype is a float."""
        if x.kind != "float":
            return self.add(self.mul(x, y), z)
        return self._rounded(self.emit.fma(x.llvm, y.llvm, z.llvm), x.dtype)

    def div(self, x: Value, y: Value) -> Value:
        if x.imag is not None:
            return self._complex("div", x, y)
        if x.kind == "float":
            return self._rounded(self.emit.div(x.llvm, y.llvm), x.dtype)
        return Value(integer_math.divide(self.emit, x.llvm, y.llvm, x.kind == "int"), x.dtype)

    def rem(self, x: Value, y: Value) -> Value:
        if x.kind == "float":
            return self._rounded(integer_math.float_remainder(self.emit, x.llvm, y.llvm), x.dtype)
        if x.imag is not None:
            raise NotLowered("rem of complex numbers")
        return Value(integer_math.remainder(self.emit, x.llvm, y.llvm, x.kind == "int"), x.dtype)

    def neg(self, x: Value) -> Value:
        if x.imag is not None:
            return Value(self.emit.neg(x.llvm), x.dtype, self.emit.neg(x.imag))
        if x.kind == "float":
            return Value(self.emit.neg(x.llvm), x.dtype)
        return Value(self.builder.neg(x.llvm), x.dtype)

    def abs(self, x: Value) -> Value:
        if x.imag is not None:
            return self._magnitude(x)
        if x.kind == "float":
            return Value(self.emit.abs(x.llvm), x.dtype)
        if x.kind == "uint":
            return x
        negative = self.builder.icmp_signed("<", x.llvm, self.emit.like(x.llvm, 0))
        return Value(self.emit.select(negative, self.builder.neg(x.llvm), x.llvm), x.dtype)

    def sign(self, x: Value) -> Value:
        e = self.emit
        if x.imag is not None:
            return self._complex("sign", x)
        zero, one, minus = (e.like(x.llvm, value) for value in (0, 1, -1))
        if x.kind == "uint":
            return Value(
                e.select(self.builder.icmp_unsigned("!=", x.llvm, zero), one, zero), x.dtype
            )
        less = self.lt(x, Value(zero, x.dtype)).llvm
        more = self.gt(x, Value(zero, x.dtype)).llvm
        return Value(e.select(less, minus, e.select(more, one, x.llvm)), x.dtype)

    def square(self, x: Value) -> Value:
        return self.mul(x, x) if x.imag is None else self._complex("square", x)

    def integer_pow(self, x: Value, y: int) -> Value:
        """x^y by repeated squaring; the reciprocal for negative y."""
        if x.kind == "float":
            power = vector_special.integer_power(self.emit, x.llvm, y)
            return self._rounded(power, x.dtype)
        if y == 0:
            return self.like(x, 1)
        result, square, remaining = None, x, abs(y)
        while remaining:
            if remaining & 1:
                result = square if result is None else self.mul(result, square)
            remaining >>= 1
            if remaining:
                square = self.square(square)
        assert result is not None
        return self.div(self.like(x, 1), result) if y < 0 else result

    def pow(self, x: Value, y: Value) -> Value:
        if x.imag is not None:
            return self._complex("pow", x, convert(self.emit, y, x.dtype))
        if x.kind != "float":
            return Value(integer_math.power(self.emit, x.llvm, y.llvm, x.kind == "int"), x.dtype)
        return self._real("pow", x, convert(self.emit, y, x.dtype))

    # ---- functions ---------------------------------------------------------------------------

    def _real(self, name: str, *args: Value) -> Value:
        x = args[0]
        operands = [argument.llvm for argument in args]
        inline = INLINE.get(name)
        if inline is not None:
            result = inline(self.emit, *operands)
        else:
            result = self.emit.helper(name, OUTLINE[name], *operands)
        return self._rounded(result, x.dtype)

    def _function(self, name: str, *args: Value) -> Value:
        if args[0].imag is not None:
            return self._complex(name, *args)
        if args[0].kind != "float":
            raise NotLowered(f"{name} of {args[0].dtype}")
        return self._real(name, *args)

    def _complex(self, name: str, *args: Value) -> Value:
        """In float64 pairs, by a function of the module."""
        e, dtype = self.emit, args[0].dtype
        if name not in vector_complex.FUNCTIONS:
            raise NotLowered(f"{name} of {dtype}")
        parts = [part for argument in args for part in (argument.llvm, argument.imag)]
        narrow = dtype.itemsize == 8
        if narrow:
            parts = [e.widen(part) for part in parts]
        result = e.helper(f"complex.{name}", vector_complex.FUNCTIONS[name], *parts, results=2)
        real, imag = (e.narrow(part) for part in result) if narrow else result
        return Value(real, dtype, imag)

    def _magnitude(self, x: Value) -> Value:
        e, part = self.emit, component_dtype(x.dtype)
        if part.itemsize == 8:
            size = vector_complex.magnitude(e, x.llvm, x.imag)
        else:
            size = e.narrow(vector_complex.magnitude(e, e.widen(x.llvm), e.widen(x.imag)))
        return Value(size, part)

    def exp(self, x: Value) -> Value:
        return self._function("exp", x)

    def exp2(self, x: Value) -> Value:
        if x.imag is not None:
            return self.exp(self.mul(x, self.like(x, vector_float.LN_2)))
        return self._function("exp2", x)

    def expm1(self, x: Value) -> Value:
        return self._function("expm1", x)

    def log(self, x: Value) -> Value:
        return self._function("log", x)

    def log1p(self, x: Value) -> Value:
        return self._function("log1p", x)

    def sqrt(self, x: Value) -> Value:
        return self._function("sqrt", x)

    def rsqrt(self, x: Value) -> Value:
        return self._function("rsqrt", x)

    def cbrt(self, x: Value) -> Value:
        return self._function("cbrt", x)

    def logistic(self, x: Value) -> Value:
        return self._function("logistic", x)

    def tanh(self, x: Value) -> Value:
        return self._function("tanh", x)

    def sin(self, x: Value) -> Value:
        return self._function("sin", x)

    def cos(self, x: Value) -> Value:
        return self._function("cos", x)

    def tan(self, x: Value) -> Value:
        return self._function("tan", x)

    def asin(self, x: Value) -> Value:
        return self._function("asin", x)

    def acos(self, x: Value) -> Value:
        return self._function("acos", x)

    def atan(self, x: Value) -> Value:
        return self._function("atan", x)

    def atan2(self, y: Value, x: Value) -> Value:
        return self._function("atan2", y, x)

    def sinh(self, x: Value) -> Value:
        return self._function("sinh", x)

    def cosh(self, x: Value) -> Value:
        return self._function("cosh", x)

    def asinh(self, x: Value) -> Value:
        return self._function("asinh", x)

    def acosh(self, x: Value) -> Value:
        return self._function("acosh", x)

    def atanh(self, x: Value) -> Value:
        return self._function("atanh", x)

    def erf(self, x: Value) -> Value:
        return self._function("erf", x)

    def erfc(self, x: Value) -> Value:
        return self._function("erfc", x)

    def erf_inv(self, x: Value) -> Value:
        return self._function("erf_inv", x)

    def lgamma(self, x: Value) -> Value:
        return self._rounded(vector_gamma.lgamma(self.emit, x.llvm), x.dtype)

    def digamma(self, x: Value) -> Value:
        return self._rounded(vector_gamma.digamma(self.emit, x.llvm), x.dtype)

    def bessel_i0e(self, x: Value) -> Value:
        return self._rounded(vector_gamma.bessel_i0e(self.emit, x.llvm), x.dtype)

    def bessel_i1e(self, x: Value) -> Value:
        return self._rounded(vector_gamma.bessel_i1e(self.emit, x.llvm), x.dtype)

    def zeta(self, x: Value, q: Value) -> Value:
        return self._rounded(vector_gamma.zeta(self.emit, x.llvm, q.llvm), x.dtype)

    def by_library(self, name: str, *args: Value) -> Value:
        """A special function that the native library computes for one element."""
        operands = [argument.llvm for argument in args]
        return self._rounded(vector_gamma.by_library(self.emit, name, *operands), args[0].dtype)

    def floor(self, x: Value) -> Value:
        return self._function("floor", x)

    def ceil(self, x: Value) -> Value:
        return self._function("ceil", x)

    def round(self, x: Value, rounding_method: int = 0) -> Value:
        """To integers: 0 is half away from zero, 1 half to even."""
        if x.kind != "float":
            raise NotLowered(f"round of {x.dtype}")
        name = "roundeven" if int(rounding_method) == 1 else "round"
        return self._rounded(self.emit.unary(name, x.llvm), x.dtype)

    # ---- comparison and choice ---------------------------------------------------------------

    def _compare(self, operator: str, x: Value, y: Value) -> Value:
        if x.imag is not None:
            raise NotLowered(f"comparison {operator} of complex numbers")
        if x.kind == "float":
            llvm = self.emit.compare(operator, x.llvm, y.llvm)
        else:
            compare = self.builder.icmp_signed if x.kind == "int" else self.builder.icmp_unsigned
            llvm = compare(operator, x.llvm, y.llvm)
        return Value(llvm, np.dtype(bool))

    def eq(self, x: Value, y: Value) -> Value:
        if x.imag is None:
            return self._compare("==", x, y)
        parts = (self.emit.compare("==", *pair) for pair in ((x.llvm, y.llvm), (x.imag, y.imag)))
        return Value(self.builder.and_(*parts), np.dtype(bool))

    def ne(self, x: Value, y: Value) -> Value:
        return self._compare("!=", x, y) if x.imag is None else self.not_(self.eq(x, y))

    def lt(self, x: Value, y: Value) -> Value:
        return self._compare("<", x, y)

    def le(self, x: Value, y: Value) -> Value:
        return self._compare("<=", x, y)

    def gt(self, x: Value, y: Value) -> Value:
        return self._compare(">", x, y)

    def ge(self, x: Value, y: Value) -> Value:
        return self._compare(">=", x, y)

    def _extreme(self, operator: str, x: Value, y: Value) -> Value:
        """The operand that compares so, NaN if either is; lexicographic for complex numbers."""
        e, b = self.emit, self.builder
        if x.imag is not None:
            chosen = b.or_(
                e.compare(operator, x.llvm, y.llvm),
                b.and_(e.compare("==", x.llvm, y.llvm), e.compare(operator, x.imag, y.imag)),
            )
            return self.select(Value(chosen, np.dtype(bool)), x, y)
        result = e.select(self._compare(operator, x, y).llvm, x.llvm, y.llvm)
        if x.kind == "float":
            if not _is_nonzero(y.llvm):
                join = b.and_ if operator == ">" else b.or_  # of equal values: of zeros' signs
                tie = e.from_bits(join(e.bits(x.llvm), e.bits(y.llvm)), scalar_of(x.llvm.type))
                result = e.select(e.compare("==", x.llvm, y.llvm), tie, result)
            result = e.select(e.is_nan(x.llvm), x.llvm, result)
        return Value(result, x.dtype)

    def max(self, x: Value, y: Value) -> Value:
        return self.or_(x, y) if x.kind == "bool" else self._extreme(">", x, y)

    def min(self, x: Value, y: Value) -> Value:
        return self.and_(x, y) if x.kind == "bool" else self._extreme("<", x, y)

    def clamp(self, low: Value, x: Value, high: Value) -> Value:
        return self.min(self.max(low, x), high)

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        """`x` where the condition holds, else `y`."""
        llvm = self.emit.select(condition.llvm, x.llvm, y.llvm)
        imag = None if x.imag is None else self.emit.select(condition.llvm, x.imag, y.imag)
        return Value(llvm, x.dtype, imag)

    def select_n(self, which: Value, *cases: Value) -> Value:
        """The case that `which` (a bool or an integer) numbers."""
        if which.kind == "bool":
            return self.select(which, cases[1], cases[0]) if len(cases) == 2 else cases[0]
        result = cases[-1]
        for index in range(len(cases) - 2, -1, -1):
            chosen = self.le(which, self.like(which, index))
            result = self.select(chosen, cases[index], result)
        return result

    def is_finite(self, x: Value) -> Value:
        if x.kind != "float":
            return self.constant(True, bool)
        finite = self.emit.compare("<", self.emit.abs(x.llvm), self.emit.like(x.llvm, np.inf))
        return Value(finite, np.dtype(bool))

    def nextafter(self, x: Value, y: Value) -> Value:
        if x.dtype in (FLOAT16, BFLOAT16):
            raise NotLowered(f"nextafter of {x.dtype}")
        return Value(integer_math.next_after(self.emit, x.llvm, y.llvm), x.dtype)

    # ---- bits --------------------------------------------------------------------------------

    def and_(self, x: Value, y: Value) -> Value:
        return Value(self.builder.and_(x.llvm, y.llvm), x.dtype)

    def or_(self, x: Value, y: Value) -> Value:
        return Value(self.builder.or_(x.llvm, y.llvm), x.dtype)

    def xor(self, x: Value, y: Value) -> Value:
        return Value(self.builder.xor(x.llvm, y.llvm), x.dtype)

    def not_(self, x: Value) -> Value:
        return Value(self.builder.xor(x.llvm, self.emit.like(x.llvm, -1)), x.dtype)

    def _shift(self, name: str, x: Value, y: Value) -> Value:
        return Value(integer_math.shift(self.emit, name, x.llvm, y.llvm), x.dtype)

    def shift_left(self, x: Value, y: Value) -> Value:
        return self._shift("shl", x, y)

    def shift_right_logical(self, x: Value, y: Value) -> Value:
        return self._shift("lshr", x, y)

    def shift_right_arithmetic(self, x: Value, y: Value) -> Value:
        return self._shift("ashr", x, y)

    def mulhi(self, x: Value, y: Value) -> Value:
        high = integer_math.high_product(self.emit, x.llvm, y.llvm, x.kind == "int")
        return Value(high, x.dtype)

    def reduce_precision(self, x: Value, exponent_bits: int, mantissa_bits: int) -> Value:
        own = x.llvm  # float16 has other subnormals than its register, float32
        if x.dtype == FLOAT16:
            own = self.builder.fptrunc(own, self.emit.type(F16))
        own = integer_math.reduce_precision(self.emit, own, exponent_bits, mantissa_bits)
        if x.dtype == FLOAT16:
            own = self.builder.fpext(own, self.emit.type(F32))
        return self._rounded(own, x.dtype)

    def population_count(self, x: Value) -> Value:
        return Value(self.emit.unary("ctpop", x.llvm), x.dtype)

    def clz(self, x: Value) -> Value:
        arguments = [x.llvm, ir.Constant(I1, 0)]
        return Value(self.emit.intrinsic("llvm.ctlz", x.llvm.type, arguments), x.dtype)

    def threefry2x32(self, k1: Value, k2: Value, x1: Value, x2: Value) -> tuple[Value, Value]:
        """The Threefry-2x32 block function with 20 rounds."""
        operands = [value.llvm for value in (k1, k2, x1, x2)]
        first, second = self.emit.helper(
            "threefry2x32", integer_math.threefry2x32, *operands, results=2
        )
        return Value(first, x1.dtype), Value(second, x1.dtype)

    # ---- conversions -------------------------------------------------------------------------

    def convert_element_type(self, x: Value, new_dtype: Any) -> Value:
        return convert(self.emit, x, np.dtype(new_dtype))

    def bitcast_convert_type(self, x: Value, new_dtype: Any) -> Value:
        return bitcast(self.emit, x, np.dtype(new_dtype))

    def real(self, x: Value) -> Value:
        return Value(x.llvm, component_dtype(x.dtype))

    def imag(self, x: Value) -> Value:
        if x.imag is None:
            return self.constant(0, x.dtype)
        return Value(x.imag, component_dtype(x.dtype))

    def complex(self, x: Value, y: Value) -> Value:
        dtype = np.dtype(np.complex64 if x.layout.register is F32 else np.complex128)
        return Value(x.llvm, dtype, y.llvm)

    def conj(self, x: Value) -> Value:
        if x.imag is None:
            return self.complex(x, Value(self.emit.like(x.llvm, 0.0), x.dtype))
        return Value(x.llvm, x.dtype, self.emit.neg(x.imag))


__all__ = ["NotLowered", "ScalarBuilder", "Value"]
