"""Jacobians and Hessians: forward or reverse mode, vectorized over a standard basis."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.core import dtypes, pytree
from arrax.core.aliases import alias
from arrax.core.array import from_numpy
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.tracebacks import transforming
from arrax.transforms import calls
from arrax.transforms.api_ad import argument_positions, chosen_arguments, grad_input, jvp, vjp
from arrax.transforms.api_vmap import vmap
from arrax.transforms.linear_maps import operand


def jacfwd(fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False,
           holomorphic: bool = False) -> Callable[..., Any]:
    """The Jacobian by forward mode, one column at a time (vectorized).

    Returns a function whose result has the tree of the output, each leaf replaced by the tree of
    the argument(s), with shape (*output shape, *argument shape).
    """
    calls.check_callable(fun, "jacfwd")
    positions = argument_positions(argnums)

    @transforming(fun)
    def jacobian_function(*args: Any, **kwargs: Any) -> Any:
        chosen = chosen_arguments(fun, positions, args)
        leaves, tree = pytree.tree_flatten(chosen)
        leaves = [_jacobian_input(x, holomorphic, "jacfwd") for x in leaves]

        def pushforward(*tangents: Any) -> Any:
            def of_leaves(*values: Any) -> Any:
                full = list(args)
                for i, value in zip(positions, tree.unflatten(values), strict=True):
                    full[i] = value
                return fun(*full, **kwargs)
            return jvp(of_leaves, tuple(leaves), tangents, has_aux=has_aux)
        basis = _standard_basis([aval_of(x) for x in leaves])
        result = vmap(pushforward, out_axes=(None, -1, None) if has_aux else (None, -1))(*basis)
        avals = [aval_of(x) for x in leaves]
        jac = pytree.tree_map(lambda y: _split_last(y, avals, tree, argnums), result[1])
        return (jac, result[2]) if has_aux else jac
    return jacobian_function


def _jacobian_input(x: Any, holomorphic: bool, name: str) -> Any:
    x = operand(x)
    if holomorphic:
        if not dtypes.issubdtype(x.dtype, np.complexfloating):
            raise TypeError(f"{name} with holomorphic=True requires inputs with complex dtype, but "
                            f"got {x.dtype.name}.")
    elif name == "jacfwd" and not dtypes.issubdtype(x.dtype, np.floating):
        raise TypeError(f"{name} requires real-valued inputs (input dtype that is a sub-dtype of "
                        f"np.floating), but got {x.dtype.name}. For holomorphic differentiation, "
                        "pass holomorphic=True. For differentiation of non-holomorphic functions "
                        "involving complex inputs or integer inputs, use jax.jvp directly.")
    return x


def _standard_basis(avals: Sequence[ShapedArray]) -> list[Any]:
    """The unit vectors of the space of flat values, as batches along axis 0."""
    total = sum(a.size for a in avals)
    out, start = [], 0
    for aval in avals:
        block = np.zeros((total, aval.size), aval.dtype)
        block[np.arange(start, start + aval.size), np.arange(aval.size)] = 1
        block.flags.writeable = False
        out.append(from_numpy(block.reshape(total, *aval.shape), aval.weak_type))
        start += aval.size
    return out


def _split_last(y: Any, avals: Sequence[ShapedArray], tree: Any, argnums: Any) -> Any:
    """Cut the last axis of `y` into the leaves of a tree, each with its shape."""
    head = tuple(y.shape[:-1])
    parts, start = [], 0
    for aval in avals:
        part = y[..., start:start + aval.size]
        parts.append(part.reshape(head + tuple(aval.shape)))
        start += aval.size
    out = tree.unflatten(parts)
    return out[0] if isinstance(argnums, (int, np.integer)) else out


def _split_first(g: Any, avals: Sequence[ShapedArray]) -> list[Any]:
    tail = tuple(g.shape[1:])
    parts, start = [], 0
    for aval in avals:
        parts.append(g[start:start + aval.size].reshape(tuple(aval.shape) + tail))
        start += aval.size
    return parts


def jacrev(fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False,
           holomorphic: bool = False, allow_int: bool = False) -> Callable[..., Any]:
    """The Jacobian by reverse mode, one row at a time (vectorized); shapes as in `jacfwd`."""
    calls.check_callable(fun, "jacrev")
    positions = argument_positions(argnums)

    @transforming(fun)
    def jacobian_function(*args: Any, **kwargs: Any) -> Any:
        chosen = chosen_arguments(fun, positions, args)
        chosen = pytree.tree_map(lambda x: grad_input(x, holomorphic, allow_int, "jacrev"), chosen)

        def of_chosen(*values: Any) -> Any:
            full = list(args)
            for i, value in zip(positions, values, strict=True):
                full[i] = value
            return fun(*full, **kwargs)
        out, pullback, *aux = vjp(of_chosen, *chosen, has_aux=has_aux)
        leaves, out_tree = pytree.tree_flatten(out)
        avals = [aval_of(x) for x in leaves]
        for aval in avals:
            _check_jacrev_output(aval, holomorphic)
        basis = out_tree.unflatten(_standard_basis(avals))
        grads = vmap(pullback)(basis)
        flat_grads, in_tree = pytree.tree_flatten(grads)
        columns = [_split_first(g, avals) for g in flat_grads]
        rows = [in_tree.unflatten([column[i] for column in columns]) for i in range(len(avals))]
        if isinstance(argnums, (int, np.integer)):
            rows = [row[0] for row in rows]
        jac = out_tree.unflatten(rows)
        return (jac, aux[0]) if has_aux else jac
    return jacobian_function


def _check_jacrev_output(aval: Any, holomorphic: bool) -> None:
    wanted = np.complexfloating if holomorphic else np.floating
    if not dtypes.issubdtype(aval.dtype, wanted):
        kind = "complex" if holomorphic else "real-valued"
        raise TypeError(f"jacrev requires {kind} outputs (output dtype that is a sub-dtype of "
                        f"np.{wanted.__name__}), but got {aval.dtype.name}.")


jacobian = alias(jacrev, "jacobian")


def hessian(fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False,
            holomorphic: bool = False) -> Callable[..., Any]:
    """The matrix of second derivatives: `jacfwd` of `jacrev`.

    Example:
      >>> hessian(lambda x: jnp.sum(x ** 3))(jnp.arange(2.0))
      Array([[0., 0.],
             [0., 6.]], dtype=float32)
    """
    return jacfwd(jacrev(fun, argnums, has_aux=has_aux, holomorphic=holomorphic),
                  argnums, has_aux=has_aux, holomorphic=holomorphic)
