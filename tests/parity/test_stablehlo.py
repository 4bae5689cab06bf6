"""StableHLO texts, verified by MLIR and run by XLA, give what eager evaluation gives."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import arrax  # noqa: E402
import arrax.numpy as jnp  # noqa: E402
from arrax import lax  # noqa: E402
from arrax.core import config  # noqa: E402
from arrax.engines.pjrt.stablehlo import module_text  # noqa: E402

from tests.engines.pjrt.test_rows import has_form  # noqa: E402
from tests.ops.all_rows import all_rows  # noqa: E402
from tests.ops.rows import doubled  # noqa: E402
from tests.parity.stablehlo_runner import bytecode, run  # noqa: E402

KEY = arrax.random.key(0)


def storage(values: Any) -> list[np.ndarray]:
    """The leaves of a pytree as the arrays that hold them."""
    return [np.asarray(jnp.asarray(x).data) for x in arrax.tree.leaves(values)]


def assert_same(actual: Sequence[np.ndarray], expected: Sequence[np.ndarray], tolerance: float,
                what: str) -> None:
    """Equal shapes and dtypes; equal values, of floats up to a tolerance relative to the largest
    element."""
    for a, e in zip(actual, expected, strict=True):
        assert (a.shape, a.dtype) == (e.shape, e.dtype), what
        if not jnp.issubdtype(e.dtype, np.inexact):
            np.testing.assert_array_equal(a, e, what)
            continue
        wide = np.result_type(e.dtype, np.float64) if e.dtype.num < 256 else np.float64
        a, e = a.astype(wide), e.astype(wide)
        scale = np.max(np.abs(e[np.isfinite(e)]), initial=1.0)
        np.testing.assert_allclose(a, e, tolerance, tolerance * scale, err_msg=what)


def check(function: Callable[..., Any], *args: Any, tolerance: float = 1e-5,
          moduli: bool = False) -> None:
    """`function` of pytrees, through StableHLO and XLA against eager evaluation; with `moduli`, up
    to signs."""
    leaves, tree = arrax.tree.flatten(args)
    leaves = [x if isinstance(x, (arrax.Array, np.ndarray)) else jnp.asarray(x) for x in leaves]

    def flat(*values: Any) -> Any:
        return function(*arrax.tree.unflatten(tree, values))
    text = module_text(arrax.make_jaxpr(flat)(*leaves))
    actual, expected = run(text, storage(leaves)), storage(flat(*map(jnp.asarray, leaves)))
    if moduli:
        actual, expected = [np.abs(x) for x in actual], [np.abs(x) for x in expected]
    assert_same(actual, expected, tolerance, text)


# ---- rows --------------------------------------------------------------------------------------

_UP_TO_SIGNS = {"eigh", "svd"}  # vectors that these primitives give are unique up to a factor


@pytest.mark.parametrize("double", [False, True], ids=["single", "double"])
@pytest.mark.parametrize("name", all_rows())
def test_row(name: str, double: bool) -> None:
    row = all_rows()[name]
    if not all(map(has_form, _names(row.function, row.operands))):
        pytest.skip("no form")
    with config.enable_x64(double):
        operands = [doubled(x) if double else np.asarray(x) for x in row.operands]
        check(row.function, *operands,
              moduli=bool(_names(row.function, operands) & _UP_TO_SIGNS),
              tolerance=max(row.tolerance * 1e-4, 1e-12) if double else row.tolerance)


@pytest.mark.parametrize("name", [name for name, row in all_rows().items() if row.order])
def test_gradient_of_row(name: str) -> None:
    row = all_rows()[name]
    operands, places = list(row.operands), row.differentiable()

    def inexact(*active: Any) -> list[Any]:
        values = list(operands)
        for place, x in zip(places, active, strict=True):
            values[place] = x
        return [o for o in arrax.tree.leaves(row.function(*values))
                if jnp.issubdtype(o.dtype, np.inexact)]

    def gradient(*active: Any) -> Any:
        outs, pull = arrax.vjp(inexact, *active)
        return pull([jnp.full(o.shape, 0.5, o.dtype) for o in outs])
    active = [operands[place] for place in places]
    if _names(gradient, active) & _UP_TO_SIGNS:
        pytest.skip("depends on the signs of the vectors")
    if not all(map(has_form, _names(gradient, active))):
        pytest.skip("no form")
    check(gradient, *active, tolerance=5 * row.tolerance)


@pytest.mark.parametrize("name", [name for name, row in all_rows().items()
                                  if row.batch and row.operands])
def test_batched_row(name: str) -> None:
    row = all_rows()[name]
    operands = [np.stack([x, x]) for x in row.operands]
    batched = arrax.vmap(row.function)
    if not all(map(has_form, _names(batched, operands))):
        pytest.skip("no form")
    check(batched, *operands, tolerance=5 * row.tolerance,
          moduli=bool(_names(batched, operands) & _UP_TO_SIGNS))


def _names(function: Callable[..., Any], operands: Sequence[Any]) -> set[str]:
    """The primitives of a program."""
    return {eqn.primitive.name for eqn in arrax.make_jaxpr(function)(*operands).eqns}


# ---- programs ----------------------------------------------------------------------------------

X = jnp.arange(6.0)
W = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)


def mlp(layers: Any, x: Any) -> Any:
    for weights, bias in layers:
        x = jnp.tanh(x @ weights + bias)
    return (arrax.nn.log_softmax(x) ** 2).mean()


def rnn(weights: Any, xs: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        return jnp.tanh(h @ weights + x), h.sum()
    return lax.scan(step, jnp.zeros(4), xs)[1].sum()


def branches_and_loops(p: Any, x: Any) -> Any:
    return lax.cond(
        p, lambda x: lax.while_loop(lambda c: c[0] < 9, lambda c: c + 1, x),
        lambda x: lax.cond(x[1] > 0, lambda x: x, jnp.negative, x), x)


def running(f: Any, **options: Any) -> Callable[..., Any]:
    return lambda xs: lax.scan(f, 0.0, xs, **options)


def pair(c: Any, x: Any) -> Any:
    return c + x, c * x


PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "gradients of a network": (arrax.value_and_grad(mlp), ([(W, W[0]), (W.T, W[1])], W)),
    "gradient of a recurrent network": (arrax.grad(rnn), (W, W)),
    "scan": (running(pair), (X,)),
    "scan backwards": (running(pair, reverse=True), (X,)),
    "scan by twos": (running(pair, unroll=2), (X,)),
    "scan by fours": (running(pair, reverse=True, unroll=4), (X,)),
    "scan unrolled": (running(pair, unroll=True), (X,)),
    "scan of nothing": (running(pair), (X[:0],)),
    "scan without inputs": (lambda x: lax.scan(
        lambda c, _: (c * 2, (c > 3, c.astype(int))), x, None, length=4), (X,)),
    "scan over keys": (lambda key: lax.scan(
        lambda c, k: (k, lax.broadcast(k, (2,))), key[0], key), (arrax.random.split(KEY, 3),)),
    "while over consts": (lambda x: lax.while_loop(
        lambda c: c[0] < x[5], lambda c: (c[0] + x[1], c[1] * 2), (x[0], 3)), (X,)),
    "fori_loop to a traced bound": (lambda n, x: lax.fori_loop(0, n, lambda i, c: c + i, x),
                                    (3, X)),
    "batched while": (arrax.vmap(lambda x: lax.while_loop(
        lambda c: c < 20, lambda c: c * 2 + 1, x)), (X,)),
    "batched cond": (arrax.vmap(lambda p, x: lax.cond(p, jnp.sin, jnp.cos, x)), (X > 2, X)),
    "branches and loops": (branches_and_loops, (True, X)),
    "the other branch": (branches_and_loops, (False, X)),
    "switch out of range": (lambda i, x: lax.switch(i, [jnp.sin, jnp.cos, jnp.exp], x), (7, X)),
    "custom derivatives": (arrax.grad(lambda x: (arrax.nn.relu(x) * arrax.nn.silu(x)).sum()), (X,)),
    "checkpoint": (arrax.grad(lambda x: arrax.checkpoint(
        lambda x: jnp.sin(jnp.sin(x)).sum())(x)), (X,)),
    "calls in calls": (lambda x: arrax.jit(lambda y: arrax.jit(jnp.sin)(y) + 1)(x) * 2, (X,)),
    "composite": (lambda x: lax.composite(lambda x, *, k, text: x * k, "my.scale", version=2)(
        x, k=np.float32(3), text='a"é'), (X,)),
    "platform": (lambda x: lax.platform_dependent(x, cpu=jnp.sin, default=jnp.cos), (X,)),
    "linear solve": (arrax.grad(lambda x: lax.custom_linear_solve(
        lambda v: 2 * v, x, lambda mv, b: b / 2, symmetric=True).sum()), (X,)),
    "root": (lambda a: lax.custom_root(
        lambda x: x * x - a, 2.0, lambda f, x: lax.fori_loop(0, 9, lambda _, x: x - f(x) / (2 * x),
                                                             x), lambda g, y: y / g(1.0)), (3.0,)),
    "reduction by any computation": (lambda x: lax.reduce(
        (x, x), (1.0, 0.0), lambda a, b: (a[0] * b[0] + 0.0, a[1] + b[1]), (0,)), (X + 1,)),
    "a large constant": (lambda x: x[:3] + jnp.asarray(np.linspace(0, 1, 300).reshape(
        100, 3).astype(np.float32)).sum(0), (X,)),
    "reduction over no axis": (lambda x: lax.reduce_sum(x, ()), (X,)),
    "optimization barrier": (lambda x: lax.optimization_barrier((x, {"a": x + 1})), (X,)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    function, args = PROGRAMS[name]
    check(function, *args)


# XLA's CPU client aborts on concatenations of int2.
CONSTANTS = [jnp.dtype(name) for name in (
    "bool int8 int16 int32 uint8 uint16 uint32 int4 uint4 float16 bfloat16 float32 complex64 "
    "float8_e4m3fn float8_e5m2 float8_e4m3b11fnuz float8_e3m4 float8_e4m3").split()]


@pytest.mark.parametrize("dtype", CONSTANTS, ids=str)
def test_constants_and_moves(dtype: np.dtype) -> None:
    few, many = np.array([0, 1, 1, 0]).astype(dtype), np.resize([1, 0, 1], 33).astype(dtype)

    def function(x: Any) -> Any:
        joined = jnp.concatenate([x, jnp.asarray(few), jnp.asarray(many)])
        return x, joined, jnp.reshape(x, (2, 2)).T, jnp.where(x == x[::-1], x, x[::-1])
    check(function, few)


# ---- what users see ----------------------------------------------------------------------------

def signature(text: str) -> str:
    """The lines of the module and of `main`, up to its operations."""
    return "\n".join(text.splitlines()[:2])


SIGNATURES: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = {
    "one result": (lambda x: x + 1, (X,), {}),
    "a tree of results": (lambda x: {"b": [x, x], "a": (x,)}, (X,), {}),
    "no result": (lambda x: None, (X,), {}),
    "unused arguments": (lambda x, y: y * 2, (X, 1), {}),
    "kept arguments": (lambda x, y: y * 2, (X, 1), {"keep_unused": True}),
    "donation": (lambda x, y: (y["k"] * 2, x, x * 2), (X, {"k": 1}), {"donate_argnums": (0, 1)}),
    "donation of two": (lambda x, y: (x + y, x - y), (X, X), {"donate_argnums": (0, 1)}),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_those_of_jax(name: str) -> None:
    function, args, options = SIGNATURES[name]
    ours = arrax.jit(function, **options).lower(*args).as_text()
    theirs = jax.jit(function, **options).lower(*arrax.tree.map(np.asarray, args)).as_text()
    assert signature(ours) == signature(theirs)


def test_locations_are_read() -> None:
    text = arrax.jit(lambda x: lax.fori_loop(0, 3, lambda i, c: jnp.sin(c) + i, x)).lower(
        X).as_text(debug_info=True)
    assert f'loc("sin"("{__file__}":' in text and 'loc("x")' in text
    bytecode(text)
