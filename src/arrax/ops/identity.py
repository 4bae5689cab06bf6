"""Operations that return their operands: copies, barriers, and where differentiation stops."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.ad_values import UndefinedPrimal, Zero, tangent_aval
from arrax.core.aval import aval_of
from arrax.core.primitive import NotApplicable, Primitive
from arrax.core.pytree import tree_flatten, tree_map, tree_unflatten
from arrax.core.lowering import Elementwise, Expand
from arrax.ops.arguments import operand as _operand
from arrax.ops.elementwise_rules import ANY
from arrax.ops.rules import batch_elementwise, instantiate, linear_jvp, transpose_unary, zero_jvp

_SAME = Elementwise(lambda b, x: x, 0)


def _itself(b: Any, x: Any) -> Any:
    return x


copy_p = Primitive(
    "copy", type_rule=lambda x: x, evaluate=lambda x: x.copy(), jvp=linear_jvp(),
    transpose=transpose_unary(lambda ct, x: ct), batch=batch_elementwise(), lower=_SAME,
    elementwise=True, exact=ANY, stablehlo=_itself)


def copy(x: Any) -> Any:
    """A copy of an array in memory of its own."""
    return copy_p.bind(_operand(x, "copy"))


stop_gradient_p = Primitive(
    "stop_gradient", type_rule=lambda x: x, evaluate=lambda x: x, jvp=zero_jvp(),
    transpose=NotApplicable("not linear"), batch=batch_elementwise(), lower=_SAME,
    elementwise=True, native=lambda x: True, stablehlo=_itself)


def stop_gradient(x: Any) -> Any:
    """A pytree of arrays, all constant for differentiation; TypeError for leaves that are none.

    Example:
      >>> arrax.grad(lambda x: x * lax.stop_gradient(x))(3.)
      Array(3., dtype=float32, weak_type=True)
    """
    return tree_map(_stop_gradient, x)


def _stop_gradient(x: Any) -> Any:
    try:
        x = _operand(x, "stop_gradient")
    except TypeError:
        raise TypeError(f"Argument {x!r} of type {type(x)} is not a valid JAX type") from None
    return stop_gradient_p.bind(x)


# ---- optimization_barrier ----------------------------------------------------------------------

def _barrier_jvp(primals: Any, tangents: Any) -> Any:
    out = optimization_barrier_p.bind(*primals)
    present = [i for i, t in enumerate(tangents) if type(t) is not Zero]
    results: list[Any] = [Zero(tangent_aval(aval_of(x))) for x in out]
    if present:
        passed = optimization_barrier_p.bind(*(tangents[i] for i in present))
        for i, tangent in zip(present, passed, strict=True):
            results[i] = tangent
    return out, results


def _barrier_transpose(cotangents: Any, *operands: Any) -> list[Any]:
    linear = [type(x) is UndefinedPrimal for x in operands]
    passed = iter(optimization_barrier_p.bind(
        *(instantiate(ct) for ct, is_linear in zip(cotangents, linear, strict=True) if is_linear)))
    return [next(passed) if is_linear else None for is_linear in linear]


optimization_barrier_p: Primitive = Primitive(
    "optimization_barrier", multiple_results=True, type_rule=lambda *avals: list(avals),
    evaluate=lambda *arrays: list(arrays), jvp=_barrier_jvp, transpose=_barrier_transpose,
    batch=lambda axis, operands, dims: (optimization_barrier_p.bind(*operands), list(dims)),
    lower=Expand(lambda *operands: list(operands)), weak_type="rule", typed_results=True,
    linear=True, stablehlo=lambda b, *operands: b.barrier(operands))


def optimization_barrier(operand: Any, /) -> Any:
    """A pytree of arrays that the compiler moves no operations across."""
    leaves, treedef = tree_flatten(operand)
    values = [_operand(x, "optimization_barrier", i) for i, x in enumerate(leaves)]
    return tree_unflatten(treedef, optimization_barrier_p.bind(*values))


# ---- values about values -----------------------------------------------------------------------

def dtype(x: Any) -> Any:
    """The dtype of an array or scalar, as operations would see it."""
    return dtypes.dtype_of(x)


def shape_as_value(shape: Any) -> Any:
    """A shape as an array of integers."""
    return _operand(np.asarray(tuple(shape), np.int32), "shape_as_value")
