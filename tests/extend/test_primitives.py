"""Primitives that programs declare, under all transformations, and the tables of rules."""
from __future__ import annotations

from typing import Any

import arrax
import arrax.numpy as jnp
import numpy as np
import pytest
from arrax import lax
from arrax.core.primitive import registry
from arrax.extend import core
from arrax.extend.core import primitives
from arrax.interpreters import ad, batching, mlir, xla
from arrax.interpreters import partial_eval as pe


def multiply_add() -> core.Primitive:
    """x * y + z, with every rule, as JAX's documentation teaches."""
    p = core.Primitive("multiply_add")
    p.def_impl(lambda x, y, z: jnp.asarray(np.asarray(x) * np.asarray(y) + np.asarray(z)))
    p.def_abstract_eval(lambda x, y, z: core.mapped_aval(1, None, x))

    def jvp(primals: Any, tangents: Any) -> Any:
        (x, y, z), (dx, dy, dz) = primals, map(ad.instantiate_zeros, tangents)
        return p.bind(x, y, z), p.bind(dx, y, p.bind(x, dy, dz))

    def transpose(ct: Any, x: Any, y: Any, z: Any) -> Any:
        assert not (ad.is_undefined_primal(x) and ad.is_undefined_primal(y))
        zero = jnp.zeros_like(ct)
        if ad.is_undefined_primal(x):
            return p.bind(ct, y, zero), None, ct
        return None, p.bind(x, ct, zero) if ad.is_undefined_primal(y) else None, ct

    def batch(args: Any, dims: Any) -> Any:
        size = next(x.shape[d] for x, d in zip(args, dims) if d is not None)
        return p.bind(*(batching.bdim_at_front(x, d, size) for x, d in zip(args, dims))), 0
    ad.primitive_jvps[p] = jvp
    ad.primitive_transposes[p] = transpose
    batching.primitive_batchers[p] = batch
    mlir.register_lowering(p, mlir.lower_fun(lambda x, y, z: jnp.where(x == x, x * y, 0) + z,
                                             multiple_results=False))
    return p


P = multiply_add()
X, Y, Z = jnp.array([1., 2.]), jnp.array([3., 4.]), jnp.array([5., 6.])


def call(x: Any, y: Any, z: Any) -> Any:
    return P.bind(x, y, z)


def plain(x: Any, y: Any, z: Any) -> Any:
    return x * y + z


@pytest.mark.parametrize("transform", [
    lambda f: f, arrax.jit,
    lambda f: arrax.grad(lambda *a: f(*a).sum()),
    lambda f: arrax.jit(arrax.grad(lambda *a: f(*a).sum(), argnums=1)),
    lambda f: arrax.jit(arrax.vmap(f)),
    lambda f: lambda x, y, z: arrax.vmap(f, in_axes=(0, None, None))(x, y[0], z[0]),
    lambda f: lambda *a: arrax.jvp(f, a, a)[1],
    arrax.jacfwd, arrax.jacrev, lambda f: arrax.jit(arrax.hessian(lambda *a: f(*a).sum())),
    arrax.checkpoint,
    lambda f: lambda *a: lax.scan(lambda c, _: (f(c, a[1], a[2]), None), a[0], None, length=3)[0],
    lambda f: lambda *a: lax.cond(True, f, lambda *_: a[0], *a),
])
def test_transformations(transform: Any) -> None:
    np.testing.assert_allclose(transform(call)(X, Y, Z), transform(plain)(X, Y, Z), rtol=1e-6)


def test_jaxpr_shows_its_name() -> None:
    assert "multiply_add a b c" in str(arrax.make_jaxpr(call)(X, Y, Z))
    assert "multiply_add" not in registry
    assert isinstance(lax.sin_p, core.Primitive) and isinstance(P, core.Primitive)
    assert not isinstance(3, core.Primitive)


@pytest.mark.parametrize("use, message", [
    (lambda p: p.bind(1.0), "Evaluation rule for 'bare' not implemented"),
    (lambda p: arrax.make_jaxpr(p.bind)(1.0), "Abstract evaluation for 'bare' not implemented"),
    (lambda p: arrax.grad(lambda x: p.bind(x))(1.0), "Differentiation rule for 'bare' not impl"),
    (lambda p: arrax.vmap(lambda x: p.bind(x))(X), "Batching rule for 'bare' not implemented"),
])
def test_absent_rules_are_named(use: Any, message: str) -> None:
    with pytest.raises(NotImplementedError, match=message):
        use(core.Primitive("bare"))


def test_absent_lowering_is_named() -> None:
    p = core.Primitive("unlowered")
    p.def_abstract_eval(lambda x: x)
    with pytest.raises(NotImplementedError, match="rule for primitive 'unlowered' not found"):
        arrax.jit(p.bind)(1.0)


def test_several_results_and_class_attributes() -> None:
    class Pair(core.Primitive):
        multiple_results = True
    p = Pair("pair")
    p.def_abstract_eval(lambda x: [x, x])
    p.def_impl(lambda x: xla.apply_primitive(p, x))
    mlir.register_lowering(p, mlir.lower_fun(lambda x: [x + 1, x * 2]))
    ad.primitive_jvps[p] = lambda primals, tangents: (p.bind(*primals), p.bind(*tangents))
    batching.primitive_batchers[p] = lambda args, dims: (p.bind(*args), dims * 2)
    for wrap in (lambda f: f, arrax.jit, arrax.vmap):
        a, b = wrap(p.bind)(X)
        np.testing.assert_allclose(a, X + 1)
        np.testing.assert_allclose(b, X * 2)


def test_rules_that_only_pass_values_on() -> None:
    """A lowering may be written by hand, if it builds no MLIR."""
    p = core.Primitive("same")
    p.def_impl(lambda x: x)
    p.def_abstract_eval(lambda x: x)
    mlir.register_lowering(p, lambda context, x: [x])
    assert arrax.jit(p.bind)(3.0) == 3.0


def test_linear_and_bilinear_definitions() -> None:
    twice = core.Primitive("twice")
    twice.def_impl(lambda x: x * 2)
    twice.def_abstract_eval(lambda x: x)
    ad.deflinear(twice, lambda ct: [twice.bind(ct)])
    batching.defvectorized(twice)
    product = core.Primitive("product")
    product.def_impl(lambda x, y: x * y)
    product.def_abstract_eval(lambda x, y: x)
    ad.defbilinear(product, lambda ct, x, y: product.bind(ct, y),
                   lambda ct, x, y: product.bind(x, ct))
    batching.defbroadcasting(product)
    assert arrax.grad(twice.bind)(3.0) == 2
    assert arrax.grad(product.bind, argnums=(0, 1))(3.0, 4.0) == (4.0, 3.0)
    np.testing.assert_allclose(arrax.vmap(product.bind, in_axes=(0, None))(X, 2.0), X * 2)
    np.testing.assert_allclose(arrax.vmap(twice.bind)(X), X * 2)


def test_reducers_move_their_axes() -> None:
    total = core.Primitive("total")
    total.def_impl(lambda x, axes: jnp.sum(x, axes))
    batching.defreducer(total)
    x = jnp.arange(24.).reshape(2, 3, 4)
    for dim in range(3):
        got = arrax.vmap(lambda a: total.bind(a, axes=(1,)), in_axes=dim)(x)
        np.testing.assert_allclose(got, np.moveaxis(x, dim, 0).sum(2))


def test_tables_show_and_take_rules() -> None:
    assert lax.sin_p in ad.primitive_jvps and lax.add_p in batching.primitive_batchers
    assert lax.sin_p not in ad.primitive_transposes and len(ad.primitive_transposes) > 20
    out, dim = batching.primitive_batchers[lax.sin_p]((X,), (0,))
    assert dim == 0 and out.shape == (2,)
    p = core.Primitive("new")
    rule = ad.primitive_jvps[p] = lambda primals, tangents: (primals[0], tangents[0])
    assert ad.primitive_jvps[p] is rule and p in list(ad.primitive_jvps)
    batcher = batching.primitive_batchers[p] = lambda args, dims: (args[0], dims[0])
    assert batching.primitive_batchers[p] is batcher
    del ad.primitive_jvps[p]
    with pytest.raises(KeyError):
        ad.primitive_jvps.__getitem__(p)
    with pytest.raises(TypeError, match="which is part of arrax, cannot be replaced"):
        mlir.register_lowering(lax.sin_p, lambda context, x: [x])


def test_axis_rules_get_the_axis() -> None:
    p = core.Primitive("sized")
    p.def_impl(lambda x: x)
    batching.fancy_primitive_batchers[p] = lambda axis, args, dims: (args[0] * axis.size, dims[0])
    np.testing.assert_allclose(arrax.vmap(p.bind)(X), X * 2)
    batching.axis_primitive_batchers[p] = lambda size, name, _, args, dims: (args[0] + size, 0)
    np.testing.assert_allclose(arrax.vmap(p.bind)(X), X + 2)


def test_names_of_primitives() -> None:
    assert primitives.sin_p is lax.sin_p and primitives.linear_solve_p is lax.linear_solve_p
    assert primitives.scatter_add_p is lax.scatter_add_p
    assert {"jit_p", "call_p", "remat_p", "add_p"} <= set(dir(primitives))
    with pytest.raises(AttributeError, match="has no attribute 'nothing_p'"):
        primitives.__getattr__('nothing_p')


# ---- interpreters --------------------------------------------------------------------------------

def test_an_interpreter_of_jaxprs() -> None:
    """Inverts a function by walking its jaxpr, as JAX's documentation does."""
    inverse = {lax.exp_p: jnp.log, lax.tanh_p: jnp.arctanh}

    def inverted(jaxpr: core.Jaxpr, consts: Any, y: Any) -> Any:
        env = {jaxpr.outvars[0]: y, **dict(zip(jaxpr.constvars, consts))}
        for eqn in reversed(jaxpr.eqns):
            env[eqn.invars[0]] = inverse[eqn.primitive](env[eqn.outvars[0]])
        return env[jaxpr.invars[0]]
    closed = arrax.make_jaxpr(lambda x: jnp.exp(jnp.tanh(x)))(0.5)
    out = inverted(closed.jaxpr, closed.consts, jnp.exp(jnp.tanh(0.5)))
    np.testing.assert_allclose(out, 0.5, rtol=1e-5)


class CountingTracer(core.concrete_or_error.__globals__["Tracer"]):
    """A tracer of a program's own interpreter."""

    def __init__(self, trace: Any, value: Any):
        super().__init__(trace)
        self.value = value

    @property
    def aval(self) -> Any:
        return arrax.typeof(self.value)


class CountingTrace(arrax.core.Trace):
    """Counts operations, and evaluates them."""

    def __init__(self, parent: Any):
        self.parent, self.count = parent, 0

    def process_primitive(self, primitive: Any, tracers: Any, params: Any) -> Any:
        self.count += 1
        args = [t.value if isinstance(t, CountingTracer) and t._trace is self else t
                for t in tracers]
        with core.set_current_trace(self.parent):
            out = primitive.bind(*args, **params)
        if primitive.multiple_results:
            return [CountingTracer(self, o) for o in out]
        return CountingTracer(self, out)


@pytest.mark.parametrize("outer", [lambda f: f, arrax.jit, arrax.grad])
def test_a_trace_of_ones_own(outer: Any) -> None:
    counts = []

    def run(x: Any) -> Any:
        with core.take_current_trace() as parent:
            trace = CountingTrace(parent)
            with core.set_current_trace(trace):
                y = jnp.sin(CountingTracer(trace, x)) * 2
            counts.append(trace.count)
            return y.value
    np.testing.assert_allclose(outer(run)(1.0), outer(lambda x: jnp.sin(x) * 2)(1.0), rtol=1e-6)
    assert counts == [2]


def test_calls_as_equations() -> None:
    from arrax.extend import linear_util as lu

    def f(x: Any) -> Any:
        return primitives.call_p.bind(lu.wrap_init(lambda a: [jnp.sin(a) * x]), x)[0]
    for wrap in (lambda f: f, arrax.jit, arrax.grad, lambda f: arrax.jit(arrax.grad(f)),
                 lambda f: lambda x: arrax.vmap(f)(x * X)):
        np.testing.assert_allclose(wrap(f)(2.0), wrap(lambda x: jnp.sin(x) * x)(2.0), rtol=1e-6)
    closed = arrax.make_jaxpr(f)(1.0)
    (eqn,) = closed.eqns
    again = eqn.primitive.bind(1.0, 1.0, **eqn.primitive.get_bind_params(eqn.params))
    np.testing.assert_allclose(again[0], jnp.sin(1.0), rtol=1e-6)


def test_trace_state() -> None:
    first = core.get_opaque_trace_state()
    assert first == core.get_opaque_trace_state()

    def f(x: Any) -> Any:
        assert core.get_opaque_trace_state() != first
        assert core.unsafe_am_i_under_a_jit_DO_NOT_USE()
        return x
    arrax.jit(f)(1.0)
    assert not core.unsafe_am_i_under_a_jit_DO_NOT_USE()
    arrax.vmap(lambda x: x if core.unsafe_am_i_under_a_vmap_DO_NOT_USE() else 1 / 0)(X)


def test_partial_tracing() -> None:
    from arrax.extend import linear_util as lu
    known, unknown = pe.PartialVal.known(2.0), pe.PartialVal.unknown(arrax.typeof(3.0))
    jaxpr, outs, consts = pe.trace_to_jaxpr_nounits(
        lu.wrap_init(lambda x, y: [jnp.sin(x), x * y]), [known, unknown])
    assert [o.is_known() for o in outs] == [True, False] and len(jaxpr.eqns) == 1
    np.testing.assert_allclose(outs[0].get_known(), np.sin(2.0), rtol=1e-6)
    jaxpr, avals, consts = pe.trace_to_jaxpr_dynamic(
        lu.wrap_init(lambda x, y: [x + y, x * y]), [arrax.typeof(1.0)] * 2)
    small, used = pe.dce_jaxpr(jaxpr, [True, False])
    assert len(small.eqns) == 1 and used == [True, True]
    core.check_jaxpr(small)
    broken = small.replace(outvars=[core.Var(arrax.typeof(1.0))])
    with pytest.raises(core.JaxprTypeError):
        core.check_jaxpr(broken)
