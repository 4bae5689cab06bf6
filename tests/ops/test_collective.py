"""Collectives over groups, several axes and numbered axes, against NumPy; and their derivatives."""
from __future__ import annotations

import arrax as jax
import numpy as np
import pytest
from arrax import lax

from tests.ops.rows import real

GROUPS = [[0, 3], [2, 1]]


def over_axis(function):
    return jax.vmap(function, axis_name="i")


def over_two(function):
    return jax.vmap(jax.vmap(function, axis_name="j"), axis_name="i")


def group_of(instance):
    return next(g for g in GROUPS if instance in g)


# ---- groups ------------------------------------------------------------------------------------

@pytest.mark.parametrize("tiled", [False, True])
def test_all_gather_in_groups(tiled):
    x = real(4, 2, 3)
    out = over_axis(lambda v: lax.all_gather(v, "i", axis_index_groups=GROUPS, axis=1,
                                             tiled=tiled))(x)
    join = np.concatenate if tiled else np.stack
    expected = np.stack([join([x[j] for j in group_of(i)], 1) for i in range(4)])
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("tiled", [False, True])
def test_psum_scatter_in_groups(tiled):
    x = real(4, 3, 4 if tiled else 2)
    out = over_axis(lambda v: lax.psum_scatter(v, "i", axis_index_groups=GROUPS, tiled=tiled,
                                               scatter_dimension=1))(x)
    for i in range(4):
        group = group_of(i)
        parts = np.split(sum(x[j] for j in group), 2, axis=1)
        mine = parts[group.index(i)]
        np.testing.assert_allclose(out[i], mine if tiled else mine[:, 0], rtol=1e-6)


def test_all_to_all_in_groups():
    x = real(4, 2, 3)
    out = over_axis(lambda v: lax.all_to_all(v, "i", 0, 1, axis_index_groups=GROUPS))(x)
    for i in range(4):
        group = group_of(i)
        expected = np.stack([x[j, group.index(i)] for j in group], 1)
        np.testing.assert_array_equal(out[i], expected)


# ---- several axes ------------------------------------------------------------------------------

@pytest.mark.parametrize("names", [("i", "j"), ("j", "i")])
def test_all_gather_over_two_axes(names):
    x = real(2, 3, 4)
    out = over_two(lambda v: lax.all_gather(v, names, axis=1))(x)
    flat = (x if names == ("i", "j") else x.swapaxes(0, 1)).reshape(6, 4)
    np.testing.assert_array_equal(out, np.broadcast_to(flat.T, (2, 3, 4, 6)))


@pytest.mark.parametrize("names", [("i", "j"), ("j", "i")])
@pytest.mark.parametrize("tiled", [False, True])
def test_psum_scatter_over_two_axes(names, tiled):
    x = real(2, 3, 12 if tiled else 6)
    out = over_two(lambda v: lax.psum_scatter(v, names, tiled=tiled))(x)
    total = x.sum((0, 1)).reshape((2, 3, -1) if names == ("i", "j") else (3, 2, -1))
    expected = total if names == ("i", "j") else total.swapaxes(0, 1)
    np.testing.assert_allclose(out, expected if tiled else expected[..., 0], rtol=1e-5)


def test_ppermute_over_two_axes_counts_instances_row_by_row():
    x = real(2, 3)
    out = over_two(lambda v: lax.ppermute(v, ("i", "j"), [(0, 5), (4, 1)]))(x)
    assert out.ravel().tolist() == [0, x[1, 1], 0, 0, 0, x[0, 0]]


def test_axes_of_the_array_are_numbered():
    x = real(2, 3, 4)
    np.testing.assert_allclose(over_axis(lambda v: lax.psum(v, (0, "i")))(x),
                               np.broadcast_to(x.sum((0, 1)), (2, 4)), rtol=1e-6)
    np.testing.assert_array_equal(over_axis(lambda v: lax.pmax(v, 1))(x), x.max(2))


# ---- derivatives -------------------------------------------------------------------------------

COLLECTIVES = {
    "psum": lambda v: lax.psum(v, "i"),
    "all_gather": lambda v: lax.all_gather(v, "i", axis=1),
    "all_gather tiled": lambda v: lax.all_gather(v, "i", tiled=True),
    "all_gather groups": lambda v: lax.all_gather(v, "i", axis_index_groups=GROUPS),
    "psum_scatter": lambda v: lax.psum_scatter(v, "i"),
    "psum_scatter tiled": lambda v: lax.psum_scatter(v, "i", scatter_dimension=1, tiled=True),
    "all_to_all": lambda v: lax.all_to_all(v, "i", 0, 1),
    "all_to_all tiled": lambda v: lax.all_to_all(v, "i", 1, 0, tiled=True),
    "ppermute": lambda v: lax.ppermute(v, "i", [(0, 1), (1, 3)]),
    "pbroadcast": lambda v: lax.pbroadcast(v, "i", 2)}


@pytest.mark.parametrize("name", COLLECTIVES)
def test_reverse_mode_outside_of_the_map_is_the_transpose(name):
    """⟨ct, f(x)⟩ = ⟨fᵀ(ct), x⟩ for the linear f."""
    mapped = over_axis(COLLECTIVES[name])
    x = real(4, 4, 4)
    out, pull = jax.vjp(mapped, x)
    cotangent = real(*out.shape, seed=1)
    (back,) = pull(cotangent)
    np.testing.assert_allclose((cotangent * np.asarray(out)).sum(), (np.asarray(back) * x).sum(),
                               rtol=1e-3)


@pytest.mark.parametrize("call, message", [
    (lambda v: lax.psum_scatter(v, "i"), "must match shard count 4"),
    (lambda v: lax.psum_scatter(v, "i", tiled=True), "divisible"),
    (lambda v: lax.all_to_all(v, "i", 0, 0), "they are 4 and 3"),
    (lambda v: lax.all_gather(v, "i", axis=5), "out of bounds"),
    (lambda v: lax.all_gather(v, "i", to="nowhere"), "`to` must be"),
    (lambda v: lax.psum(v, "i", axis_index_groups=[[0, 1], [1, 2]]), "axis_index_groups")])
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        over_axis(call)(real(4, 3))


@pytest.mark.parametrize("function", [
    lambda x: lax.ppermute(x, "i", [(j, (j + 1) % 4) for j in range(4)]),
    lambda x: lax.pshuffle(x, "i", list(range(lax.axis_size("i")))[::-1]),
    lambda x: lax.psum(x, "i", axis_index_groups=[
        list(range(0, lax.axis_size("i"), 2)), list(range(1, lax.axis_size("i"), 2))]),
], ids=["ppermute", "pshuffle", "groups"])
def test_programs_do_not_grow_with_the_axis(function) -> None:
    """Rows are chosen by one equation, not by one for each."""
    lengths = {len(jax.make_jaxpr(jax.vmap(function, axis_name="i"))(np.ones((size, 2))).eqns)
               for size in (4, 64)}
    assert len(lengths) == 1
