"""Where results are: eager ones, those of programs, their parts; types on explicit mesh axes."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arrax
from arrax import lax, numpy as jnp
from arrax.core.shardings import ShardingTypeError
from arrax.experimental.pjit import pjit
from arrax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec as P


pytestmark = pytest.mark.usefixtures("eight_devices")


def mesh_of(kind: AxisType) -> Mesh:
    return arrax.make_mesh((4, 2), ("x", "y"), (kind,) * 2)


X = np.arange(64, dtype=np.float32).reshape(8, 8)
ROWS: list[tuple[str, Callable[[Any], Any], P]] = [
    ("elementwise", lambda a: jnp.sin(a) * 2, P("x", "y")),
    ("transpose", lambda a: a.T, P("y", "x")),
    ("sum", lambda a: a.sum(0), P("y")),
    ("total", lambda a: a.sum(), P()),
    ("product", lambda a: a @ jnp.ones((8, 3)), P("x")),
    ("slice", lambda a: a[:4], P("x", "y")),
    ("new axis", lambda a: a[:, None], P("x", None, "y")),
    ("split axis", lambda a: a.reshape(4, 2, 8), P("x", None, "y")),
    ("join", lambda a: jnp.concatenate([a, a]), P("x", "y")),
    ("broadcast", lambda a: jnp.broadcast_to(a, (3, 8, 8)), P(None, "x", "y")),
]


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
@pytest.mark.parametrize(("function", "spec"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS])
def test_results_are_where_operands_are(kind: AxisType, function: Any, spec: P) -> None:
    mesh = mesh_of(kind)
    a = arrax.device_put(X, NamedSharding(mesh, P("x", "y")))
    for out in (function(a), arrax.jit(function)(a)):
        assert out.committed and out.sharding.mesh is mesh
        assert out.sharding.is_equivalent_to(NamedSharding(mesh, spec), out.ndim)
        np.testing.assert_allclose(out, function(jnp.asarray(X)), rtol=1e-5)
        for shard in out.addressable_shards:
            np.testing.assert_array_equal(shard.data, np.asarray(out)[shard.index])
            assert shard.data.devices() == {shard.device}


def test_uncommitted_arrays_go_along_and_devices_do_not_mix() -> None:
    one, two = arrax.devices()[1:3]
    a = arrax.device_put(X, one)
    assert (a + jnp.ones(8)).devices() == arrax.jit(lambda v: v + 1)(a).devices() == {one}
    assert (a[0]).devices() == a.T.devices() == a.reshape(64).devices() == {one}
    assert not jnp.ones(3).committed
    b = arrax.device_put(X, two)
    for add in (lambda p, q: p + q, arrax.jit(lambda p, q: p + q)):
        with pytest.raises(ValueError, match=r"(?s)incompatible devices.*\[1\].*\[2\]"):
            add(a, b)


def test_shardings_of_jit() -> None:
    mesh = mesh_of(AxisType.Auto)
    rows, columns = NamedSharding(mesh, P("x")), NamedSharding(mesh, P(None, "y"))
    assert arrax.jit(lambda v: v * 2, in_shardings=rows)(X).sharding == rows
    double = arrax.jit(lambda v: (v, v * 2), out_shardings=(None, columns))
    assert [o.committed for o in double(X)] == [True, True]
    assert double(X)[1].sharding == columns == double(X)[1].sharding  # the second call is native
    inside = arrax.jit(lambda v: lax.with_sharding_constraint(v, rows) + 1)
    assert inside(X).sharding == rows
    with pytest.raises(ValueError, match="does not match the sharding on the respective arg"):
        arrax.jit(lambda v: v, in_shardings=rows)(arrax.device_put(X, columns))
    with pytest.raises(ValueError, match="does not support kwargs"):
        arrax.jit(lambda v: v, in_shardings=rows)(v=X)
    with pytest.raises(ValueError, match="should evenly divide"):
        arrax.jit(lambda v: v, out_shardings=rows)(X[:6])
    with pytest.raises(RuntimeError, match="non-empty mesh in context"):
        arrax.jit(lambda v: v, in_shardings=P("x"))


def test_types_tell_explicit_axes() -> None:
    mesh = mesh_of(AxisType.Explicit)
    with arrax.set_mesh(mesh):
        a = arrax.device_put(X, P("x", "y"))
        assert str(arrax.typeof(a)) == "float32[8@x,8@y]"
        text = str(arrax.make_jaxpr(lambda v: arrax.reshard(v.T, P("x")) + 1)(a))
        assert "f32[8@y,8@x] = transpose" in text and "f32[8@x,8] = reshard" in text
        for wrong, message in ((lambda v: v @ v, "contracting dimensions"),
                               (lambda v: v + v.T, "incompatible shardings for broadcasting"),
                               (lambda v: v[0], "slicing on sharded dims"),
                               (lambda v: jnp.sort(v), "must be unsharded")):
            with pytest.raises(ShardingTypeError, match=message):
                arrax.jit(wrong)(a)
    assert arrax.sharding.get_mesh().empty


def test_specs() -> None:
    assert P(("x",)) == P("x") != P("x", None) and not isinstance(P(), tuple)
    assert repr(P("x", unreduced={"y"})) == "P('x', unreduced={'y'})"
    mesh = mesh_of(AxisType.Auto)
    assert mesh is mesh_of(AxisType.Auto)
    with pytest.raises(ValueError, match="z of .* is not found in mesh"):
        NamedSharding(mesh, P("z"))


def test_pjit_knows_the_mesh_that_was_entered() -> None:
    mesh = mesh_of(AxisType.Auto)
    axis = mesh.axis_names[0]
    with mesh:
        double = pjit(lambda v: 2 * v, in_shardings=P(axis), out_shardings=(P(axis)))
        assert double(X).sharding.spec == P(axis)
        with pytest.raises(RuntimeError, match="non-empty mesh in context"):
            arrax.jit(lambda v: v, in_shardings=P(axis))
    assert (pjit(lambda v: 2 * v)(X) == 2 * X).all()
