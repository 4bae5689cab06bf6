"""Elementwise operations, by rows."""
from __future__ import annotations

import numpy as np
from arrax import lax

from tests.ops.rows import Row, checks, cplx, real, whole

X, Y = real(2, 3), real(2, 3, seed=1)
POSITIVE = real(2, 3, low=0.3, high=3.0)
INSIDE = real(2, 3, low=-0.8, high=0.8)
C, D = cplx(2, 3), cplx(2, 3, seed=5)
SCALAR = np.float32(1.5)

UNARY = [
    Row("exp", lax.exp, (X,), np.exp), Row("exp2", lax.exp2, (X,), np.exp2),
    Row("log", lax.log, (POSITIVE,), np.log), Row("log1p", lax.log1p, (POSITIVE,), np.log1p),
    Row("expm1", lax.expm1, (X,), np.expm1), Row("sin", lax.sin, (X,), np.sin),
    Row("cos", lax.cos, (X,), np.cos), Row("tan", lax.tan, (INSIDE,), np.tan),
    Row("asin", lax.asin, (INSIDE,), np.arcsin), Row("acos", lax.acos, (INSIDE,), np.arccos),
    Row("atan", lax.atan, (X,), np.arctan), Row("sinh", lax.sinh, (X,), np.sinh),
    Row("cosh", lax.cosh, (X,), np.cosh), Row("tanh", lax.tanh, (X,), np.tanh),
    Row("asinh", lax.asinh, (X,), np.arcsinh),
    Row("acosh", lax.acosh, (POSITIVE + 1,), np.arccosh),
    Row("atanh", lax.atanh, (INSIDE,), np.arctanh), Row("sqrt", lax.sqrt, (POSITIVE,), np.sqrt),
    Row("rsqrt", lax.rsqrt, (POSITIVE,), lambda x: 1 / np.sqrt(x)),
    Row("cbrt", lax.cbrt, (POSITIVE,), np.cbrt),
    Row("logistic", lax.logistic, (X,), lambda x: 1 / (1 + np.exp(-x))),
    Row("abs", lax.abs, (X,), np.abs), Row("neg", lax.neg, (X,), np.negative),
    Row("sign", lax.sign, (X,), np.sign), Row("square", lax.square, (X,), np.square),
    Row("reciprocal", lax.reciprocal, (POSITIVE,), np.reciprocal),
    Row("floor", lax.floor, (X,), np.floor), Row("ceil", lax.ceil, (X,), np.ceil),
    Row("round", lax.round, (X * 3,), np.rint),
    Row("integer_pow", lambda x: lax.integer_pow(x, 5), (X,), lambda x: x ** 5),
    Row("integer_pow 2", lambda x: lax.integer_pow(x, 2), (X,), lambda x: x ** 2),
    Row("integer_pow 0", lambda x: lax.integer_pow(x, 0), (X,), np.ones_like),
    Row("integer_pow -3", lambda x: lax.integer_pow(x, -3), (POSITIVE,), lambda x: 1 / x ** 3),
    Row("is_finite", lax.is_finite, (X,), np.isfinite, order=0),
]
UNARY_COMPLEX = [Row(f"{name} complex", getattr(lax, name), (C,), fn) for name, fn in [
    ("exp", np.exp), ("log", np.log), ("sin", np.sin), ("cos", np.cos), ("tan", np.tan),
    ("asin", np.arcsin), ("acos", np.arccos), ("atan", np.arctan), ("sinh", np.sinh),
    ("cosh", np.cosh), ("tanh", np.tanh), ("asinh", np.arcsinh), ("acosh", np.arccosh),
    ("atanh", np.arctanh), ("sqrt", np.sqrt), ("log1p", np.log1p), ("expm1", np.expm1),
    ("abs", np.abs), ("neg", np.negative), ("square", np.square), ("real", np.real),
    ("imag", np.imag), ("conj", np.conj), ("exp2", lambda x: 2 ** x)]]
BINARY = [
    Row("add", lax.add, (X, Y), np.add), Row("sub", lax.sub, (X, Y), np.subtract),
    Row("mul", lax.mul, (X, Y), np.multiply), Row("div", lax.div, (X, POSITIVE), np.divide),
    Row("rem", lax.rem, (X * 3, POSITIVE), np.fmod), Row("max", lax.max, (X, Y), np.maximum),
    Row("min", lax.min, (X, Y), np.minimum), Row("pow", lax.pow, (POSITIVE, Y), np.power),
    Row("pow integer", lax.pow, (POSITIVE, whole(2, 3)), np.power),
    Row("atan2", lax.atan2, (X, Y), np.arctan2),
    Row("nextafter", lax.nextafter, (X, Y), np.nextafter, order=0),
    Row("complex", lax.complex, (X, Y), lambda x, y: x + 1j * y),
    Row("clamp", lax.clamp, (X - 1, Y, X + 1), lambda low, x, high: np.clip(x, low, high)),
]
SCALARS = [Row(f"{row.name} scalar {place}", row.function,
               (row.operands[0], SCALAR) if place else (SCALAR, row.operands[1]), row.reference,
               order=row.order, matrix="")
           for row in BINARY[:10] for place in (0, 1) if "integer" not in row.name]
BINARY_COMPLEX = [Row(f"{name} complex", getattr(lax, name), (C, D), reference)
                  for name, reference in [("add", np.add), ("sub", np.subtract),
                                          ("mul", np.multiply), ("div", np.divide),
                                          ("pow", np.power)]]
PREDICATE = np.array([[True, False, True], [False, True, True]])
OTHERS = [
    Row("select_n", lax.select_n, (PREDICATE, X, Y), lambda p, x, y: np.where(p, y, x)),
    Row("select_n scalar", lax.select_n, (np.bool_(True), X, Y), lambda p, x, y: y),
    Row("select_n integers", lax.select_n, (whole(2, 3, low=-1, high=4), X, Y, POSITIVE),
        lambda w, x, y, z: np.choose(np.clip(w, 0, 2), [x, y, z])),
    Row("clamp scalars", lax.clamp, (np.float32(-1), X, np.float32(1)),
        lambda low, x, high: np.clip(x, low, high)),
    *[Row(name, getattr(lax, name), (X, Y), reference, order=0) for name, reference in [
        ("eq", np.equal), ("ne", np.not_equal), ("lt", np.less), ("le", np.less_equal),
        ("gt", np.greater), ("ge", np.greater_equal)]],
]


def _shift_right_logical(x, y):  # type: ignore[no-untyped-def]
    unsigned = f"u{x.itemsize}"
    return (x.view(unsigned) >> y.view(unsigned)).view(x.dtype)


INTEGERS = [Row(f"{name} integers", getattr(lax, name), (whole(2, 3), whole(2, 3, seed=1, low=1)),
                reference, order=0, matrix="biuhfcq" if "logical" in name else "biuhfcqn")
            for name, reference in [
    ("add", np.add), ("sub", np.subtract), ("mul", np.multiply),
    ("div", lambda x, y: np.trunc(x / y).astype(x.dtype)), ("rem", np.fmod), ("max", np.maximum),
    ("min", np.minimum), ("bitwise_and", np.bitwise_and), ("bitwise_or", np.bitwise_or),
    ("bitwise_xor", np.bitwise_xor), ("shift_left", np.left_shift),
    ("shift_right_arithmetic", np.right_shift),
    ("shift_right_logical", _shift_right_logical),
    ("mulhi", lambda x, y: ((x.astype(np.int64) * y) >> 32).astype(np.int32)),
    ("eq", np.equal), ("lt", np.less)]]
def _bit_counts(x, bits):  # type: ignore[no-untyped-def]
    """What `bits` makes of the binary digits of each element."""
    width = 8 * x.itemsize
    texts = [format(int(v) % 2 ** width, f"0{width}b") for v in x.ravel()]
    return np.array([bits(t) for t in texts]).astype(x.dtype).reshape(x.shape)


INTEGERS += [
    Row("bitwise_not", lax.bitwise_not, (whole(2, 3),), np.invert, order=0),
    Row("population_count", lax.population_count, (whole(2, 3),),
        lambda x: _bit_counts(x, lambda text: text.count("1")), order=0, matrix="iu"),
    Row("clz", lax.clz, (whole(2, 3),),
        lambda x: _bit_counts(x, lambda text: len(text) - len(text.lstrip("0"))), order=0,
        matrix="iu")]
OTHERS += [
    *[Row(f"{name}_to", getattr(lax, f"{name}_to_p").bind, (X, Y), reference, order=0)
      for name, reference in [("eq", np.equal), ("le", np.less_equal), ("lt", np.less)]],
    Row("stop_gradient", lax.stop_gradient, (X,), lambda x: x, order=0),
    Row("copy", lax.copy_p.bind, (X,), lambda x: x), Row("stage", lax.stage, (X,), lambda x: x)]
CONVERSIONS = [
    Row("convert float16", lambda x: lax.convert_element_type(x, np.float16), (X,),
        lambda x: x.astype(np.float16), order=0),
    Row("convert complex", lambda x: lax.convert_element_type(x, np.complex64), (X,),
        lambda x: x.astype(np.complex64), order=0),
    Row("convert int", lambda x: lax.convert_element_type(x, np.int32), (X,),
        lambda x: x.astype(np.int32), order=0),
    Row("bitcast", lambda x: lax.bitcast_convert_type(x, np.int32), (X,),
        lambda x: x.view(np.int32), order=0, matrix=""),
    Row("bitcast narrower", lambda x: lax.bitcast_convert_type(x, np.int16), (X,),
        lambda x: x.view(np.int16).reshape(2, 3, 2), order=0, matrix=""),
    Row("reduce_precision", lambda x: lax.reduce_precision(x, 5, 10), (X,),
        lambda x: x.astype(np.float16).astype(np.float32), order=0, matrix=""),
    Row("optimization_barrier", lambda x, y: lax.optimization_barrier((x, y)), (X, Y),
        lambda x, y: (x, y)),
]

test_rows = checks([*UNARY, *UNARY_COMPLEX, *BINARY, *SCALARS, *BINARY_COMPLEX, *OTHERS,
                    *INTEGERS, *CONVERSIONS])
