"""Exported functions: the same values after a way through bytes, here and in another process."""
from __future__ import annotations

import collections
import re
import subprocess
import sys
from typing import NamedTuple

import arrax
import arrax.numpy as jnp
import numpy as np
import pytest

from arrax import export, lax
from arrax.extend import core
from arrax.interpreters import mlir
from arrax.sharding import Mesh, NamedSharding, PartitionSpec
from tests.ops.all_rows import all_rows

X = np.arange(4, dtype=np.float32)


def through_bytes(function, vjp_order=0, **options):
    def make(*args, **kwargs):
        exported = export.export(function, **options)(*args, **kwargs)
        return export.deserialize(exported.serialize(vjp_order=vjp_order))
    return make


def symbolic(text, dtype=np.float32, **options):
    return arrax.ShapeDtypeStruct(export.symbolic_shape(text, **options), dtype)


ROWS = {name: row for name, row in all_rows().items() if row.name != "pure_callback"}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_programs_survive_the_way_through_bytes(row):
    """Every primitive with its parameters: the program's text tells that nothing is lost."""
    exported = export.export(arrax.jit(row.function))(*row.operands)
    again = export.deserialize(exported.serialize())
    assert str(again._program) == str(exported._program)
    assert (again.in_avals, again.out_avals) == (exported.in_avals, exported.out_avals)


def test_another_process_runs_it(tmp_path):
    table = jnp.arange(12.0).reshape(3, 4)

    @arrax.jit
    def model(params, x):
        hidden = arrax.nn.relu(x @ params["w"] + params["b"])
        return {"y": lax.fori_loop(0, 3, lambda i, h: jnp.sin(h), hidden) @ table}

    params = {"w": np.ones((2, 3), np.float32), "b": np.zeros(3, np.float32)}
    exported = export.export(model)(params, symbolic("batch, 2"))
    (tmp_path / "model").write_bytes(exported.serialize(vjp_order=1))
    program = f"""
import numpy as np, arrax
from arrax import export
f = export.deserialize(open({str(tmp_path / "model")!r}, "rb").read())
params = {{"w": np.ones((2, 3), np.float32), "b": np.zeros(3, np.float32)}}
for batch in (1, 5):
    print(f.call(params, np.ones((batch, 2), np.float32))["y"].sum())
print(arrax.grad(lambda p: f.call(p, np.ones((2, 2), np.float32))["y"].sum())(params)["b"])
"""
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True,
                         text=True)
    batches = [model(params, np.ones((n, 2), np.float32))["y"].sum() for n in (1, 5)]
    slope = arrax.grad(lambda p: model(p, np.ones((2, 2), np.float32))["y"].sum())(params)["b"]
    assert out.stdout.split("\n")[:3] == [str(batches[0]), str(batches[1]), str(slope)]


def test_what_an_export_tells():
    @arrax.jit
    def my_fun(x, *, y):
        return (x, y)
    exported = through_bytes(my_fun)(X, y=jnp.int32(3))
    assert exported.fun_name == "my_fun" and exported.platforms == ("cpu",)
    assert exported.in_tree == arrax.tree.structure(((1,), {"y": 1}))
    assert exported.out_tree == arrax.tree.structure((1, 1))
    assert [str(a) for a in exported.in_avals] == ["float32[4]", "int32[]"]
    assert not exported.uses_global_constants and not exported.has_vjp()
    assert "stablehlo.sine" in export.export(jnp.sin)(X).mlir_module()


@pytest.mark.parametrize("make", [
    lambda f: lambda x: f.call(x), lambda f: arrax.jit(f.call), lambda f: lambda x: arrax.vmap(
        f.call)(jnp.stack([x, x]))[1], lambda f: through_bytes(arrax.jit(f.call))(X).call],
    ids=["eager", "jit", "vmap", "exported again"])
def test_calls_can_be_transformed(make):
    exported = through_bytes(arrax.jit(lambda x: jnp.cumsum(x) * 2))(X)
    np.testing.assert_allclose(make(exported)(X), np.cumsum(X) * 2)


def test_derivatives_of_given_orders():
    cube = through_bytes(arrax.jit(lambda x: x ** 3), vjp_order=2)(jnp.float32(1)).call
    assert arrax.grad(cube)(4.0) == 48 and arrax.grad(arrax.grad(cube))(4.0) == 24
    with pytest.raises(ValueError, match="No VJP is available"):
        arrax.grad(arrax.grad(arrax.grad(cube)))(4.0)
    with pytest.raises(TypeError, match="forward-mode"):
        arrax.jvp(cube, (4.0,), (1.0,))


def test_custom_rules_make_the_exported_derivative():
    @arrax.custom_vjp
    def twice(x):
        return x * 2
    twice.defvjp(lambda x: (x * 2, None), lambda _, g: (g * 100,))
    exported = through_bytes(arrax.jit(lambda x: twice(x).sum()), vjp_order=1)(symbolic("n"))
    np.testing.assert_array_equal(arrax.grad(exported.call)(X), np.full(4, 100))


def test_integer_arguments_have_no_derivative():
    exported = through_bytes(arrax.jit(lambda i, x: (2 * i, x[i] ** 2)), vjp_order=1)(
        jnp.int32(1), X)
    outs, backward = arrax.vjp(exported.call, jnp.int32(1), X)
    ct_i, ct_x = backward((np.zeros((), arrax.float0), jnp.float32(1)))
    assert ct_i.dtype == arrax.float0
    np.testing.assert_array_equal(ct_x, [0, 2, 0, 0])


# ---- symbolic shapes -----------------------------------------------------------------------------

SYMBOLIC = [
    ("reshape", lambda x: x.reshape(-1, 2), "2*a, b", (4, 3)),
    ("mean", lambda x: x.mean(0), "a, b", (4, 3)),
    ("size as a value", lambda x: x * x.shape[0] / (x.shape[1] + 1), "a, b", (4, 3)),
    ("ranges", lambda x: x + jnp.arange(x.shape[1]) * jnp.arange(1, 2 * x.shape[0], 2)[:, None],
     "a, b", (4, 3)),
    ("slices", lambda x: (x[1:], x[::-1], x[::2, :-1], x[-1], x[:, 0]), "a, b", (4, 3)),
    ("updates", lambda x: x.at[1:, -1].set(0.0).at[0].add(2.0), "a, b", (4, 3)),
    ("concatenate", lambda x: jnp.concatenate([x, x[:1], jnp.zeros((x.shape[1], x.shape[1]))]),
     "a, b", (4, 3)),
    ("pad", lambda x: jnp.pad(x, ((0, x.shape[1]), (1, 0))), "a, b", (4, 3)),
    ("pad by places", lambda x: [jnp.pad(x, ((0, x.shape[1]), (1, x.shape[0] - 1)), mode=mode)
                                 for mode in ("edge", "reflect", "wrap", "symmetric")],
     "a, b", (4, 3)),
    ("layer norm", lambda x: (x - x.mean(1, keepdims=True)) / jnp.std(x, 1, keepdims=True),
     "a, b", (4, 3)),
    ("attention", lambda x: arrax.nn.dot_product_attention(
        *[x.reshape(1, x.shape[0], 1, x.shape[1])] * 3, is_causal=True), "a, b", (4, 3)),
    ("statistics", lambda x: (jnp.median(x, 0), jnp.corrcoef(x), jnp.histogram(x[0], 4)[0]),
     "a, b", (4, 3)),
    ("copies", lambda x: (jnp.tile(x, (2, x.shape[0])), jnp.repeat(x, 3, 0), jnp.outer(x[0], x)),
     "a, b", (4, 3)),
    ("matrices", lambda x: (jnp.linspace(0, 1, x.shape[0]), jnp.eye(x.shape[0]), jnp.tril(x),
                            jnp.diag(x[0]), jnp.meshgrid(x[0], x[:, 0])), "a, b", (4, 3)),
    ("searches", lambda x: (jnp.searchsorted(jnp.sort(x[0]), x[:, 0]), jnp.nonzero(
        x[0], size=2), jnp.unique(x[0], size=3)), "a, b", (4, 3)),
    ("loops", lambda x: lax.fori_loop(0, x.shape[0], lambda i, c: c + x[i],
                                      jnp.zeros(x.shape[1])), "a, b", (4, 3)),
    ("pooling", lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (2, 2), (2, 2), "VALID"),
     "2*a, b", (4, 3)),
    ("products", lambda x: (x.T @ x, jnp.einsum("ij,kj->ik", x, x)), "a, b", (4, 3)),
    ("sorting", lambda x: (jnp.sort(x, 0), jnp.argmax(x, 1), jnp.cumsum(x, 0)), "a, b", (4, 3)),
    ("softmax", lambda x: arrax.nn.softmax(x, 1), "a, b", (4, 3)),
    ("vmap", lambda x: arrax.vmap(lambda row: row / row.sum())(x), "a, b", (4, 3)),
    ("scan", lambda x: lax.scan(lambda c, row: (c + row, c), jnp.zeros(x.shape[1]), x), "a, b",
     (4, 3)),
    ("grad", lambda x: arrax.grad(lambda y: (jnp.sin(y) @ y.T).sum())(x), "a, b", (4, 3)),
    ("take", lambda x: (jnp.take_along_axis(x, jnp.argsort(x, 0), 0), x[jnp.array([0, -1])]),
     "a, b", (4, 3)),
    ("random", lambda x: arrax.random.normal(arrax.random.key(0), x.shape), "a, b", (4, 3)),
    ("expressions", lambda x: jnp.ones((x.shape[0] // 2 + 1, x.shape[1] % 2, x.shape[0] ** 2)),
     "a, b", (4, 3)),
    ("split", lambda x: jnp.split(x, 2), "2*a, b", (4, 3)),
    ("convolution", lambda x: lax.conv_general_dilated(
        x[None, None], jnp.ones((1, 1, 3, 3)), (1, 1), "SAME"), "a, b", (4, 3)),
    ("linear algebra", lambda x: jnp.linalg.solve(x @ x.T + jnp.eye(x.shape[0]), x), "a, b",
     (4, 3)),
]


@pytest.mark.parametrize("function, spec, shape", [row[1:] for row in SYMBOLIC],
                         ids=[row[0] for row in SYMBOLIC])
def test_one_program_serves_all_shapes(function, spec, shape):
    exported = through_bytes(arrax.jit(function))(symbolic(spec))
    for scale in (1, 2):
        x = np.linspace(0, 1, scale ** 2 * 12, dtype=np.float32).reshape(
            [scale * size for size in shape])
        found, expected = exported.call(x), arrax.jit(function)(x)
        assert arrax.tree.structure(found) == arrax.tree.structure(expected)
        for one, other in zip(arrax.tree.leaves(found), arrax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


DIFFERENTIATED = [
    ("embedding", lambda p, i: arrax.nn.log_softmax(p[i] @ p.T), ("_, _", "b, t"),
     (np.eye(5, 3, dtype=np.float32), np.array([[0, 4], [2, 2]], np.int32))),
    ("pooling", lambda p, x: lax.reduce_window(
        x * p, -jnp.inf, lax.max, (1, 2), (1, 2), "VALID"), ("_", "b, 2*c"),
     (np.float32(2), np.arange(8, dtype=np.float32).reshape(2, 4))),
    ("cholesky", lambda x: jnp.linalg.cholesky(x @ x.T + jnp.eye(x.shape[0])), ("a, b",),
     (np.arange(6, dtype=np.float32).reshape(2, 3),)),
    ("slices", lambda x: jnp.roll(x, 1, 0)[1:] * x[:-1], ("a, b",),
     (np.arange(6, dtype=np.float32).reshape(2, 3),))]


@pytest.mark.parametrize("function, specs, args", [row[1:] for row in DIFFERENTIATED],
                         ids=[row[0] for row in DIFFERENTIATED])
def test_derivatives_serve_all_shapes(function, specs, args):
    specs = export.symbolic_args_specs(args, specs if np.ndim(args[0]) else (None, *specs[1:]))
    exported = through_bytes(arrax.jit(function), vjp_order=1)(*specs)
    found = arrax.grad(lambda *a: (exported.call(*a) ** 2).sum())(*args)
    np.testing.assert_allclose(found, arrax.grad(lambda *a: (function(*a) ** 2).sum())(*args),
                               rtol=1e-4, atol=1e-5)


def test_shapes_of_results_are_expressions():
    exported = export.export(arrax.jit(lambda x, y: jnp.concatenate([x, y])))(
        *export.symbolic_args_specs((np.ones((4, 2)), np.ones((2, 2))), ("2*w, h", "w, h")))
    assert str(exported.out_avals[0].shape) == "(3*w, h)" and exported.uses_global_constants


@pytest.mark.parametrize("spec, shape, message", [
    ("3, b", (4, 5), r"Shape mismatch for args[0].shape[0] (expected same constant)"),
    ("a, b", (4,), "Rank mismatch for args[0]"),
    ("a, a", (4, 5), "Found inconsistency between dimension size args[0].shape[1] (= 5) and the "
                     "specification 'a' (= 4)"),
    ("2*a, b", (5, 1), "Division had remainder 1 when computing the value of 'a'"),
    ("a + 4, b", (4, 1), "Expected value >= 1 for dimension variable 'a'"),
    ("a, b", (2, 2), "Expected 'a - 3' to be greater or equal to 0, but found -1")])
def test_shapes_that_do_not_fit(spec, shape, message):
    exported = through_bytes(arrax.jit(lambda x: x))(symbolic(spec, constraints=["a >= 3"]
                                                              if message.startswith("Expected '")
                                                              else []))
    with pytest.raises(ValueError, match=re.escape(message)):
        exported.call(np.ones(shape, np.float32))


def test_variables_must_follow_from_shapes():
    with pytest.raises(ValueError, match="Cannot solve for values of dimension variables {'a'}"):
        export.export(arrax.jit(lambda x: x))(symbolic("a*a"))
    with pytest.raises(ValueError, match="Encountered dimension variable 'm1'"):
        export.export(arrax.jit(lambda x: x))(symbolic("m", constraints=["m >= m1"]))
    with pytest.raises(ValueError, match=r"(?s)when exporting f.*\(from args\[0\]\)"):
        def f(x, y):
            return x + y
        export.export(arrax.jit(f))(symbolic("a"), symbolic("a"))


# ---- structures and bytes ------------------------------------------------------------------------

class Point(NamedTuple):
    x: float
    y: float


def test_registered_types_of_pytrees():
    with pytest.raises(ValueError, match="Cannot serialize .* unregistered type .*Point"):
        export.export(arrax.jit(lambda p: p))(Point(1, 2)).serialize()
    export.register_namedtuple_serialization(Point, serialized_name="tests.Point")
    nest = collections.OrderedDict(b=Point(1, 2), a=[None, {"k": (3.0,)}])
    exported = through_bytes(arrax.jit(lambda tree: tree))(nest)
    assert arrax.tree.structure(exported.call(nest)) == arrax.tree.structure(nest)
    with pytest.raises(ValueError, match="Duplicate serialization registration"):
        export.register_namedtuple_serialization(Point, serialized_name="tests.Other")
    with pytest.raises(TypeError, match="only for dictionaries with string keys"):
        through_bytes(arrax.jit(lambda d: d))({1: X})


@pytest.mark.parametrize("damage, message", [
    (lambda b: b[:-3], "damaged"), (lambda b: b[:60] + b"x" + b[61:], "damaged"),
    (lambda b: b"pickle" + b, "no exported program"), (lambda b: b"", "no exported program"),
    (lambda b: b[:13] + b"\x09" + b[14:], "in format 9")])
def test_other_bytes_are_refused(damage, message):
    blob = bytes(export.export(arrax.jit(jnp.sin))(X).serialize())
    with pytest.raises(ValueError, match=message):
        export.deserialize(bytearray(damage(blob)))


@pytest.mark.parametrize("call, error, message", [
    (lambda: export.export(lambda x: x), ValueError, "must be the result of `jit`"),
    (lambda: export.export(arrax.jit(lambda x: arrax.pure_callback(np.sin, x, x)))(X), ValueError,
     "Cannot serialize code with custom calls"),
    (lambda: export.export(arrax.jit(jnp.sin), platforms=("tpu",))(X).call(X), ValueError,
     "was exported for platforms"),
    (lambda: export.export(arrax.jit(jnp.sin))(X).call(X, X), ValueError, "same pytree structure"),
    (lambda: export.export(arrax.jit(jnp.sin))(X).call(X.astype(int)), ValueError,
     r"Dtype mismatch for args\[0\]")])
def test_bad_uses_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_primitives_of_programs_are_exported_by_their_lowerings():
    triple_p = core.Primitive("triple")
    triple_p.def_abstract_eval(lambda x: x)
    mlir.register_lowering(triple_p, mlir.lower_fun(lambda x: 3 * x, multiple_results=False))
    exported = through_bytes(arrax.jit(lambda x: triple_p.bind(x) + 1))(symbolic("n"))
    np.testing.assert_array_equal(exported.call(X), 3 * X + 1)
    silent_p = core.Primitive("silent")
    silent_p.def_abstract_eval(lambda x: x)
    with pytest.raises((ValueError, NotImplementedError), match="silent"):
        export.export(arrax.jit(silent_p.bind))(X)


MESH = Mesh(np.array(arrax.devices()[:1]), ("i",))


@pytest.mark.parametrize("function", [
    lambda x: lax.with_sharding_constraint(x, NamedSharding(MESH, PartitionSpec("i"))) * 2,
    arrax.shard_map(lambda x: lax.psum(x, "i") * 2, mesh=MESH, in_specs=PartitionSpec("i"),
                    out_specs=PartitionSpec()),
    lambda x: arrax.device_put(x, arrax.devices()[0]) * 2],
    ids=["constraint", "shard_map", "device_put"])
def test_placement_is_written_without_devices(function):
    exported = through_bytes(arrax.jit(function), vjp_order=1)(X)
    np.testing.assert_array_equal(exported.call(X), 2 * X)
    slope = arrax.grad(lambda x: exported.call(x).sum())(X)
    np.testing.assert_array_equal(slope, np.full(4, 2))


def test_checks_can_be_disabled():
    exported = through_bytes(arrax.jit(jnp.sin), platforms=("tpu",), disabled_checks=[
        export.DisabledSafetyCheck.platform()])(X)
    np.testing.assert_array_equal(exported.call(X), jnp.sin(X))
