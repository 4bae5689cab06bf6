"""What libraries rely on: linear maps are pytrees, transformed functions look like their functions,
`vmap` passes any object on, failed callbacks have one class, options and donations are checked."""
from __future__ import annotations

import copy
import functools
import inspect
import pickle
import warnings
from typing import Any

import arrax
import arrax.numpy as jnp
import numpy as np
import pytest

X = jnp.array([1.0, 2.0])


# ---- linear maps ---------------------------------------------------------------------------------

MAPS = {
    "vjp": lambda x: arrax.vjp(lambda y: jnp.sin(y) * y, x)[1],
    "linearize": lambda x: arrax.linearize(lambda y: jnp.sin(y) * y, x)[1],
    "linear_transpose": lambda x: arrax.linear_transpose(lambda y: y * jnp.cos(x), x)}


@pytest.mark.parametrize("make", MAPS.values(), ids=MAPS)
def test_maps_cross_transformations(make: Any) -> None:
    def applied(linear: Any, v: Any) -> Any:
        out = linear(v)
        return out[0] if isinstance(out, tuple) else out
    wanted = applied(make(X), X)
    np.testing.assert_allclose(applied(arrax.jit(make)(X), X), wanted, rtol=1e-6)
    np.testing.assert_allclose(arrax.jit(applied)(make(X), X), wanted, rtol=1e-6)
    np.testing.assert_allclose(arrax.vmap(applied)(arrax.vmap(make)(X), X), wanted, rtol=1e-6)
    rows = arrax.lax.scan(lambda c, x: (c, make(x)), 0.0, X)[1]
    np.testing.assert_allclose(arrax.vmap(applied)(rows, X), wanted, rtol=1e-6)
    assert all(isinstance(leaf, arrax.Array) for leaf in arrax.tree.leaves(make(X)))


# ---- attributes ----------------------------------------------------------------------------------

TRANSFORMS = [arrax.jit, arrax.grad, arrax.value_and_grad, arrax.vmap, arrax.jacfwd, arrax.jacrev,
              arrax.hessian, arrax.checkpoint, arrax.pmap, arrax.custom_jvp, arrax.custom_vjp,
              arrax.named_call, arrax.make_jaxpr]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda t: t.__name__)
def test_transformed_functions_look_like_theirs(transform: Any) -> None:
    def f(x: float, y: float = 2.0) -> float:
        "Says something."
        return x * y
    f.mark = 3  # type: ignore[attr-defined]
    g = transform(f)
    assert g.mark == 3 and g.__name__ == "f" and g.__doc__ == "Says something."
    assert inspect.unwrap(g) is f and str(inspect.signature(g)) == str(inspect.signature(f))


@pytest.mark.parametrize("transform", TRANSFORMS[:10], ids=lambda t: t.__name__)
def test_functions_without_names(transform: Any) -> None:
    transform(functools.partial(lambda y, x: x * y, 2.0))

    class Odd:
        __name__ = 7

        def __call__(self, x: Any) -> Any:
            return x
    transform(Odd())


# ---- the others ----------------------------------------------------------------------------------

class Anything:
    pass


def test_vmap_passes_on_what_it_does_not_map() -> None:
    thing = Anything()

    def f(x: Any, a: Any, tree: Any) -> Any:
        assert a is thing and tree["s"] == "text"
        return x + tree["n"]
    np.testing.assert_allclose(
        arrax.vmap(f, in_axes=(0, None, None))(X, thing, {"s": "text", "n": 1}), X + 1)
    with pytest.raises(TypeError, match="Anything.* is not a valid JAX type"):
        arrax.vmap(lambda x, a: x)(X, thing)


@pytest.mark.parametrize("call", [
    lambda bad: arrax.pure_callback(bad, X, X), lambda bad: arrax.debug.callback(bad, X),
    lambda bad: arrax.experimental.io_callback(bad, X, X)])
@pytest.mark.parametrize("wrap", [lambda f: f, arrax.jit])
def test_failed_callbacks(call: Any, wrap: Any) -> None:
    def bad(x: Any) -> Any:
        raise KeyError("the reason")
    with pytest.raises(arrax.errors.JaxRuntimeError, match="bad: KeyError: 'the reason'"):
        wrap(lambda: call(bad))()


def test_compiler_options_are_checked() -> None:
    with pytest.raises(arrax.errors.JaxRuntimeError, match="No such compile option: 'nonsense'"):
        arrax.jit(lambda x: x, compiler_options={"nonsense": 1})
    with pytest.warns(UserWarning, match="xla_cpu_thing is an option of XLA"):
        arrax.jit(lambda x: x).lower(1.0).compile({"xla_cpu_thing": True})


def test_useless_donations_are_told() -> None:
    with pytest.warns(UserWarning, match=r"donated buffers were not usable: float32\[2\]"):
        arrax.jit(lambda x: x.sum(), donate_argnums=0)(X * 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        arrax.jit(lambda x: x + 1, donate_argnums=0)(X * 1)


@pytest.mark.parametrize("value, text", [
    (jnp.ones(3), "float32[3]"), (1.0, "~float32[]"), (arrax.random.key(0), "key<fry>[]")])
def test_types_as_text(value: Any, text: str) -> None:
    assert str(arrax.typeof(value)) == text


def cube(x: Any) -> Any:
    return x ** 3


def test_jitted_functions_are_copied_and_pickled() -> None:
    jitted = arrax.jit(cube, static_argnames=())
    for other in (copy.copy(jitted), copy.deepcopy(jitted), pickle.loads(pickle.dumps(jitted))):
        assert other(2.0) == 8.0 and other.__name__ == "cube"


def test_empty_arrays_of_keys() -> None:
    keys = jnp.empty(2, dtype=arrax.random.key(0).dtype)
    assert keys.shape == (2,) and keys.dtype == arrax.random.key(0).dtype
    assert not np.any(arrax.random.key_data(keys))


def test_losing_imaginary_parts_is_told() -> None:
    z = jnp.ones(2, complex)
    with pytest.warns(DeprecationWarning, match="Casting from complex to real"):
        z.astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        z.astype(bool), z.astype(np.complex64), X.astype(int)


def test_memory_kinds_of_shardings() -> None:
    mesh = arrax.make_mesh((1,), ("x",))
    host = arrax.NamedSharding(mesh, arrax.P("x"), memory_kind="pinned_host")
    assert host.memory_kind == "pinned_host" and host != arrax.NamedSharding(mesh, arrax.P("x"))
    assert host.with_memory_kind("device") == arrax.NamedSharding(mesh, arrax.P("x"))
    assert str(host).endswith("spec=P('x',), memory_kind=pinned_host)")
    with pytest.raises(ValueError, match="Got memory kind: disk"):
        arrax.sharding.SingleDeviceSharding(arrax.devices()[0], memory_kind="disk")
