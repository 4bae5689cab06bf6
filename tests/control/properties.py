"""A function with control flow means its Python unrolling, under every transformation."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import arrax
import arrax.numpy as jnp


def transformed(f: Callable[..., Any], args: tuple[Any, ...], differentiable: bool, reverse: bool,
                ) -> Iterator[tuple[str, Callable[[], Any]]]:
    """(name, computation) for `f` and what transformations make of it."""
    batched = tuple(jnp.stack([a, a + 1, a * 2]) for a in args)
    first = (batched[0], *args[1:])
    in_axes = (0, *(None for _ in args[1:]))
    yield "eager", lambda: f(*args)
    yield "jit", lambda: arrax.jit(f)(*args)
    yield "vmap", lambda: arrax.vmap(f)(*batched)
    yield "vmap of the first", lambda: arrax.vmap(f, in_axes)(*first)
    yield "jit of vmap", lambda: arrax.jit(arrax.vmap(f))(*batched)
    if not differentiable:
        return
    ones = tuple(jnp.ones_like(a) for a in args)
    yield "jvp", lambda: arrax.jvp(f, args, ones)
    yield "jvp of the first", lambda: arrax.jvp(lambda x: f(x, *args[1:]), args[:1], ones[:1])
    yield "vmap of jvp", lambda: arrax.vmap(lambda *xs: arrax.jvp(f, xs, ones)[1])(*batched)
    if not reverse:
        return
    argnums = tuple(range(len(args)))
    scalar = total(f)
    gradient = arrax.grad(scalar, argnums)
    yield "grad", lambda: gradient(*args)
    yield "grad of the first", lambda: arrax.grad(scalar)(*args)
    yield "jit of grad", lambda: arrax.jit(gradient)(*args)
    yield "grad of jit", lambda: arrax.grad(arrax.jit(scalar), argnums)(*args)
    yield "vmap of grad", lambda: arrax.vmap(gradient)(*batched)
    yield "grad of vmap", lambda: arrax.grad(total(arrax.vmap(f, in_axes)), argnums)(*first)
    yield "linearize", lambda: arrax.linearize(f, *args)[1](*ones)
    yield "jvp of grad", lambda: arrax.jvp(gradient, args, ones)[1]
    yield "grad of grad", lambda: arrax.grad(total(gradient), argnums)(*args)
    yield "grad of checkpoint", lambda: arrax.grad(arrax.checkpoint(scalar), argnums)(*args)


def total(f: Callable[..., Any]) -> Callable[..., Any]:
    """The sum of sines of all results: a scalar with derivatives of all orders."""
    def scalar(*args: Any) -> Any:
        leaves = arrax.tree.leaves(f(*args))
        return sum(jnp.sin(x).sum() for x in leaves if jnp.issubdtype(x.dtype, jnp.floating))
    return scalar


def check_unrolled(f: Callable[..., Any], *args: Any, differentiable: bool = True,
                   reverse: bool = True, reference: Callable[..., Any] | None = None,
                   rtol: float = 2e-5) -> None:
    """`f` agrees with `reference` (by default itself as plain Python, under `disable_jit`)."""
    args = tuple(jnp.asarray(a) for a in args)
    found = list(transformed(f, args, differentiable, reverse))
    wanted = found if reference is None else \
        list(transformed(reference, args, differentiable, reverse))
    for (name, compute), (_, expect) in zip(found, wanted, strict=True):
        actual = compute()
        if reference is None:
            with arrax.disable_jit():
                expected = expect()
        else:
            expected = expect()
        assert arrax.tree.structure(actual) == arrax.tree.structure(expected), name
        for a, b in zip(arrax.tree.leaves(actual), arrax.tree.leaves(expected), strict=True):
            if a.dtype == arrax.float0:
                continue
            np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=1e-5,
                                       err_msg=name)
            assert a.dtype == jnp.result_type(b), name
