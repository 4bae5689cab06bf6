"""Refs and parts of refs as operands of branches and compiled functions; cotangents into refs."""
from __future__ import annotations

from typing import Any

import arrax
import arrax.numpy as jnp
import numpy as np
import pytest
from arrax import ad, lax
from arrax.transforms.linear_maps import NotNeeded


def _write(ref: Any, x: Any) -> Any:
    ref[...] = x
    return x * 2


@pytest.mark.parametrize("flag", [True, False])
@pytest.mark.parametrize("part", [False, True])
def test_branches_take_refs(flag: bool, part: bool) -> None:
    ref = arrax.new_ref(jnp.zeros(3))
    target = ref.at[1] if part else ref
    x = jnp.float32(5) if part else jnp.full(3, 5.0)
    out = lax.cond(flag, _write, lambda ref, x: x, target, x)
    np.testing.assert_array_equal(out, x * (2 if flag else 1))
    np.testing.assert_array_equal(ref[...], [0, 5 * flag, 0] if part else [5 * flag] * 3)
    lax.switch(1, [lambda r: None, lambda r: r.addupdate(1.0)], target)
    assert ref[1] == 5 * flag + 1


@pytest.mark.parametrize("index", [1, slice(0, 2), (slice(None), 1), (jnp.array([0, 1]), 2)],
                         ids=["int", "slice", "tuple", "arrays"])
def test_parts_are_arguments_of_compiled_functions(index: Any) -> None:
    ref, expected = arrax.new_ref(jnp.arange(12.0).reshape(3, 4)), np.arange(12.0).reshape(3, 4)

    @arrax.jit
    def change(part: Any) -> Any:
        old = part[...]
        part[...] = old * 10
        return old
    np.testing.assert_array_equal(change(ref.at[index]), expected[index])
    expected[index] *= 10
    np.testing.assert_array_equal(ref[...], expected)


def test_the_same_ref_twice() -> None:
    ref = arrax.new_ref(0.0)
    with pytest.raises(ValueError, match="for jit .* appeared at both x and y"):
        arrax.jit(lambda x, y: x[...] + y[...])(ref, ref)
    with pytest.raises(ValueError, match="for cond .* appeared at both x and y"):
        lax.cond(True, lambda x, y: 1, lambda x, y: 2, ref, ref)
    with pytest.raises(ValueError, match="(?s)returned a mutable array.*as the argument x"):
        arrax.jit(lambda x: x)(ref)


def test_cotangents_are_added_to_refs() -> None:
    x, ones = jnp.arange(3.0), jnp.ones(3)
    total = arrax.new_ref(jnp.zeros(3))
    _, f_vjp = arrax.vjp(lambda a, b: a * b, x, x + 1)
    for _ in range(2):
        found = f_vjp.with_refs(total, ad.DontWant())(ones)
        assert found == (ad.GradRef(), ad.DidntWant())
    np.testing.assert_array_equal(total[...], 2 * (x + 1))
    value, other = f_vjp.with_refs(ad.GradValue(), object())(ones)
    np.testing.assert_array_equal(value, x + 1)
    np.testing.assert_array_equal(other, x)
    with pytest.raises(ValueError, match="tree like the arguments"):
        f_vjp.with_refs(total)
    with pytest.raises(TypeError, match="takes one argument"):
        f_vjp(ones, ones)


def test_cotangents_into_refs_in_programs() -> None:
    @arrax.jit
    def gradient(x: Any) -> Any:
        total = arrax.new_ref(jnp.zeros_like(x))
        _, f_vjp = arrax.vjp(lambda x: jnp.sin(x), x)
        f_vjp.with_refs(total)(jnp.ones_like(x))
        return arrax.freeze(total)
    np.testing.assert_allclose(gradient(jnp.arange(3.0)), np.cos(np.arange(3.0)), rtol=1e-6)
    np.testing.assert_allclose(arrax.vmap(gradient)(jnp.arange(3.0)), np.cos(np.arange(3.0)),
                               rtol=1e-6)


def test_residuals_that_are_arguments_can_be_taken_out() -> None:
    x, y = jnp.arange(3.0), jnp.arange(3.0) + 1
    _, f_vjp = arrax.vjp(lambda x, y: x * y, x, y)
    assert f_vjp.args_res[0] is x and not f_vjp.opaque_residuals
    f_vjp.args_res = [None, None]
    f_vjp.args_res = [2 * x, 3 * y]
    for found, expected in zip(f_vjp(jnp.ones(3)), (3 * y, 2 * x), strict=True):
        np.testing.assert_array_equal(found, expected)
    _, f_vjp = arrax.vjp(lambda t: jnp.sin(t["a"]) + t["b"], {"a": x, "b": y})
    assert f_vjp.args_res == [{"a": NotNeeded(), "b": NotNeeded()}]
    assert len(f_vjp.opaque_residuals) == 1
    np.testing.assert_allclose(arrax.jit(lambda f, c: f(c))(f_vjp, jnp.ones(3))[0]["a"],
                               np.cos(x), rtol=1e-6)
