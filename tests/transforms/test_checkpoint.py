"""`checkpoint`: gradients stay the same, and policies decide what is kept."""
from __future__ import annotations

import functools

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import lax
from arrax.ad_checkpoint import (checkpoint_name, checkpoint_policies, print_saved_residuals,
                                 saved_residuals)

W = jnp.array(np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32))
X = jnp.array([0.1, 0.2, 0.3])


def layer(w, x):
    return jnp.sin(jnp.sin(checkpoint_name(w @ x, "product")))


POLICIES = {
    "none": None,
    "everything": checkpoint_policies.everything_saveable,
    "nothing": checkpoint_policies.nothing_saveable,
    "dots": checkpoint_policies.dots_saveable,
    "plain dots": checkpoint_policies.dots_with_no_batch_dims_saveable,
    "names": checkpoint_policies.save_only_these_names("product"),
    "other names": checkpoint_policies.save_any_names_but_these("product"),
    "all but names": checkpoint_policies.save_anything_except_these_names("product"),
    "both": checkpoint_policies.save_from_both_policies(
        checkpoint_policies.dots_saveable, checkpoint_policies.save_only_these_names("product")),
    "offload": checkpoint_policies.save_and_offload_only_these_names(
        names_which_can_be_saved=[], names_which_can_be_offloaded=["product"],
        offload_src="device", offload_dst="pinned_host"),
}
USES = {
    "plain": lambda f: lambda w, x: f(w, x).sum(),
    "scan over": lambda f: lambda w, x: lax.scan(lambda c, _: (f(w, c), None), x, None,
                                                 length=3)[0].sum(),
    "vmap over": lambda f: lambda w, x: arrax.vmap(f, (None, 0))(w, jnp.stack([x, x + 1])).sum(),
    "jit over": lambda f: lambda w, x: arrax.jit(f)(w, x).sum(),
}
BODIES = {
    "layer": layer,
    "jit inside": lambda w, x: arrax.jit(layer)(w, x) * 2,
    "scan inside": lambda w, x: lax.scan(lambda c, _: (layer(w, c), c), x, None, length=3)[0],
    "cond inside": lambda w, x: lax.cond(x.sum() > 0, layer, lambda w, x: x, w, x),
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("body", BODIES)
def test_gradients_stay_the_same(policy, body):
    f = BODIES[body]
    remat = arrax.checkpoint(f, policy=POLICIES[policy])
    for use in USES if policy in ("none", "dots") else ["plain"]:
        expected = arrax.grad(USES[use](f), (0, 1))(W, X)
        for a, b in zip(arrax.grad(USES[use](remat), (0, 1))(W, X), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6, err_msg=use)


def test_second_order_and_jit():
    f = arrax.checkpoint(lambda x: jnp.sin(jnp.sin(x)))
    expected = arrax.grad(arrax.grad(lambda x: jnp.sin(jnp.sin(x))))(0.5)
    np.testing.assert_allclose(arrax.grad(arrax.grad(f))(0.5), expected, rtol=1e-5)
    np.testing.assert_allclose(arrax.jit(arrax.grad(arrax.grad(f)))(0.5), expected, rtol=1e-5)


SAVED = {"none": [], "everything": ["cos", "cos"], "dots": ["dot_general"], "names": ["name"]}


@pytest.mark.parametrize("policy", SAVED)
def test_what_is_saved(policy):
    found = saved_residuals(arrax.checkpoint(layer, policy=POLICIES[policy]), W, X)
    outputs = [text.split()[2] for _, text in found if text.startswith("output of")]
    assert outputs == SAVED[policy]


def test_what_is_saved_of_scalars(capsys):
    for x in (1.0, jnp.float32(1.0), jnp.ones(3)):
        found = saved_residuals(lambda x: jnp.sin(x) * jnp.cos(x), x)
        assert [text.split()[2] for _, text in found] == ["cos", "sin"] * 2
        print_saved_residuals(lambda x: jnp.sin(x) * jnp.cos(x), x)
        shape = "3" if jnp.ndim(x) else ""
        assert capsys.readouterr().out.count(f"f32[{shape}] output of") == 4
    assert not saved_residuals(lambda x: x * 2, 1)


def test_static_arguments():
    @functools.partial(arrax.checkpoint, static_argnums=(1,))
    def f(x, n):
        return x * 3 if n else x
    assert f(2.0, True) == 6 and arrax.grad(f)(2.0, False) == 1
    with pytest.raises(ValueError, match="can only take integer values greater than or equal to"):
        arrax.checkpoint(lambda x: x, static_argnums=(5,))(1.0)


def test_errors():
    with pytest.raises(arrax.errors.TracerBoolConversionError,
                       match="Consider using the `static_argnums` parameter"):
        arrax.checkpoint(lambda x: x if x > 0 else -x)(1.0)
    with pytest.raises(NotImplementedError, match="The `concrete` option"):
        arrax.checkpoint(lambda x: x, concrete=True)


def test_text():
    f = arrax.checkpoint(lambda x: jnp.sin(jnp.sin(x)))
    assert str(arrax.make_jaxpr(arrax.grad(lambda x: f(x).sum()))(X)) == """\
{ lambda ; a:f32[3]. let
    b:f32[3] = sin a
    c:f32[3] = sin b
    _:f32[] = reduce_sum[axes=(0,) out_sharding=None] c
    d:f32[3] = broadcast_in_dim 1.0:f32[]
    e:f32[3] = remat2[
      differentiated=True
      jaxpr={ lambda ; f:f32[3] g:f32[3]. let
          h:f32[3] = sin f
          i:f32[3] = cos f
          j:f32[3] = cos h
          k:f32[3] = mul g j
          l:f32[3] = mul k i
        in (l,) }
      policy=None
      prevent_cse=True
    ] a d
  in (e,) }"""
