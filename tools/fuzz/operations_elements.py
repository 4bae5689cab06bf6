"""Operations on elements: functions of one, two and three operands, conversions, complex parts."""
from __future__ import annotations

from typing import Any

import arrax.numpy as jnp
from tools.fuzz.arguments import is_float
from tools.fuzz.drawing import Drawing
from tools.fuzz.operations import operation

FLOAT_FUNCTIONS = (
    "jnp.sin({0})", "jnp.cos({0})", "jnp.tanh({0})", "jnp.exp(-jnp.abs({0}))", "jnp.exp({0})",
    "jnp.log1p(jnp.abs({0}))", "jnp.log(jnp.abs({0}) + 0.5)", "jnp.sqrt(jnp.abs({0}))",
    "lax.rsqrt(jnp.abs({0}) + 0.5)", "lax.logistic({0})", "jnp.square({0})", "-{0}",
    "jnp.abs({0})", "jnp.floor({0})", "jnp.ceil({0})", "jnp.round({0})", "jnp.sign({0})",
    "lax.erf({0})", "jnp.cbrt({0})", "jnp.expm1(jnp.tanh({0}))", "jnp.arctan({0})",
    "jnp.tan({0})", "jnp.arcsin(jnp.tanh({0}))", "jnp.sinh(jnp.tanh({0}))", "{0} ** 3",
    "{0} ** -2", "1 / (1 + {0} * {0})", "jnp.exp2(jnp.tanh({0}))", "lax.erf_inv(jnp.tanh({0}) / 2)",
    "nn.relu({0})", "nn.gelu({0})", "nn.silu({0})", "nn.softplus({0})", "jnp.arcsinh({0})",
    "lax.lgamma(jnp.abs({0}) + 1)", "lax.digamma(jnp.abs({0}) + 1)", "lax.erfc({0})",
    "lax.reduce_precision({0}, 5, 10)", "jnp.nan_to_num({0})", "jnp.trunc({0})", "jnp.sinc({0})",
    "lax.integer_pow(jnp.tanh({0}), 5)", "jnp.modf({0})[0]", "jnp.i0(jnp.tanh({0}))",
)
ROUGH_FUNCTIONS = ("jnp.isnan({0})", "jnp.isfinite({0})", "jnp.signbit({0})", "{0} > 0",
                   "jnp.frexp({0})[1]", "lax.nextafter({0}, -{0})")
INTEGER_FUNCTIONS = ("-{0}", "jnp.abs({0})", "jnp.sign({0})", "~{0}", "lax.population_count({0})",
                     "lax.clz({0})", "{0} * {0}", "{0} ** 2", "{0} // 3", "{0} % 4", "{0} >> 1",
                     "{0} << 2", "{0} & 7", "{0} + 1", "{0} == 2", "jnp.bitwise_count({0})")
COMPLEX_FUNCTIONS = ("jnp.exp(1j * {0})", "jnp.conj({0})", "{0} * {0}", "jnp.abs({0})",
                     "jnp.real({0})", "jnp.imag({0})", "jnp.tanh({0})", "jnp.sqrt({0})", "-{0}",
                     "jnp.sin({0})", "jnp.angle({0})", "1 / (2 + {0})", "jnp.log({0} + 3)")
ARITHMETIC = ("{0} + {1}", "{0} - {1}", "{0} * {1}", "{0} + {1}", "{0} * {1}", "{1} - {0}")
FLOAT_PAIRS = (
    "jnp.maximum({0}, {1})", "jnp.minimum({0}, {1})", "{0} / (1 + jnp.abs({1}))", "{0} / {1}",
    "jnp.arctan2({0}, {1})", "jnp.hypot({0}, {1})", "jnp.logaddexp({0}, {1})",
    "jnp.power(jnp.abs({0}) + 0.1, jnp.tanh({1}))", "jnp.copysign({0}, jnp.nan_to_num({1}))",
    "jnp.heaviside({0}, {1})", "jnp.fmax({0}, {1})")
ROUGH_PAIRS = ("jnp.remainder({0}, {1})", "jnp.floor_divide({0}, {1})", "jnp.fmod({0}, {1})",
               "jnp.nextafter({0}, {1})")
INTEGER_PAIRS = ("jnp.maximum({0}, {1})", "{0} & {1}", "{0} | {1}", "{0} ^ {1}", "{0} // {1}",
                 "{0} % {1}", "{0} << ({1} & 7)", "{0} >> ({1} & 7)", "jnp.minimum({0}, {1})",
                 "jnp.gcd({0}, {1})", "lax.shift_right_logical(*jnp.broadcast_arrays({0}, {1}))")
COMPARISONS = ("{0} < {1}", "{0} >= {1}", "{0} == {1}", "{0} != {1}")


@operation(5)
def unary(d: Drawing) -> Any:
    x = d.pick()
    if x.dtype.kind == "b":
        return d.add(f"~{x.name}", "unary")
    if x.integral:
        return d.add(d.choice(INTEGER_FUNCTIONS).format(x.name), "unary")
    if x.dtype.kind == "c":
        return d.add(d.choice(COMPLEX_FUNCTIONS).format(x.name), "unary")
    table = FLOAT_FUNCTIONS if d.differentiable or d.chance(0.9) else ROUGH_FUNCTIONS
    return d.add(d.choice(table).format(x.name), "unary")


def paired(d: Drawing, x: Any, y: str, other: Any) -> str:
    """The text of an operation on `x` and the text `y` of the dtype of `other`."""
    kinds = {x.dtype.kind if not x.floating else "f", other.dtype.kind if not other.floating
             else "f"}
    table = ARITHMETIC
    if d.chance(0.4) or kinds == {"b"}:
        if kinds == {"f"}:
            table = FLOAT_PAIRS if d.differentiable or d.chance(0.8) else ROUGH_PAIRS
        elif kinds == {"b"}:
            table = ("{0} & {1}", "{0} | {1}", "{0} ^ {1}", "{0} != {1}")
        elif kinds <= {"i", "u"} and x.dtype == other.dtype:
            table = INTEGER_PAIRS
    return d.choice(table).format(x.name, y)


@operation(5)
def binary(d: Drawing) -> Any:
    x = d.pick()
    y = d.pick_like(x)
    if "f" in (x.dtype.kind, y.dtype.kind) and x.dtype.kind == "b" == y.dtype.kind:
        return None
    other = d.adapt(y, x.shape)
    if other != y.name and y.dtype.kind == "b":
        y = d.add(other, "adapt")
        if y is None:
            return None
        other = y.name
    if other != y.name and "sum" in other and y.integral:
        y = d.add(other, "adapt")
        other = y.name
    return d.add(paired(d, x, other, y), "binary")


@operation(2)
def compared(d: Drawing) -> Any:
    x = d.pick(lambda v: v.dtype.kind != "c")
    if x is None:
        return None
    y = d.pick(lambda v: v.shape == x.shape and v.dtype.kind != "c")
    test = d.choice(COMPARISONS).format(x.name, y.name if d.chance(0.7) else
                                        ("True" if x.dtype.kind == "b" else "1"))
    z = d.pick(lambda v: v.shape == x.shape)
    if d.chance(0.3):
        return d.add(test, "compare")
    others = (x.name, z.name) if d.chance(0.5) else (z.name, x.name if d.chance(0.5) else "0")
    return d.add(f"jnp.where({test}, {others[0]}, {others[1]})", "where")


@operation(1)
def selected(d: Drawing) -> Any:
    x = d.pick()
    which = d.pick(lambda v: v.shape == x.shape and v.integral)
    y = d.pick(lambda v: v.shape == x.shape and v.dtype == x.dtype)
    if which is not None and d.chance(0.6):
        index = f"jnp.clip({which.name}, 0, 2).astype('int32')"
        return d.add(f"lax.select_n({index}, {x.name}, {y.name}, {x.name})", "select_n")
    if x.dtype.kind in "bc" or not x.size:
        return None
    low, high = ("-1", "2") if x.dtype.kind != "u" else ("1", "2")
    return d.add(f"jnp.clip({x.name}, {low}, {high})", "clip")


@operation(2)
def converted(d: Drawing) -> Any:
    x = d.pick()
    if d.differentiable:
        target = d.choice(("float32", "float16", "bfloat16", "float32"))
    else:
        target = d.choice(d.dtypes)
    return d.add(d.converted(x.name, x.dtype, d.environment["jnp"].dtype(target)), "convert")


@operation(0.7)
def complex_parts(d: Drawing) -> Any:
    x = d.pick(lambda v: v.dtype.name in ("float32", "float64"))
    if x is None or d.differentiable:
        return None
    y = d.pick(lambda v: v.shape == x.shape and v.dtype == x.dtype)
    return d.add(f"lax.complex({x.name}, {y.name})", "complex")


@operation(1.5, smooth=False)
def bitcast(d: Drawing) -> Any:
    x = d.pick(lambda v: v.dtype.kind != "b")
    if x is None:
        return None
    bits = x.dtype.itemsize * 8
    kinds = {8: ("uint8", "int8"), 16: ("uint16", "int16", "float16", "bfloat16"),
             32: ("uint32", "int32", "float32"), 64: ("uint64", "int64", "float64")}
    if x.dtype.kind == "c":
        return None
    wide = any(t == "float64" for t in d.dtypes)
    targets = [t for b, ts in kinds.items() for t in ts if (wide or b < 64) and (
        b <= bits or (x.ndim and x.shape[-1] == b // bits))]
    name = x.name
    if is_float(x.dtype) and bool(jnp.isnan(x.array).any()):  # the bits of NaNs are unspecified
        name = f"jnp.where(jnp.isnan({x.name}), 0, {x.name})"
    return d.add(f"lax.bitcast_convert_type({name}, '{d.choice(targets)}')", "bitcast")


@operation(0.7, smooth=False)
def drawn_bits(d: Drawing) -> Any:
    shape = d.shape(d.integer(1, 2))
    key = f"random.key({d.integer(0, 9)})"
    x = d.pick(lambda v: v.integral and v.ndim == 0)
    if x is not None:
        key = f"random.fold_in({key}, {x.name})"
    return d.add(d.choice((f"random.bits({key}, {shape})", f"random.uniform({key}, {shape})",
                           f"random.normal({key}, {shape})",
                           f"random.randint({key}, {shape}, 0, 9)",
                           f"random.bernoulli({key}, 0.3, {shape})")), "random")
