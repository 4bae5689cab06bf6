"""Derivatives for users: `grad`, `jvp`, `vjp`, `linearize`, `linear_transpose`.

All of reverse mode is `linearize_flat` followed by `backward_pass`; forward mode is `jvp_flat`.
"""
from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec

import numpy as np

from arrax.core import dtypes, pytree
from arrax.core.ad_values import tangent_aval
from arrax.core.array import array_of, from_numpy
from arrax.core.aval import aval_of
from arrax.core.tracebacks import filtered, transforming
from arrax.transforms import calls
from arrax.transforms.jvp import jvp_flat
from arrax.transforms.linear_maps import (VJP, Linear, Linearized, LinearTranspose,
                                          checked_tangent, materialized, operand)
from arrax.transforms.partial_eval import linearize_flat
from arrax.transforms.staging import hoist_consts, trace_to_jaxpr

float0 = dtypes.float0
_P = ParamSpec("_P")


# ---- forward ----------------------------------------------------------------------------------

@filtered
def jvp(fun: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """Value and directional derivative (Jacobian times vector), in one forward pass.

    Args:
      fun: function of positional arguments.
      primals, tangents: tuples or lists of equal structure; tangents have the primals' shapes and
        tangent dtypes (float0 for integers).
      has_aux: `fun` returns (out, aux), aux is not differentiated.

    Returns:
      (out, tangent of out), and aux with `has_aux`.

    Raises:
      TypeError: if primals and tangents differ in structure or dtype. ValueError: in shape.

    Example:
      >>> jvp(jnp.sin, (0.1,), (0.2,))
      (Array(0.09983342, dtype=float32, weak_type=True),
       Array(0.19900084, dtype=float32, weak_type=True))
    """
    calls.check_callable(fun, "jvp")
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise TypeError("primal and tangent arguments to jax.jvp must be tuples or lists; found "
                        f"{type(primals).__name__} and {type(tangents).__name__}.")
    flat_primals, tree = pytree.tree_flatten(tuple(primals))
    flat_tangents, tangent_tree = pytree.tree_flatten(tuple(tangents))
    if tree != tangent_tree:
        raise TypeError("primal and tangent arguments to jax.jvp must have the same tree "
                        f"structure; primals have tree structure {tree} whereas tangents have "
                        f"tree structure {tangent_tree}.")
    flat_primals = [operand(p) for p in flat_primals]
    flat_tangents = [checked_tangent(aval_of(p), t, "jvp")
                     for p, t in zip(flat_primals, flat_tangents, strict=True)]
    flat, aux = _with_aux(fun, tree, has_aux)
    outs, out_tangents = jvp_flat(flat, flat_primals, flat_tangents)
    out = flat.out_tree.unflatten(map(operand, outs))
    out_tangent = flat.out_tree.unflatten(map(materialized, out_tangents))
    return (out, out_tangent, aux()) if has_aux else (out, out_tangent)


def _split_aux(out: Any) -> tuple[Any, Any]:
    if not isinstance(out, (tuple, list)) or len(out) != 2:
        raise TypeError("expected function with aux output to return a two-element tuple, but got "
                        f"type {type(out)} with value {out!r}")
    return out[0], out[1]


# ---- reverse -----------------------------------------------------------------------------------

def _linearize(fun: Callable[..., Any], flat_primals: Sequence[Any]) -> tuple[list[Any], Linear]:
    outs, jaxpr, consts, nonzeros = linearize_flat(fun, flat_primals)
    in_avals = [v.aval for v in jaxpr.invars]
    out_avals = [tangent_aval(aval_of(o)) for o in outs]
    return outs, Linear(jaxpr, consts, nonzeros, in_avals, out_avals)


@filtered
def linearize(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Evaluate `fun` and return (out, f_jvp): `f_jvp(*tangents)` is its linear approximation.

    The work that does not depend on the tangents is done once; see `jvp` for a single use.

    Example:
      >>> y, f_jvp = linearize(jnp.sin, 2.0)
      >>> f_jvp(3.0)
      Array(-1.2484405, dtype=float32)
    """
    calls.check_callable(fun, "linearize")
    flat_primals, tree = pytree.tree_flatten(primals)
    flat_primals = [operand(p) for p in flat_primals]
    flat, aux = _with_aux(fun, tree, has_aux)
    outs, linear = _linearize(flat, flat_primals)
    out_tree = flat.out_tree

    f_jvp = Linearized(linear, tree, out_tree, [aval_of(p) for p in flat_primals])
    out = out_tree.unflatten(map(array_of, outs))
    return (out, f_jvp, aux()) if has_aux else (out, f_jvp)


def _with_aux(fun: Callable[..., Any], tree: Any, has_aux: bool) -> tuple[Any, Callable[[], Any]]:
    """A flat function of `fun`, and a function that returns its auxiliary result after the call."""
    if not has_aux:
        return calls.FlatArgs(fun, tree), lambda: None
    flat = _AuxCall(fun, tree)
    return flat, lambda: flat.aux


class _AuxCall:
    """A flat function of a user function that returns (out, aux); aux leaves may be anything."""

    def __init__(self, fun: Callable[..., Any], tree: Any):
        self.fun, self.in_tree = fun, tree
        self.out_tree: Any = None
        self.aux: Any = None

    def __call__(self, *leaves: Any) -> list[Any]:
        out, self.aux = _split_aux(self.fun(*self.in_tree.unflatten(leaves)))
        outs, self.out_tree = pytree.tree_flatten(out)
        return outs

    def strip_aux(self, to_primal: Callable[[Any], Any]) -> None:
        self.aux = pytree.tree_map(to_primal, self.aux)


@filtered
def vjp(fun: Callable[..., Any], *primals: Any, has_aux: bool = False,
        reduce_axes: Sequence[Any] = ()) -> Any:
    """Evaluate `fun` and return (out, f_vjp): `f_vjp(cotangent)` gives the cotangents of primals.

    Args:
      fun: function of positional arguments, all differentiated.
      primals: arrays or pytrees of arrays.
      has_aux: `fun` returns (out, aux); then (out, f_vjp, aux) is returned.

    Raises (from f_vjp):
      ValueError: if the cotangent's tree or shapes are not those of the output.

    Example:
      >>> y, f_vjp = vjp(lambda x, y: x * y, 2.0, 3.0)
      >>> f_vjp(1.0)
      (Array(3., dtype=float32, weak_type=True), Array(2., dtype=float32, weak_type=True))
    """
    calls.check_callable(fun, "vjp")
    flat_primals, tree = pytree.tree_flatten(primals)
    flat_primals = [operand(p) for p in flat_primals]
    flat, aux = _with_aux(fun, tree, has_aux)
    outs, linear = _linearize(flat, flat_primals)
    out_tree = flat.out_tree
    f_vjp = VJP.of(linear, flat_primals, tree, out_tree, [aval_of(o) for o in outs])
    out = out_tree.unflatten(map(array_of, outs))
    return (out, f_vjp, aux()) if has_aux else (out, f_vjp)


def grad(fun: Callable[_P, Any], argnums: int | Sequence[int] = 0, has_aux: bool = False,
         holomorphic: bool = False, allow_int: bool = False,
         reduce_axes: Sequence[Any] = ()) -> Callable[_P, Any]:
    """The gradient function of a scalar function.

    Args:
      fun: function whose result is a scalar array of floating (or complex, if `holomorphic`) dtype.
      argnums: position(s) to differentiate; a sequence makes the gradient a tuple.
      has_aux: `fun` returns (scalar, aux); the gradient function returns (gradient, aux).
      holomorphic: promise that `fun` is holomorphic; arguments and result are complex.
      allow_int: allow integer arguments, whose gradients are of dtype float0.

    Raises (when called):
      TypeError: for a non-scalar or integer result, or integer arguments without `allow_int`.

    Example:
      >>> grad(jnp.tanh)(0.2)
      Array(0.96104294, dtype=float32, weak_type=True)
    """
    value_and_gradient = value_and_grad(fun, argnums, has_aux, holomorphic, allow_int)

    @transforming(fun)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, found = value_and_gradient(*args, **kwargs)
        return (found, value[1]) if has_aux else found
    return gradient


def value_and_grad(fun: Callable[_P, Any], argnums: int | Sequence[int] = 0,
                   has_aux: bool = False, holomorphic: bool = False, allow_int: bool = False,
                   reduce_axes: Sequence[Any] = ()) -> Callable[_P, tuple[Any, Any]]:
    """Like `grad`; the function returns (value, gradient), or ((value, aux), gradient)."""
    calls.check_callable(fun, "value_and_grad")
    positions = argument_positions(argnums)

    @transforming(fun)
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        chosen = chosen_arguments(fun, positions, args)

        def of_chosen(*values: Any) -> Any:
            full = list(args)
            for i, value in zip(positions, values, strict=True):
                full[i] = value
            return fun(*full, **kwargs)
        leaves, tree = pytree.tree_flatten(chosen)
        leaves = [grad_input(x, holomorphic, allow_int) for x in leaves]
        flat, aux = _with_aux(of_chosen, tree, has_aux)
        outs, linear = _linearize(flat, leaves)
        value = _scalar_output(outs, flat.out_tree, holomorphic)
        aval = aval_of(value)
        found = linear.transpose([_one(aval)])
        grads = tree.unflatten(map(_as_gradient, found))
        grads = grads[0] if isinstance(argnums, (int, np.integer)) else grads
        value = array_of(value)
        return ((value, aux()), grads) if has_aux else (value, grads)
    return value_and_gradient


_as_gradient = materialized
_ones: dict[Any, Any] = {}


def _one(aval: Any) -> Any:
    """The constant 1 of an aval's dtype and weak type."""
    one = _ones.get(aval)
    if one is None:
        one = _ones[aval] = from_numpy(np.ones((), aval.dtype), aval.weak_type)
    return one


def argument_positions(argnums: Any) -> tuple[int, ...]:
    if isinstance(argnums, (int, np.integer)):
        return (int(argnums),)
    if isinstance(argnums, (tuple, list)):
        return tuple(operator.index(i) for i in argnums)
    raise TypeError(f"argnums must be an int or a sequence of ints, got {argnums!r}")


def chosen_arguments(fun: Any, positions: Sequence[int], args: Sequence[Any]) -> tuple[Any, ...]:
    needed = max((i + 1 if i >= 0 else -i) for i in positions) if positions else 0
    if needed > len(args):
        raise TypeError(f"differentiating with respect to argnums={_show(positions)} requires at "
                        f"least {needed} positional arguments to be passed by the caller, but got "
                        f"only {len(args)} positional arguments.")
    return tuple(args[i] for i in positions)


def _show(positions: Sequence[int]) -> str:
    return str(positions[0]) if len(positions) == 1 else str(tuple(positions))


def grad_input(x: Any, holomorphic: bool, allow_int: bool, name: str = "grad") -> Any:
    x = operand(x)
    dtype = x.dtype
    if holomorphic:
        if not dtypes.issubdtype(dtype, np.complexfloating):
            raise TypeError(f"{name} with holomorphic=True requires inputs with complex dtype, "
                            f"but got {dtype.name}.")
    elif isinstance(dtype, dtypes.ExtendedDType) or dtypes.issubdtype(dtype, np.integer) \
            or dtypes.issubdtype(dtype, np.bool_):
        if not allow_int:
            raise TypeError(
                f"{name} requires real- or complex-valued inputs (input dtype that is a sub-dtype "
                f"of np.inexact), but got {dtype.name}. If you want to use Boolean- or integer-"
                "valued inputs, use vjp or set allow_int to True.")
    return x


def _scalar_output(outs: Sequence[Any], tree: Any, holomorphic: bool) -> Any:
    if not pytree.treedef_is_leaf(tree):
        raise TypeError(f"Gradient only defined for scalar-output functions. Output was: "
                        f"{tree.unflatten(outs)}.")
    value = outs[0]
    try:
        aval = aval_of(value)
    except TypeError:
        raise TypeError("Gradient only defined for scalar-output functions. Output was: "
                        f"{value!r}.") from None
    if aval.shape != ():
        raise TypeError("Gradient only defined for scalar-output functions. Output had shape: "
                        f"{aval.shape}.")
    if holomorphic:
        if not dtypes.issubdtype(aval.dtype, np.complexfloating):
            raise TypeError("grad with holomorphic=True requires outputs with complex dtype, but "
                            f"got {aval.dtype.name}.")
    elif dtypes.issubdtype(aval.dtype, np.complexfloating):
        raise TypeError("grad requires real-valued outputs (output dtype that is a sub-dtype of "
                        f"np.floating), but got {aval.dtype.name}. For holomorphic "
                        "differentiation, pass holomorphic=True. For differentiation of "
                        "non-holomorphic functions involving complex outputs, use jax.vjp "
                        "directly.")
    elif not dtypes.issubdtype(aval.dtype, np.floating):
        raise TypeError("grad requires real-valued outputs (output dtype that is a sub-dtype of "
                        f"np.floating), but got {aval.dtype.name}. For differentiation of "
                        "functions with integer outputs, use jax.vjp directly.")
    return value


# ---- transposes --------------------------------------------------------------------------------

@filtered
def linear_transpose(fun: Callable[..., Any], *primals: Any, reduce_axes: Any = ()) -> Any:
    """The transpose of a function that is linear in all its arguments.

    Args:
      fun: the linear function; it is traced at the shapes of `primals` (arrays or
        `ShapeDtypeStruct`s) and never evaluated there.

    Returns:
      A function from a cotangent of the output to a tuple of cotangents of the arguments.

    Example:
      >>> linear_transpose(lambda x: 3.0 * x, 1.0)(2.0)
      (Array(6., dtype=float32),)
    """
    calls.check_callable(fun, "linear_transpose")
    leaves, tree = pytree.tree_flatten(primals)
    avals = [calls.shaped(x) for x in leaves]
    flat = calls.FlatArgs(fun, tree)
    closed = trace_to_jaxpr(flat, avals,
                            calls.debug_info("linear_transpose", fun, primals, {}))
    closed, outer = hoist_consts(closed)
    out_tree, out_avals = flat.out_tree, closed.out_avals
    if not any(all(dtypes.issubdtype(a.dtype, kind) for a in (*avals, *out_avals))
               for kind in (dtypes.inexact, np.integer)):
        raise TypeError("linear_transpose only supports [float or complex] -> [float or complex], "
                        "and integer -> integer functions, but got "
                        f"{[a.dtype for a in avals]} -> {[a.dtype for a in out_avals]}.")
    return LinearTranspose(closed, outer, avals, tree, out_tree)
