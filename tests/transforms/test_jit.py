"""`jit`: caching, static arguments, donation, stages, nesting."""
from __future__ import annotations

import functools
import gc
import weakref

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import jit


class Counter:
    """Counts how often a function is traced."""

    def __init__(self, fun):
        self.count = 0
        self.fun = fun
        functools.update_wrapper(self, fun)

    def __call__(self, *args, **kwargs):
        self.count += 1
        return self.fun(*args, **kwargs)


def test_python_runs_once_for_a_signature():
    body = Counter(lambda x, y: x * 2 + y)
    f = jit(body)
    for value in (1.0, 2.0, 3.0):
        assert float(f(value, 1.0)) == 2 * value + 1
    assert body.count == 1
    f(jnp.float32(1), 1.0)  # not weakly typed
    f(1, 1.0)
    f(np.ones(3), 1.0)
    assert body.count == 4
    f(2, 5.0)
    f(np.zeros(3), 2.0)
    assert body.count == 4


def test_trees_and_keywords_are_part_of_the_signature():
    body = Counter(lambda p, *, scale=1.0: {"out": p["a"] * scale, "rest": (p["b"], None)})
    f = jit(body)
    tree = {"a": jnp.ones(2), "b": [jnp.zeros(1), 3]}
    out = f(tree, scale=2.0)
    np.testing.assert_array_equal(out["out"], [2.0, 2.0])
    assert out["rest"][1] is None and int(out["rest"][0][1]) == 3
    f(tree, scale=4.0)
    assert body.count == 1
    f(tree)
    assert body.count == 2


def test_results_of_one_signature_do_not_share_buffers():
    f = jit(lambda x: x + 1)
    first = f(jnp.zeros(100000))
    second = f(first)
    np.testing.assert_array_equal(first, 1.0)
    np.testing.assert_array_equal(second, 2.0)


def test_an_argument_may_be_returned_as_it_is():
    f = jit(lambda x, y: (y, x, x))
    x, y = jnp.arange(3.0), jnp.arange(2)
    for _ in range(3):
        a, b, c = f(x, y)
        np.testing.assert_array_equal(a, [0, 1])
        np.testing.assert_array_equal(b, c)


def test_numpy_arguments_are_read_at_each_call():
    f = jit(lambda x: x)
    data = np.zeros(3, np.float32)
    first = f(data)
    data[:] = 5
    np.testing.assert_array_equal(first, 0.0)
    np.testing.assert_array_equal(f(data), 5.0)


@pytest.mark.parametrize("options", [{"static_argnums": 1}, {"static_argnums": (-1,)},
                                     {"static_argnames": "n"}, {"static_argnames": ("n",)}])
def test_static_arguments(options):
    body = Counter(lambda x, n: x * n if n > 1 else x)
    def f(x, n):
        return body(x, n)
    compiled = jit(f, **options)
    assert float(compiled(2.0, 3)) == 6.0
    assert float(compiled(3.0, 3)) == 9.0
    assert body.count == 1
    assert float(compiled(2.0, 1)) == 2.0
    assert body.count == 2
    if "static_argnames" in options:
        assert float(compiled(2.0, n=3)) == 6.0


def test_static_arguments_compare_by_type_too():
    f = jit(lambda x, n: jnp.asarray(isinstance(n, bool)), static_argnums=1)
    assert bool(f(1.0, True)) and not bool(f(1.0, 1)) and bool(f(1.0, True))


def test_donated_arguments_are_deleted():
    f = jit(lambda x, y: x + y, donate_argnums=0)
    x, y = jnp.ones(1000), jnp.ones(1000)
    for _ in range(3):
        out = f(x, y)
        assert x.is_deleted() and not y.is_deleted()
        x = out
    np.testing.assert_array_equal(x, 4.0)
    g = jit(lambda x, y: x + y, donate_argnames="x")
    x = jnp.ones(3)
    g(x=x, y=1.0)
    assert x.is_deleted()


def test_large_constants_stay_arguments():
    big = jnp.asarray(np.random.default_rng(0).standard_normal(300000).astype(np.float32))
    traced = jit(lambda x: x * big).trace(1.0)
    assert len(traced.jaxpr.consts) == 1 and traced.jaxpr.consts[0] is big


def test_functions_keep_their_name_and_documentation():
    @jit
    def documented(x):
        """What it does."""
        return x
    assert documented.__name__ == "documented" and documented.__doc__ == "What it does."
    assert "name=documented" in str(arrax.make_jaxpr(documented)(1.0))


def test_methods_can_be_jitted():
    class Model:
        def __init__(self, scale):
            self.scale = scale

        @functools.partial(jit, static_argnums=0)
        def apply(self, x):
            return x * self.scale
    assert float(Model(2.0).apply(3.0)) == 6.0 and float(Model(4.0).apply(3.0)) == 12.0


def test_stages():
    f = jit(lambda x, y: {"sum": x + y}, static_argnums=())
    x = jnp.ones((2, 3))
    traced = f.trace(x, 1.0)
    assert traced.out_info["sum"] == arrax.ShapeDtypeStruct((2, 3), jnp.float32)
    lowered = traced.lower()
    compiled = lowered.compile()
    np.testing.assert_array_equal(compiled(x, 1.0)["sum"], 2.0)
    assert "add" in lowered.as_text() and compiled.as_text()
    assert compiled.in_tree == traced.in_tree
    assert compiled.cost_analysis()
    assert f.eval_shape(x, 2.0)["sum"].shape == (2, 3)
    struct = arrax.ShapeDtypeStruct((4,), jnp.int32)
    assert f.lower(struct, struct).out_info["sum"].dtype == np.int32


def test_clear_cache_and_disable_jit():
    body = Counter(lambda x: x + 1)
    f = jit(body)
    f(1.0)
    f.clear_cache()
    f(1.0)
    assert body.count == 2
    with arrax.disable_jit():
        f(1.0)
        f(1.0)
    assert body.count == 4
    f(1.0)
    assert body.count == 4


def test_flags_that_change_programs_change_the_signature():
    f = jit(lambda x: x * 2.0)
    assert f(1.0).dtype == np.float32
    with arrax.enable_x64(True):
        assert f(1.0).dtype == np.float64
    assert f(1.0).dtype == np.float32


def test_inline_leaves_no_call():
    inner = jit(lambda x: jnp.sin(x), inline=True)
    assert "jit" not in str(arrax.make_jaxpr(lambda x: inner(x))(1.0))


def test_exceptions_leave_the_cache_usable():
    def f(x, fail):
        if fail:
            raise ValueError("no")
        return x + 1
    compiled = jit(f, static_argnums=1)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            compiled(1.0, True)
        assert float(compiled(1.0, False)) == 2.0


def test_programs_die_with_their_function():
    def make():
        big = jnp.ones(1000)
        f = jit(lambda x: x + big)
        f(big)
        return weakref.ref(f)
    reference = make()
    gc.collect()
    assert reference() is None


def test_dropped_programs_do_not_pile_up():
    def step(i):
        jit(lambda x: x + i)(jnp.ones(4))
    step(0)
    gc.collect()
    before = len(gc.get_objects())
    for i in range(5):
        step(i)
    gc.collect()
    assert len(gc.get_objects()) - before < 400


def test_nested_jit_under_all_transformations():
    inner = jit(lambda x: jnp.sin(x) * x)

    @jit
    def outer(x):
        return inner(x) + inner(2 * x)
    plain = lambda x: jnp.sin(x) * x + jnp.sin(2 * x) * 2 * x
    for transform in (lambda f: f, arrax.grad, lambda f: arrax.grad(arrax.grad(f)),
                      lambda f: lambda x: arrax.jvp(f, (x,), (1.0,))[1],
                      lambda f: lambda x: arrax.vmap(f)(jnp.stack([x, x]))[1]):
        np.testing.assert_allclose(transform(outer)(0.7), transform(plain)(0.7), rtol=1e-5)
