"""Leak checking: programs that keep nothing pass under every transformation, and a tracer that the
user keeps is refused by the innermost one."""
from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import lax

X = np.ones(3, np.float32)


@arrax.custom_jvp
def doubled(x: Any) -> Any:
    return x * 2


doubled.defjvp(lambda primals, tangents: (doubled(*primals), tangents[0] * 2))


@arrax.custom_vjp
def tripled(x: Any) -> Any:
    return x * 3


tripled.defvjp(lambda x: (x * 3, x), lambda saved, cotangent: (cotangent * 3,))


def summed(y: Any) -> Any:
    return lax.scan(lambda total, x: (total + x * y, total), 0.0, X)[0]


TRANSFORMATIONS: dict[str, Callable[[Any], Any]] = {
    "jit": arrax.jit, "grad": arrax.grad, "hessian": arrax.hessian, "jacrev": arrax.jacrev,
    "jvp": lambda f: lambda x: arrax.jvp(f, (x,), (x,)),
    "linearize": lambda f: lambda x: arrax.linearize(f, x)[1](x),
    "vmap": lambda f: lambda x: arrax.vmap(f)(jnp.stack([x, x])),
    "make_jaxpr": arrax.make_jaxpr, "checkpoint": arrax.checkpoint}
BODIES: dict[str, Callable[[Any], Any]] = {
    "sin": jnp.sin, "jit": arrax.jit(lambda x: jnp.sin(x) * x),
    "scan over a closed-over value": summed,
    "jit over a closed-over value": lambda y: arrax.jit(lambda z: z * y)(3.0),
    "cond": lambda y: lax.cond(y > 0, lambda: y * 2, lambda: y),
    "fori_loop": lambda y: lax.fori_loop(0, 3, lambda i, c: c * y, 1.0),
    "checkpoint": lambda y: arrax.checkpoint(lambda z: jnp.sin(z * y))(3.0),
    "custom_jvp": doubled, "custom_vjp": lambda x: arrax.grad(tripled)(x) * x}


@pytest.mark.parametrize("outer", TRANSFORMATIONS)
@pytest.mark.parametrize("body", BODIES)
def test_nothing_leaks(body: str, outer: str) -> None:
    if body == "custom_vjp" and outer in ("hessian", "jvp"):
        pytest.skip("functions with custom_vjp have no forward mode")
    x = np.float32(2.0)
    with arrax.checking_leaks():
        TRANSFORMATIONS[outer](BODIES[body])(x)
        arrax.jit(lambda x: [v for v in arrax.tree.leaves(TRANSFORMATIONS[outer](BODIES[body])(x))
                             if isinstance(v, arrax.Array)])(x)


@pytest.mark.parametrize("outer", TRANSFORMATIONS)
def test_what_is_kept_is_found(outer: str) -> None:
    kept: list[Any] = []

    def keep(x: Any) -> Any:
        kept.append(x * 2)
        return x
    with arrax.checking_leaks(), pytest.raises(Exception, match="kept by an element of a list"):
        TRANSFORMATIONS[outer](keep)(np.float32(2.0))


def test_scan_bodies_are_checked() -> None:
    kept: dict[str, Any] = {}

    def body(carry: Any, x: Any) -> Any:
        kept["state"] = x
        return carry, x
    with arrax.checking_leaks(), pytest.raises(Exception, match=r"dict \(under 'state'\)"):
        lax.scan(body, 0.0, X)


def test_programs_keep_neither_function_nor_arguments() -> None:
    def function(x: Any) -> Any:
        return x["a"] * 2
    argument = jnp.ones(3)
    jaxpr = arrax.make_jaxpr(arrax.jit(function))({"a": argument})
    references = [weakref.ref(function), weakref.ref(argument)]
    assert jaxpr.jaxpr.debug_info.arg_name(0) == "x['a']"
    del function, argument
    gc.collect()
    assert [reference() for reference in references] == [None, None]
