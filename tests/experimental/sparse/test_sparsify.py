"""`sparsify`: dense functions on sparse arrays, traced to a program or by tracers."""
from __future__ import annotations

import operator
from typing import Any

import arrax
import numpy as np
import pytest
from arrax import lax
from arrax import numpy as jnp
from arrax.experimental.sparse import BCOO, BCSR, SparseTracer, sparsify, todense
from arrax.experimental.sparse.transform import (SparsifyEnv, SparsifyValue, arrays_to_spvalues,
                                                 eval_sparse, sparsify_raw, spvalues_to_arrays,
                                                 spvalues_to_avals)

from tests.experimental.sparse.layouts import arrays, check, dense

X, Y = dense((4, 3)), dense((4, 3), seed=8)
V = jnp.arange(3.)


@arrax.custom_jvp
def squared(x: Any) -> Any:
    return x ** 2


squared.defjvp(lambda p, t: (p[0] ** 2, 2 * t[0] * p[0]))

FUNCTIONS = {
    "chain": lambda x: -jnp.sin(3 * x).T @ jnp.arange(4.),
    "sums": lambda x: (x.sum(), x.sum(0), x.sum((0, 1))),
    "moves": lambda x: lax.rev(x.reshape(2, 6).T, (0,))[1:4],
    "stack": lambda x: jnp.stack([x, 2 * x], 1),
    "hstack": lambda x: jnp.hstack([x, x]),
    "dynamic slice": lambda x: lax.dynamic_slice(x, (1, 0), (2, 2)),
    "items": lambda x: x[jnp.array([0, 2])],
    "products": lambda x: (x @ V, jnp.arange(4.) @ x, (x.T @ x), x * X, x * x, x / 2),
    "sums of both": lambda x: (x + X, x - 2 * x, X - x),
    "jit": arrax.jit(lambda x: 2 * x),
    "custom_jvp": squared,
    "todense": lambda x: jnp.cos(todense(x)),
    "grad": arrax.grad(lambda x: (squared(x)).sum()),
    "while_loop": lambda x: lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, 2 * c[1]),
                                           (0, x)),
    "fori_loop": lambda x: lax.fori_loop(0, 3, lambda i, v: x.T @ (x @ v) / 100., V),
    "scan": lambda x: lax.scan(lambda c, s: (c * s, (c @ V).sum()), x, jnp.arange(1., 4.)),
    "cond": lambda x: lax.cond(V[0] > 1, lambda y: y, lambda y: 3 * y, x),
    "astype": lambda x: x.astype("float16"),
}


@pytest.mark.parametrize("use_tracer", [False, True])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str, use_tracer: bool) -> None:
    f = FUNCTIONS[name]
    check(sparsify(f, use_tracer=use_tracer), f, next(arrays((4, 3))), jit=not use_tracer,
          grad=False)


KEEP_ZERO = [jnp.sin, jnp.tan, jnp.arctan, jnp.sinh, jnp.tanh, jnp.arcsinh, jnp.expm1, jnp.sign,
             jnp.abs, jnp.square, jnp.negative, lax.erf, jnp.cbrt, jnp.conj, jnp.floor]


@pytest.mark.parametrize("function", KEEP_ZERO, ids=lambda f: f.__name__)
def test_operations_that_keep_zeros(function: Any) -> None:
    for mat in (next(arrays((4, 3))), BCSR.fromdense(X)):
        found = sparsify(function)(mat)
        assert type(found) is type(mat)
        np.testing.assert_allclose(found.todense(), function(X), rtol=1e-6)


def test_linear_operations_keep_duplicates() -> None:
    mat = next(arrays((4, 3)))
    assert sparsify(jnp.negative)(mat).indices is mat.indices
    assert sparsify(lambda x: x.astype(int))(mat).todense().tolist() == X.astype(int).tolist()


def test_what_functions_see() -> None:
    sparsify(lambda x: isinstance(x, SparseTracer) and 1 / 0)(jnp.arange(3))
    seen = []
    sparsify(lambda x: seen.append(x) or x, use_tracer=True)(jnp.arange(3))
    assert isinstance(seen[0], SparseTracer) and seen[0].shape == (3,)


def test_values_of_an_environment() -> None:
    x = jnp.arange(5)
    mat = BCOO.fromdense(x)
    env = SparsifyEnv()
    values = arrays_to_spvalues(env, (x, mat, mat))
    assert values == (SparsifyValue((5,), 0),
                      SparsifyValue((5,), 1, 2, indices_sorted=True, unique_indices=True),
                      SparsifyValue((5,), 3, 4, indices_sorted=True, unique_indices=True))
    assert values[0].is_dense() and values[1].is_bcoo() and not values[1].is_bcsr()
    back = spvalues_to_arrays(env, values)
    np.testing.assert_array_equal(back[1].todense(), x)
    assert spvalues_to_avals(env, values)[2].shape == (5,)

    shared = SparsifyEnv([mat.indices, mat.data, 2 * mat.data])
    a, b = (shared.sparse(mat.shape, data_ref=k, indices_ref=0, unique_indices=True)
            for k in (1, 2))
    for function in (operator.add, operator.sub, operator.mul):
        (out,), _ = sparsify_raw(function)(shared, a, b)
        result = spvalues_to_arrays(shared, out)
        assert result.nse == mat.nse
        np.testing.assert_array_equal(result.todense(), function(x, 2 * x))
    jaxpr = arrax.make_jaxpr(lambda y: 2 * y)(x)
    (out,) = eval_sparse(jaxpr.jaxpr, jaxpr.consts, [a], shared)
    np.testing.assert_array_equal(spvalues_to_arrays(shared, out).todense(), 2 * x)


ERRORS = {
    "dense output": (jnp.cos, (X,), "sparse rule for cos is not implemented because it would"),
    "no rule": (lax.complex, (X, X), r"sparse rule for complex is not implemented\."),
    "power": (lambda x: x ** -1, (X,), "integer_pow with non-positive exponent"),
    "add": (lambda x: x + 1., (X,), "Addition between a sparse array X and a dense array Y"),
    "divide": (lambda x: 1 / x, (X,), "Division by a sparse array"),
    "join": (lambda x: jnp.hstack([x, jnp.asarray(X)]), (X,), "sparse and dense arrays"),
    "scan": (lambda x: lax.scan(lambda c, r: (c, r), 0, x), (X,), "must be a batch axis"),
}


@pytest.mark.parametrize("use_tracer", [False, True])
@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str, use_tracer: bool) -> None:
    function, args, message = ERRORS[name]
    with pytest.raises(NotImplementedError, match=message):
        sparsify(function, use_tracer=use_tracer)(*map(BCOO.fromdense, args))


def test_branches_must_agree() -> None:
    f = sparsify(lambda x, y: lax.cond(False, lambda z: z[0], lambda z: z[1], (x, y)))
    f(BCOO.fromdense(X), BCOO.fromdense(X))
    with pytest.raises(TypeError, match="sparsified true_fun output must have same type structure"):
        f(BCOO.fromdense(X), X)
