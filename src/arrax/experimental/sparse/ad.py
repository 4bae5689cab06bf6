"""`arrax.experimental.sparse.ad`: gradients in sparse arrays, which are sparse themselves.

The derivative of a function of a sparse array is taken in its stored elements; the result is a
sparse array with the same indices.

Source: `jax.experimental.sparse.ad`.
"""
from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from arrax import tree_util
from arrax.core.lazy import listing as _listing
from arrax.experimental.sparse._arrays import BCOO
from arrax.experimental.sparse.util import is_sparse
from arrax.transforms import api_ad, api_jacobians

__all__ = ["flatten_fun_for_sparse_ad", "grad", "is_sparse", "jacfwd", "jacobian", "jacrev",
           "value_and_grad"]

Argnums = int | Sequence[int]


def flatten_fun_for_sparse_ad(fun: Callable[..., Any], argnums: Argnums, args: tuple[Any, ...],
                              ) -> tuple[Any, ...]:
    """`fun` as a function of arrays, for derivatives in the stored elements.

    Returns: (function, argnums, arguments, rebuild, postprocess): of the function of flat arrays;
    which of these to differentiate by; themselves; a function that puts derivatives by them into
    the places of the arguments; and one that makes sparse arrays of these.
    """
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    numbers = tuple(n % len(args) for n in numbers)
    flat, tree = tree_util.tree_flatten(args)
    arrays, structure = tree_util.tree_flatten(args, is_leaf=is_sparse)
    owners = tree_util.tree_leaves(
        [[n] * len(tree_util.tree_leaves(arg, is_leaf=is_sparse)) for n, arg in enumerate(args)])
    starts, active, start = [], [], 0
    for owner, x in zip(owners, arrays, strict=True):
        starts.append(start)
        if owner in numbers:
            active.append(start)  # a sparse array's first buffer has its elements
        start += len(tree_util.tree_leaves(x))

    def flat_fun(*values: Any) -> Any:
        return fun(*tree_util.tree_unflatten(tree, values))

    def rebuilt(grads: Sequence[Any]) -> Any:
        places = dict(zip(active, grads, strict=True))
        found = [_like(x, places[s], flat[s:]) if s in places else None
                 for s, x in zip(starts, arrays, strict=True)]
        in_places = tree_util.tree_unflatten(structure, found)
        return in_places[argnums] if isinstance(argnums, int) else tuple(
            in_places[n] for n in numbers)
    return flat_fun, tuple(active), flat, rebuilt


def _like(x: Any, grad: Any, flat: Sequence[Any]) -> Any:
    """A derivative by `x`: a sparse array with its indices, if it is one; a batch of them for a
    derivative with more axes."""
    if not is_sparse(x):
        return grad
    if not isinstance(x, BCOO):
        raise NotImplementedError(f"sparse derivatives by arrays of type {type(x).__name__}; use "
                                  "BCOO")
    extra = grad.ndim - x.data.ndim
    indices = x.indices.reshape((1,) * extra + x.indices.shape)
    return BCOO((grad, indices), shape=(*grad.shape[:extra], *x.shape),
                indices_sorted=x.indices_sorted, unique_indices=x.unique_indices)


def _transformed(transform: Callable[..., Any], fun: Callable[..., Any], argnums: Argnums,
                 ) -> Callable[..., Any]:
    """`transform(flat function, active, flat arguments, rebuild)` as a function of the arguments
    of `fun`."""
    @functools.wraps(fun, updated=())
    def wrapped(*args: Any, **keywords: Any) -> Any:
        flat_fun, active, flat, rebuilt = flatten_fun_for_sparse_ad(
            lambda *xs: fun(*xs, **keywords), argnums, args)
        return transform(flat_fun, active, flat, rebuilt)
    return wrapped


def value_and_grad(fun: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False,
                   **kwargs: Any) -> Callable[..., tuple[Any, Any]]:
    """`arrax.value_and_grad` whose gradients in sparse arrays are sparse; see `grad`.

    Source: `jax.experimental.sparse.value_and_grad`.
    """
    def transform(flat_fun: Any, active: Any, flat: Any, rebuilt: Any) -> Any:
        value, grads = api_ad.value_and_grad(flat_fun, argnums=active, has_aux=has_aux,
                                             **kwargs)(*flat)
        return value, rebuilt(grads)
    return _transformed(transform, fun, argnums)


def grad(fun: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, **kwargs: Any,
         ) -> Callable[..., Any]:
    """`arrax.grad` whose gradients in sparse arrays are sparse.

    Args:
      fun, argnums, has_aux: as for `arrax.grad`; arguments may be, or contain, BCOO arrays.
      **kwargs: further options of `arrax.grad`.

    Example:
      >>> mat = BCOO.fromdense(jnp.array([0., 2., 0.]))
      >>> print(grad(lambda x: (x * x).todense().sum())(mat).data)
      [4.]

    Source: `jax.experimental.sparse.grad`.
    """
    both = value_and_grad(fun, argnums, has_aux, **kwargs)

    @functools.wraps(fun, updated=())
    def wrapped(*args: Any, **keywords: Any) -> Any:
        value, grads = both(*args, **keywords)
        return (grads, value[1]) if has_aux else grads
    return wrapped


def _jacobian(jacobian: Callable[..., Any], fun: Callable[..., Any], argnums: Argnums,
              has_aux: bool, kwargs: dict[str, Any]) -> Callable[..., Any]:
    def transform(flat_fun: Any, active: Any, flat: Any, rebuilt: Any) -> Any:
        trees: list[Any] = []

        def counted(*values: Any) -> Any:
            out = flat_fun(*values)
            trees.append(tree_util.tree_structure(out[0] if has_aux else out))
            return out
        out = jacobian(counted, argnums=active, has_aux=has_aux, **kwargs)(*flat)
        rows, aux = out if has_aux else (out, None)
        found = trees[0].unflatten([rebuilt(row) for row in trees[0].flatten_up_to(rows)])
        return (found, aux) if has_aux else found
    return _transformed(transform, fun, argnums)


def jacfwd(fun: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, **kwargs: Any,
           ) -> Callable[..., Any]:
    """`arrax.jacfwd` whose Jacobians in sparse arrays are sparse: batches with one set of indices.

    Source: `jax.experimental.sparse.jacfwd`.
    """
    return _jacobian(api_jacobians.jacfwd, fun, argnums, has_aux, kwargs)


def jacrev(fun: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, **kwargs: Any,
           ) -> Callable[..., Any]:
    """`arrax.jacrev` whose Jacobians in sparse arrays are sparse: batches with one set of indices.

    Source: `jax.experimental.sparse.jacrev`.
    """
    return _jacobian(api_jacobians.jacrev, fun, argnums, has_aux, kwargs)


jacobian = jacrev

__dir__ = _listing(__name__)
