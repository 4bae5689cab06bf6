"""Reductions, windowed or not, with any computation.

Sums, products, extrema and logical reductions become their own primitives, which are faster; other
computations the primitives of `reduce_rules`.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.control.reduce_rules import (fold_axes, fold_windows, on_arrays, reduce_p,
                                        reduce_window_p)
from arrax.core import dtypes, pytree
from arrax.core.array import ArrayImpl
from arrax.core.jaxpr import ClosedJaxpr, Var
from arrax.core.primitive import Primitive
from arrax.core.trace import Tracer
from arrax.ops import arguments
from arrax.ops.convert import convert_element_type
from arrax.ops.p import (add_p, and_p, max_p, min_p, mul_p, or_p, reduce_and_p, reduce_max_p,
                         reduce_min_p, reduce_or_p, reduce_prod_p, reduce_sum_p,
                         reduce_window_max_p, reduce_window_min_p, reduce_window_sum_p,
                         reduce_xor_p, xor_p)
from arrax.ops.window import extremum_identity, window_params
from arrax.transforms.api_trace import make_jaxpr
from arrax.transforms.staging import hoist_consts

_REDUCTIONS = {add_p: reduce_sum_p, mul_p: reduce_prod_p, max_p: reduce_max_p,
               min_p: reduce_min_p, and_p: reduce_and_p, or_p: reduce_or_p, xor_p: reduce_xor_p}
_WINDOWED = {add_p: reduce_window_sum_p, max_p: reduce_window_max_p, min_p: reduce_window_min_p}


# ---- which computation ---------------------------------------------------------------------------

def _scalar_jaxpr(name: str, computation: Callable[..., Any], tree: Any, avals: Sequence[Any],
                  ) -> ClosedJaxpr:
    """The jaxpr of `computation` on two trees of scalars; TypeError for results of other types,
    ValueError for another tree."""
    scalars = [np.zeros((), dtypes.storage_dtype(a.dtype))[()] for a in avals]
    first = pytree.tree_unflatten(tree, scalars)
    closed: ClosedJaxpr
    closed, out = make_jaxpr(computation, return_shape=True)(first, first)
    got = pytree.tree_structure(out)
    if got != tree:
        raise ValueError(f"{name} output must have the same tree structure as the operands {tree} "
                         f"vs. {got}")
    for aval, found in zip(avals, closed.out_avals, strict=True):
        if found.shape != () or found.dtype != aval.dtype:
            raise TypeError("Reduction computation must return scalars of the dtypes of its "
                            f"operands, got {found.str_short()} for {aval.dtype}")
    return closed


def _captures_tracers(closed: ClosedJaxpr) -> bool:
    """Whether the computation closes over values of a trace, which no parameter may hold."""
    return any(isinstance(c, Tracer) for c in closed.consts)


def _monoid(closed: ClosedJaxpr, init: Any, dtype: Any) -> Primitive | None:
    """The primitive that `closed` is, if `init` is its identity element."""
    jaxpr = closed.jaxpr
    if len(jaxpr.eqns) != 1 or len(jaxpr.invars) != 2 or type(init) is not ArrayImpl:
        return None
    eqn = jaxpr.eqns[0]
    if jaxpr.outvars != eqn.outvars or not all(isinstance(v, Var) for v in eqn.invars) or \
            set(eqn.invars) != set(jaxpr.invars):
        return None
    identity = _identity(eqn.primitive, dtype)
    if identity is None or not np.array_equal(init.data, np.asarray(identity, init.data.dtype)):
        return None
    return eqn.primitive


def _identity(primitive: Primitive, dtype: Any) -> Any:
    if primitive in (max_p, min_p):
        return extremum_identity(dtype, primitive is min_p)
    is_bool = dtype == np.dtype(bool)
    if primitive in (add_p, or_p, xor_p):
        return None if primitive is add_p and is_bool else 0
    if primitive is mul_p:
        return None if is_bool else 1
    if primitive is and_p:
        return True if is_bool else np.asarray(-1).astype(dtype)
    return None


def _operands(name: str, operands: Any, inits: Any) -> tuple[list[Any], list[Any], Any]:
    """Flat operands, their initial values in the same dtypes, and the tree."""
    xs, tree = pytree.tree_flatten(operands)
    init_values, init_tree = pytree.tree_flatten(inits)
    if tree != init_tree:
        raise ValueError(f"Operands must have the same tree structure as init_values: {tree} vs. "
                         f"{init_tree}")
    xs = [arguments.operand(x, name, i) for i, x in enumerate(xs)]
    if not xs:
        raise ValueError(f"{name} requires at least one operand")
    if any(x.shape != xs[0].shape for x in xs):
        shapes = [x.shape for x in xs]
        raise ValueError(f"All inputs to {name} must have equal shapes, got {shapes}")
    starts = []
    for x, init in zip(xs, init_values, strict=True):
        init = arguments.operand(init, name, 1)
        if init.shape:
            if name == "reduce":
                raise ValueError("reduce found non-scalar initial value: init_values must be "
                                 f"scalars, got shape {init.shape}")
            raise TypeError(f"{name} expected init_values to be scalars but init_values have "
                            f"shapes {[np.shape(v) for v in init_values]}.")
        if init.dtype != x.dtype:
            if not init.aval.weak_type:
                raise TypeError(f"{name} operand and init_value must have the same dtype, got "
                                f"{x.dtype} and {init.dtype}")
            init = convert_element_type(init, x.dtype)
        starts.append(init)
    return xs, starts, tree


# ---- reduce --------------------------------------------------------------------------------------

def reduce(operands: Any, init_values: Any, computation: Callable[[Any, Any], Any],
           dimensions: Sequence[int], out_sharding: Any = None) -> Any:
    """Combine the elements along `dimensions` by `computation`, starting from `init_values`.

    Args:
      operands: an array, or a tree of arrays of one shape that are reduced together.
      init_values: the identity of `computation`: a scalar, or a tree of them.
      computation: an associative function of two scalars (or trees of them), which may be applied
        in any order.
      dimensions: the axes to reduce.

    Returns:
      Arrays without these axes. TypeError or ValueError when structures, shapes or dtypes differ.

    Example:
      >>> lax.reduce(jnp.array([3, 1, 2]), 1, lambda a, b: a * b, (0,))
      Array(6, dtype=int32)
    """
    xs, inits, tree = _operands("reduce", operands, init_values)
    rank = xs[0].ndim
    axes = arguments.canonical_axes(dimensions, rank)
    if len(set(axes)) != len(axes):
        raise ValueError(f"duplicate value in 'axes' of reduction: {tuple(dimensions)}")
    closed = _scalar_jaxpr("reduce", computation, tree, [x.aval for x in xs])
    if len(xs) == 1:
        monoid = _monoid(closed, inits[0], xs[0].dtype)
        if monoid in _REDUCTIONS:
            takes_sharding = monoid in (add_p, mul_p, max_p, min_p)
            params = {"out_sharding": out_sharding} if takes_sharding else {}
            out = _REDUCTIONS[monoid].bind(xs[0], axes=axes, **params)
            return pytree.tree_unflatten(tree, [out])
    if _captures_tracers(closed):
        program, consts = hoist_consts(closed)
        return tree.unflatten(fold_axes(on_arrays(program, consts), xs, inits, axes))
    outs = reduce_p.bind(*xs, *inits, computation=computation, jaxpr=closed, dimensions=axes)
    return tree.unflatten(outs)


# ---- reduce_window -------------------------------------------------------------------------------

def reduce_window(operand: Any, init_value: Any, computation: Callable[..., Any],
                  window_dimensions: Any, window_strides: Sequence[int] | None = None,
                  padding: Any = "VALID", base_dilation: Sequence[int] | None = None,
                  window_dilation: Sequence[int] | None = None) -> Any:
    """Combine the elements of each window by `computation`, starting from `init_value`.

    Args:
      operand: an array, or a tree of arrays of one shape.
      init_value: the identity of `computation`, which also fills the padding.
      computation: an associative, commutative function of two scalars (or trees of them).
      window_dimensions, window_strides: size and step of the window along each axis.
      padding: "SAME", "SAME_LOWER", "VALID", or (low, high) per axis.
      base_dilation, window_dilation: distance of neighbouring elements of operand and window.

    Example:
      >>> lax.reduce_window(jnp.arange(4.0), -jnp.inf, lax.max, (2,), (2,), "VALID")
      Array([1., 3.], dtype=float32)
    """
    xs, inits, tree = _operands("reduce_window", operand, init_value)
    params = window_params(xs[0].shape, window_dimensions, window_strides, padding, base_dilation,
                           window_dilation)
    closed = _scalar_jaxpr("reduce_window", computation, tree, [x.aval for x in xs])
    if len(xs) == 1:
        monoid = _monoid(closed, inits[0], xs[0].dtype)
        if monoid in _WINDOWED:
            return pytree.tree_unflatten(tree, [_WINDOWED[monoid].bind(xs[0], **params)])
    if _captures_tracers(closed):
        program, consts = hoist_consts(closed)
        return tree.unflatten(fold_windows(on_arrays(program, consts), xs, inits, **params))
    outs = reduce_window_p.bind(*xs, *inits, jaxpr=closed.jaxpr, consts=tuple(closed.consts),
                                **params)
    return tree.unflatten(outs)
