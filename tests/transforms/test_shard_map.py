"""`shard_map`: programs over parts against what they mean on whole arrays; derivatives; text."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import arrax
from arrax import lax, numpy as jnp
from arrax.sharding import AxisType, Mesh, PartitionSpec as P
from arrax.test_util import check_grads


pytestmark = pytest.mark.usefixtures("eight_devices")


def grid() -> Mesh:
    return arrax.make_mesh((4, 2), ("x", "y"), (AxisType.Auto,) * 2)


X = np.arange(64, dtype=np.float32).reshape(8, 8) / 7
W = np.linspace(-1, 1, 16, dtype=np.float32).reshape(8, 2)


def blocks(x: np.ndarray) -> np.ndarray:
    """The parts of an array split over both axes, [x, y, rows, columns]."""
    return x.reshape(4, x.shape[0] // 4, 2, x.shape[1] // 2).transpose(0, 2, 1, 3)


def joined(parts: np.ndarray) -> np.ndarray:
    a, b, rows, columns = parts.shape
    return parts.transpose(0, 2, 1, 3).reshape(a * rows, b * columns)


class Row(NamedTuple):
    name: str
    function: Callable[..., Any]
    in_specs: Any
    out_specs: Any
    args: tuple[Any, ...]
    expected: Callable[..., Any]


XY = P("x", "y")
ROWS = [
    Row("elementwise", lambda a: a * 2 + 1, XY, XY, (X,), lambda a: a * 2 + 1),
    Row("not split", lambda a: a + 1, P(), P(), (X,), lambda a: a + 1),
    Row("psum over one axis", lambda a: lax.psum(a * 2, "x"), XY, P(None, "y"), (X,),
        lambda a: joined(blocks(a * 2).sum(0, keepdims=True))),
    Row("psum over both axes", lambda a: lax.psum(a.sum(), ("x", "y")), XY, P(), (X,), np.sum),
    Row("psum of what is the same", lambda a: lax.psum(a, "x"), P(), P(), (X,), lambda a: 4 * a),
    Row("pmean", lambda a: lax.pmean(a, "y"), XY, P("x"), (X,),
        lambda a: joined(blocks(a).mean(1, keepdims=True))),
    Row("pmax", lambda a: lax.pmax(a, "x"), XY, P(None, "y"), (X,),
        lambda a: joined(blocks(a).max(0, keepdims=True))),
    Row("axis_index", lambda a: a + lax.axis_index("x") * 10 + lax.axis_index("y"), XY, XY, (X,),
        lambda a: joined(blocks(a) + np.arange(4).reshape(4, 1, 1, 1) * 10
                         + np.arange(2).reshape(2, 1, 1))),
    Row("all_gather", lambda a: lax.all_gather(a, "x", tiled=True) * a[0, 0], XY, XY, (X,),
        lambda a: joined(np.tile(a.reshape(8, 2, 4).transpose(1, 0, 2)[None], (4, 1, 1, 1))
                         * blocks(a)[:, :, :1, :1])),
    Row("psum_scatter", lambda a: lax.psum_scatter(a, "y", tiled=True), P("x"), P(("x", "y")),
        (X,), lambda a: 2 * a),
    Row("all_to_all", lambda a: lax.all_to_all(a, "x", 1, 0, tiled=True), P("x"), P(None, "x"),
        (X,), lambda a: a),
    Row("ppermute", lambda a: lax.ppermute(a, "x", [(i, (i + 1) % 4) for i in range(4)]), XY, XY,
        (X,), lambda a: np.roll(a, 2, 0)),
    Row("two axes on one dimension", lambda a: a - lax.pmean(a, ("x", "y")), P(("x", "y")),
        P(("x", "y")), (X,), lambda a: a - a.mean(0)),
    Row("product", lambda a, w: lax.psum(a @ w, "y"), (XY, P("y")), P("x"), (X, W),
        lambda a, w: a @ w),
    Row("loop", lambda a: lax.scan(lambda c, r: (c + r, c), lax.pcast(
        jnp.zeros(4), ("x", "y"), to="varying"), a)[1], XY, XY, (X,),
        lambda a: joined(np.cumsum(blocks(a), 2) - blocks(a))),
    Row("scalars", lambda a, s: a * s, (XY, P()), XY, (X, 2.0), lambda a, s: a * s),
]


@pytest.mark.parametrize("check_vma", [True, False])
@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name)
def test_values(row: Row, check_vma: bool) -> None:
    function = arrax.shard_map(row.function, mesh=grid(), in_specs=row.in_specs,
                               out_specs=row.out_specs, check_vma=check_vma)
    expected = row.expected(*row.args)
    np.testing.assert_allclose(function(*row.args), expected, rtol=2e-5)
    np.testing.assert_allclose(arrax.jit(function)(*row.args), expected, rtol=2e-5)
    batch = [np.stack([a, a + 1]) for a in row.args]
    loop = np.stack([row.expected(*row.args), row.expected(*(a + 1 for a in row.args))])
    np.testing.assert_allclose(arrax.vmap(function)(*batch), loop, rtol=2e-5)


DIFFERENTIABLE = [row for row in ROWS if row.name != "pmax"]


@pytest.mark.parametrize("check_vma", [True, False])
@pytest.mark.parametrize("row", DIFFERENTIABLE, ids=lambda r: r.name)
def test_derivatives(row: Row, check_vma: bool) -> None:
    """Forward and reverse, first and second order, against differences."""
    function = arrax.shard_map(row.function, mesh=grid(), in_specs=row.in_specs,
                               out_specs=row.out_specs, check_vma=check_vma)
    check_grads(lambda *args: jnp.sin(function(*args)), tuple(jnp.asarray(a) for a in row.args),
                order=1, atol=0.05, rtol=0.05)


def test_gradients_inside_add_up_over_devices() -> None:
    """What the devices share gets a gradient from each of them, where types are checked."""
    def loss(w: Any, a: Any) -> Any:
        return (jnp.tanh(a @ w) ** 2).sum()

    inside = arrax.shard_map(lambda w, a: arrax.grad(loss)(w, a), mesh=grid(),
                             in_specs=(P(), P("x")), out_specs=P())
    np.testing.assert_allclose(inside(W, X), arrax.grad(loss)(W, X), rtol=1e-4, atol=1e-5)
    unchecked = arrax.shard_map(lambda w, a: lax.psum(arrax.grad(loss)(w, a), "x"), mesh=grid(),
                                in_specs=(P(), P("x")), out_specs=P(), check_vma=False)
    np.testing.assert_allclose(unchecked(W, X), arrax.grad(loss)(W, X), rtol=1e-4, atol=1e-5)


def test_recomputed_and_nested() -> None:
    mesh = grid()

    @arrax.jit
    def outer(a: Any) -> Any:
        def middle(part: Any) -> Any:
            inner = arrax.shard_map(lambda p: lax.psum(jnp.sin(p), ("x", "y")), in_specs=P("y"),
                                    out_specs=P(), axis_names={"y"})
            return arrax.checkpoint(inner)(part.T)
        return arrax.shard_map(middle, mesh=mesh, in_specs=P("x"), out_specs=P(),
                               axis_names={"x"})(a)
    np.testing.assert_allclose(outer(X), np.sin(X).reshape(4, 2, 2, 4).sum((0, 2)).T, rtol=1e-4,
                               atol=1e-5)
    check_grads(outer, (jnp.asarray(X),), order=1, atol=0.05, rtol=0.05)


def test_closed_over_values_are_operands() -> None:
    def f(a: Any, b: Any) -> Any:
        return arrax.shard_map(lambda p: p * b + W[0, 0], mesh=grid(), in_specs=P("x"),
                               out_specs=P("x"))(a).sum()
    a, b = arrax.grad(f, (0, 1))(X, 3.0)
    np.testing.assert_allclose(a, np.full_like(X, 3))
    np.testing.assert_allclose(b, X.sum(), rtol=1e-5)


def test_spmd_axis_name_splits_the_batch() -> None:
    def total(a: Any) -> Any:
        return arrax.shard_map(lambda p: lax.psum(p, "y"), mesh=grid(), in_specs=P("y"),
                               out_specs=P())(a)
    text = str(arrax.make_jaxpr(arrax.vmap(total, spmd_axis_name="x"))(X))
    assert "in_specs=(P('x', 'y'),)" in text and "f32[2,4]{V:(x,y)}" in text
    np.testing.assert_allclose(arrax.vmap(total, spmd_axis_name="x")(X),
                               X.reshape(8, 2, 4).sum(1), rtol=1e-5)


def test_text() -> None:
    function = arrax.shard_map(lambda a, b: lax.psum(a * 2, "x") + b, mesh=grid(),
                               in_specs=(XY, P()), out_specs=P(None, "y"))
    assert str(arrax.make_jaxpr(function)(jnp.ones((8, 16)), jnp.ones((2, 8)))) == """\
{ lambda ; a:f32[8,16] b:f32[2,8]. let
    c:f32[2,16] = shard_map[
      check_vma=True
      in_specs=(P('x', 'y'), P())
      jaxpr={ lambda ; d:f32[2,8]{V:(x,y)} e:f32[2,8]. let
          f:f32[]{V:(x,y)} = pvary[axes=('x', 'y')] 2.0:f32[]
          g:f32[2,8]{V:(x,y)} = mul d f
          h:f32[2,8]{V:y} = psum_invariant[axes=('x',)] g
          i:f32[2,8]{V:y} = pvary[axes=('y',)] e
          j:f32[2,8]{V:y} = add h i
        in (j,) }
      mesh=Mesh('x': 4, 'y': 2, axis_types=(Auto, Auto))
      newly_manual_axes=frozenset({'x', 'y'})
      out_specs=(P(None, 'y'),)
    ] a b
  in (c,) }""".replace("frozenset({'x', 'y'})", str(frozenset({"x", "y"})))


def identity(x: Any) -> Any:
    return x


ERRORS = [
    ("differs over devices", identity, P("x"), P(), X, ValueError, "require replication"),
    ("spec too long", identity, P("x"), P("x"), 3.0, ValueError, r"consider using.*`P\(\)`"),
    ("result too small", lambda a: a.sum(), P("x"), P("x"), X, ValueError, "which has rank 0"),
    ("does not divide", identity, P("x"), P("x"), X[:6], ValueError, "not evenly divide"),
    ("unknown axis", identity, P("z"), P(), X, ValueError, "in_specs refers to 'z'"),
    ("axis twice", identity, P("x", "x"), P(), X, ValueError, "duplicate entries for `x`"),
    ("no spec", identity, "x", P(), X, TypeError, "in_specs is x of type str"),
    ("tree", identity, ([P()] * 3,), P(), [X, X], ValueError, r"shard_map in_specs\[0\]"),
    ("carry", lambda a: lax.fori_loop(0, 3, lambda _, c: c + a.sum(), 0.0), P("x"), P(), X,
     TypeError, r"pcast\(..., \('x',\), to='varying'\)"),
    ("cast twice", lambda a: lax.pcast(a, "x", to="varying"), P("x"), P("x"), X, ValueError,
     "Unsupported pcast"),
]


@pytest.mark.parametrize(("function", "in_specs", "out_specs", "arg", "kind", "message"),
                         [e[1:] for e in ERRORS], ids=[e[0] for e in ERRORS])
def test_errors(function: Any, in_specs: Any, out_specs: Any, arg: Any, kind: Any,
                message: str) -> None:
    with pytest.raises(kind, match=f"(?s){message}"):
        arrax.shard_map(function, mesh=grid(), in_specs=in_specs, out_specs=out_specs)(arg)


def test_no_mesh() -> None:
    with pytest.raises(ValueError, match="context mesh cannot be empty"):
        arrax.shard_map(identity, in_specs=P(), out_specs=P())(X)
