"""Complex numbers: parts, composition, conjugation.

Tangents of complex numbers are complex; cotangents follow the convention that makes
`grad` of a real function the conjugate of the steepest ascent, so that all rules stay linear over
the reals: real and imag transpose to complex numbers with conjugated imaginary unit.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.ad_values import UndefinedPrimal, Zero, tangent_aval
from arrax.core.array import Array
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.primitive import Primitive
from arrax.ops.arguments import operand
from arrax.ops.arithmetic import neg_p
from arrax.ops.elementwise_rules import (
    ANY, COMPLEX, call_binary, call_unary, check_kind, check_same_dtypes, emits, joint_shape,
    to_real, unary)
from arrax.ops.rules import (
    batch_elementwise, constant, instantiate, linear_jvp, to_shape_of, transpose_unary, unbroadcast)
from arrax.typing import ArrayLike


def _real_transpose(ct: Any, x: Any) -> Any:
    return complex_p.bind(ct, constant(0, ct))


def _imag_transpose(ct: Any, x: Any) -> Any:
    return complex_p.bind(constant(0, ct), neg_p.bind(ct))


real_p = unary("real", COMPLEX, lambda x: x.real, result=to_real, jvp=linear_jvp(),
               transpose=transpose_unary(_real_transpose), exact=ANY, stablehlo="stablehlo.real")
imag_p = unary("imag", COMPLEX, lambda x: x.imag, result=to_real, jvp=linear_jvp(),
               transpose=transpose_unary(_imag_transpose), exact=ANY, stablehlo="stablehlo.imag")


def real(x: ArrayLike) -> Array:
    """Elementwise real part of complex `x`."""
    return call_unary(real_p, x)


def imag(x: ArrayLike) -> Array:
    """Elementwise imaginary part of complex `x`."""
    return call_unary(imag_p, x)


# ---- complex ---------------------------------------------------------------------------------

_PARTS = (np.float32, np.float64)


def _complex_type(x: Any, y: Any) -> Any:
    for i, aval in enumerate((x, y)):
        check_kind("complex", aval.dtype, _PARTS, f" at position {i}")
    check_same_dtypes("complex", (x, y))
    return ShapedArray(joint_shape("complex", (x, y)), dtypes.to_complex_dtype(x.dtype))


def _complex_evaluate(x: Any, y: Any) -> Any:
    dtype = np.complex64 if x.dtype == np.float32 else np.complex128
    out = np.empty(np.broadcast_shapes(x.shape, y.shape), dtype)
    out.real, out.imag = x, y
    return out


class _complex_jvp:
    linear = True

    def attach(self, primitive: Primitive) -> Any:
        def rule(primals: Any, tangents: Any) -> Any:
            out = primitive.bind(*primals)
            if all(type(t) is Zero for t in tangents):
                return out, Zero(tangent_aval(aval_of(out)))
            shaped = [constant(0, t.aval) if type(t) is Zero and any(
                type(u) is not Zero and aval_of(u).ndim for u in tangents) else instantiate(t)
                for t in tangents]
            return out, to_shape_of(primitive.bind(*shaped), out)
        return rule


def _complex_transpose(ct: Any, x: Any, y: Any) -> list[Any]:
    results: list[Any] = []
    parts: tuple[tuple[Any, Callable[[], Any]], ...] = (
        (x, lambda: real_p.bind(ct)), (y, lambda: imag_p.bind(neg_p.bind(ct))))
    for value, part in parts:
        if type(value) is not UndefinedPrimal:
            results.append(None)
        elif type(ct) is Zero:
            results.append(Zero(value.aval))
        else:
            results.append(unbroadcast(part(), value.aval))
    return results


complex_p = Primitive(
    "complex", type_rule=_complex_type, evaluate=_complex_evaluate, jvp=_complex_jvp(),
    transpose=_complex_transpose, batch=batch_elementwise(), lower=emits("complex"),
    elementwise=True, exact=ANY, stablehlo="stablehlo.complex")


def complex(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise complex number of real part `x` and imaginary part `y` (float32 or float64)."""
    return call_binary(complex_p, x, y)


# ---- conj ------------------------------------------------------------------------------------

def _conj_type(x: Any, *, input_dtype: Any) -> Any:
    check_kind("conj", x.dtype, (np.float32, np.complexfloating, np.float64))
    return ShapedArray(x.shape, dtypes.to_complex_dtype(x.dtype))


def _conj_evaluate(x: Any, *, input_dtype: Any) -> Any:
    return np.conj(x) if x.dtype.kind == "c" else _complex_evaluate(x, np.zeros_like(x))


def _conj_stablehlo(b: Any, x: Any, *, input_dtype: Any) -> Any:
    if not dtypes.issubdtype(x.dtype, np.complexfloating):
        return complex_p.bind(x, constant(0, x))
    return complex_p.bind(real_p.bind(x), neg_p.bind(imag_p.bind(x)))


def _conj_transpose(ct: Any, x: Any, *, input_dtype: Any) -> Any:
    if not dtypes.issubdtype(input_dtype, np.complexfloating):
        return real_p.bind(ct)
    return conj_p.bind(ct, input_dtype=aval_of(ct).dtype)


conj_p = Primitive(
    "conj", type_rule=_conj_type, evaluate=_conj_evaluate, jvp=linear_jvp(),
    transpose=transpose_unary(_conj_transpose), batch=batch_elementwise(), elementwise=True,
    exact=ANY, lower=emits("conj"), stablehlo=_conj_stablehlo)


def conj(x: Any) -> Array:
    """Elementwise complex conjugate; real `x` becomes complex."""
    x = operand(x, "conj")
    _conj_type(x.aval, input_dtype=x.aval.dtype)
    return conj_p.bind(x, input_dtype=x.aval.dtype)
