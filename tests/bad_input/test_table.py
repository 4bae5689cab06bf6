"""Bad input: each row is a mistake that users make, and the error that tells them.

A row names the error's class and pieces of its text (the function or argument, what came, what was
expected). For each row the last frame of the user's own code in the traceback must be in this
file, and afterwards the library must be as it was: the same good program still runs.
"""
from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import errors, grad, jit, lax, vmap
from arrax.core.evaluate import EVAL
from arrax.core.trace import current


@dataclass
class Row:
    """A mistake: a call, the class of its error, and texts that the message must contain."""

    name: str
    call: Callable[[], Any]
    error: type[Exception]
    texts: list[str] = field(default_factory=list)


ones = np.ones
F32 = "float32"


def donated_and_reused() -> Any:
    x = jnp.ones(4)
    jit(lambda x: x + 1, donate_argnums=0)(x)
    return x + 1


def leaked_tracer() -> Any:
    kept = []

    @jit
    def keep(x):
        kept.append(x * 2)
        return x
    keep(1.0)
    return kept[0] + 1


def leaked_into_jit() -> Any:
    kept = []
    jit(lambda x: kept.append(x) or x)(1.0)
    return jit(lambda y: y + kept[0])(2.0)


def branches(one: Callable[[Any], Any], other: Callable[[Any], Any]) -> Callable[[], Any]:
    return lambda: lax.cond(True, one, other, jnp.float32(1.0))


def scan_with(body: Callable[..., Any], init: Any, xs: Any, **keywords: Any) -> Callable[[], Any]:
    return lambda: lax.scan(body, init, xs, **keywords)


ROWS = [
    # wrong shapes
    Row("add shapes", lambda: jnp.ones(3) + jnp.ones(4), TypeError,
        ["add", "incompatible shapes for broadcasting", "(3,)", "(4,)"]),
    Row("lax.add shapes", lambda: lax.add(jnp.ones((3, 2)), jnp.ones((3, 4))), TypeError,
        ["add", "(3, 2)", "(3, 4)"]),
    Row("matmul shapes", lambda: jnp.ones((2, 3)) @ jnp.ones((2, 3)), TypeError,
        ["contracting dimensions", "(3,)", "(2,)"]),
    Row("reshape size", lambda: jnp.ones(6).reshape(4, 2), TypeError,
        ["cannot reshape array of shape (6,)", "(4, 2)"]),
    Row("concatenate shapes", lambda: jnp.concatenate([jnp.ones((2, 2)), jnp.ones((3, 3))]),
        TypeError, ["concatenate", "(2, 2)", "(3, 3)"]),
    Row("stack shapes", lambda: jnp.stack([jnp.ones(2), jnp.ones(3)]), ValueError,
        ["same shape"]),
    Row("broadcast_to", lambda: jnp.broadcast_to(jnp.ones(3), (2, 4)), ValueError,
        ["(3,)", "(2, 4)"]),
    # wrong axes
    Row("sum axis", lambda: jnp.sum(jnp.ones((2, 3)), axis=2), ValueError,
        ["axis 2 is out of bounds for array of dimension 2"]),
    Row("squeeze axis", lambda: jnp.squeeze(jnp.ones((2, 3)), 0), ValueError,
        ["size not equal to one"]),
    Row("transpose permutation", lambda: lax.transpose(jnp.ones((2, 3)), (0, 0)), TypeError,
        ["permutation", "(0, 0)"]),
    Row("vmap axis", lambda: vmap(jnp.sin, in_axes=1)(jnp.ones(3)), ValueError,
        ["axis 1", "rank", "(3,)"]),
    Row("vmap sizes", lambda: vmap(jnp.add)(jnp.ones(3), jnp.ones(4)), ValueError,
        ["vmap got inconsistent sizes", "float32[3]", "float32[4]"]),
    Row("vmap in_axes length", lambda: vmap(jnp.sin, in_axes=(0, 0))(jnp.ones(3)), ValueError,
        ["vmap in_axes", "len(in_axes)=2", "len(args)=1"]),
    Row("vmap in_axes tree", lambda: vmap(lambda d: d["a"], in_axes=({"b": 0},))({"a": ones(3)}),
        ValueError, ["vmap in_axes", "tree prefix"]),
    Row("vmap in_axes bool", lambda: vmap(jnp.sin, in_axes=False)(jnp.ones(3)), TypeError,
        ["must be an int", "False"]),
    Row("pmap in_axes bool", lambda: arrax.pmap(jnp.sin, in_axes=False)(jnp.ones(1)), TypeError,
        ["must be an int", "False"]),
    Row("vmap axis_size", lambda: vmap(jnp.sin, axis_size=2)(jnp.arange(8)), ValueError,
        ["the `axis_size` argument was 2", "one axis had size 8", "int32[8]"]),
    Row("jit names in both", lambda: arrax.jit(lambda x: x, static_argnames="x",
                                               donate_argnames="x"), ValueError,
        ["static_argnames and donate_argnames cannot intersect", "'x'"]),
    Row("jit positional name", lambda: arrax.jit(lambda x, /, y: x, static_argnames="x"),
        ValueError, ["static_argnames", "'x'", "positional-only"]),
    Row("jit staticmethod", lambda: arrax.jit(staticmethod(lambda x: x)), TypeError,
        ["staticmethod arguments are not supported"]),
    Row("jit big int", lambda: arrax.jit(lambda x: x["a"])({"a": 2 ** 40}), OverflowError,
        ["argument path is x['a']", str(2 ** 40)]),
    Row("add big int", lambda: jnp.ones(3) + 2 ** 100, OverflowError, [str(2 ** 100), "int32"]),
    Row("eval_shape output", lambda: arrax.eval_shape(lambda x: (x, object()), 1), TypeError,
        ["output component [1]", "not a valid JAX type"]),
    Row("device_put target", lambda: arrax.device_put(jnp.ones(3), "cpu"), ValueError,
        ["Received invalid value", "'cpu'"]),
    Row("device_put tree", lambda: arrax.device_put({"a": 1, "b": 2}, {"a": [None], "b": (None,)}),
        ValueError, ["tree prefix", "Mismatch details (2 found)", "device['a']"]),
    Row("stop_gradient", lambda: arrax.lax.stop_gradient(abs), TypeError, ["not a valid JAX type"]),
    Row("reduce axes twice", lambda: arrax.lax.reduce(jnp.arange(3), 0, arrax.lax.add, (0, 0)),
        ValueError, ["duplicate value in 'axes'", "(0, 0)"]),
    Row("linear_transpose cotangent", lambda: arrax.linear_transpose(lambda x: 2.0 * x, 1.0)(1j),
        TypeError, ["cotangent type does not match", "1j"]),
    Row("traced index", lambda: arrax.jit(lambda i: [1, 2][i])(0), TypeError,
        ["The __index__() method was called on traced array with shape int32[]"]),
    Row("vmap out_axes None", lambda: vmap(jnp.sin, out_axes=None)(jnp.ones(3)), ValueError,
        ["vmap has mapped output but out_axes is None"]),
    Row("vmap nothing mapped", lambda: vmap(jnp.sin, in_axes=None)(jnp.ones(3)), ValueError,
        ["vmap must have at least one non-None value in in_axes"]),
    Row("unbound axis name", lambda: lax.psum(jnp.ones(3), "i"), NameError,
        ["unbound axis name: i"]),
    Row("pmap too large", lambda: arrax.pmap(jnp.sin)(jnp.ones((1000, 2))), ValueError,
        ["1000", "devices"]),
    # operands of the wrong kind
    Row("shift of floats", lambda: jnp.ones(3) >> 1, TypeError,
        ["shift_right_arithmetic does not accept dtype float32"]),
    Row("equality with a list", lambda: jnp.arange(3) == [0, 1, 2], TypeError,
        ["unsupported operand type(s) for ==", "'list'"]),
    Row("key as index", lambda: jnp.arange(3)[arrax.random.key(0)], TypeError,
        ["Indexer must have integer or boolean type", "key<fry>"]),
    Row("update at a key", lambda: jnp.arange(3).at[arrax.random.key(0)].set(1), TypeError,
        ["Indexer must have integer or boolean type", "key<fry>"]),
    Row("arithmetic on keys", lambda: arrax.random.key(0) + 1, TypeError, ["key<fry>"]),
    Row("product of keys", lambda: jnp.dot(*[arrax.random.split(arrax.random.key(0))] * 2),
        TypeError, ["does not accept dtype key<fry>"]),
    Row("long double", lambda: lax.round(np.longdouble(3)), TypeError, ["round", "longdouble"]),
    Row("long double in a sum", lambda: jnp.ones(3) + np.longdouble(3), TypeError,
        ["longdouble", "numeric types"]),
    Row("text", lambda: jnp.sin(np.str_("a")), TypeError, ["<U1"]),
    Row("date", lambda: jnp.exp(np.datetime64(1, "s")), TypeError, ["datetime64"]),
    Row("argmin of axes", lambda: jnp.argmin(jnp.ones((2, 3)), (0, 1)), TypeError,
        ["'tuple' object cannot be interpreted as an integer", "(0, 1)"]),
    Row("element that is no scalar", lambda: jnp.ones(2) in jnp.ones(3), ValueError,
        ["query value must be a scalar", "(2,)"]),
    # wrong trees
    Row("tree map", lambda: arrax.tree.map(jnp.add, {"a": 1}, {"b": 2}), ValueError, ["a", "b"]),
    Row("vjp cotangent tree", lambda: arrax.vjp(lambda x: (x, x), 1.0)[1](1.0), ValueError,
        ["tree structure of argument to vjp function"]),
    Row("vjp cotangent shape", lambda: arrax.vjp(jnp.sin, jnp.ones(3))[1](jnp.ones(4)), ValueError,
        ["float32[4]", "float32[3]"]),
    Row("jvp trees", lambda: arrax.jvp(jnp.sin, (1.0,), (1.0, 2.0)), TypeError,
        ["same tree structure"]),
    Row("jvp dtypes", lambda: arrax.jvp(jnp.sin, (jnp.ones(2),), (jnp.ones(2, int),)), TypeError,
        ["float32", "int32"]),
    Row("jvp shapes", lambda: arrax.jvp(jnp.sin, (jnp.ones(2),), (jnp.ones(3),)), ValueError,
        ["(2,)", "(3,)"]),
    Row("jvp no tuple", lambda: arrax.jvp(jnp.sin, jnp.ones(2), jnp.ones(2)), TypeError,
        ["must be tuples or lists"]),
    # gradients
    Row("grad of vector", lambda: grad(jnp.sin)(jnp.ones(3)), TypeError,
        ["Gradient only defined for scalar-output functions", "(3,)"]),
    Row("grad of int", lambda: grad(lambda x: x * 1.0)(1), TypeError,
        ["grad requires real- or complex-valued inputs", "int32"]),
    Row("grad to int", lambda: grad(lambda x: jnp.int32(x))(1.0), TypeError,
        ["grad requires real-valued outputs", "int32"]),
    Row("grad argnums", lambda: grad(jnp.sin, argnums=1)(1.0), TypeError,
        ["argnums=1", "at least 2 positional arguments"]),
    Row("grad of tuple", lambda: grad(lambda x: (x, x))(1.0), TypeError,
        ["Gradient only defined for scalar-output functions"]),
    Row("grad aux", lambda: grad(lambda x: x, has_aux=True)(1.0), TypeError, ["two-element tuple"]),
    Row("holomorphic", lambda: grad(lambda x: x, holomorphic=True)(1.0), TypeError,
        ["holomorphic=True requires inputs with complex dtype", F32]),
    Row("while reverse", lambda: grad(lambda x: lax.while_loop(
        lambda c: c < 10.0, lambda c: c * 2.0, x))(1.0), ValueError,
        ["Reverse-mode differentiation does not work for lax.while_loop"]),
    # carries and branches
    Row("scan carry dtype", scan_with(lambda c, x: (jnp.int32(c), x), jnp.float32(0), ones(3)),
        TypeError, ["scan", "carry", "float32", "int32"]),
    Row("scan carry shape", scan_with(lambda c, x: (jnp.stack([c, c]), x), jnp.float32(0), ones(3)),
        TypeError, ["scan", "carry", "[2]"]),
    Row("scan carry tree", scan_with(lambda c, x: ((c, c), x), jnp.float32(0), ones(3)),
        TypeError, ["scan", "carry"]),
    Row("scan output pair", scan_with(lambda c, x: c, jnp.float32(0), ones(3)), TypeError,
        ["scan body output must be a pair"]),
    Row("scan lengths", scan_with(lambda c, x: (c, c), 0.0, (ones(3), ones(4))), ValueError,
        ["scan", "3", "4"]),
    Row("scan no length", scan_with(lambda c, x: (c, c), 0.0, None), ValueError,
        ["scan", "length"]),
    Row("scan wrong length", scan_with(lambda c, x: (c, c), 0.0, ones(3), length=4), ValueError,
        ["scan", "length"]),
    Row("while carry", lambda: lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0], c), (1, 2)),
        TypeError, ["while_loop", "carry"]),
    Row("while predicate", lambda: lax.while_loop(lambda c: c, lambda c: c, jnp.ones(3)), TypeError,
        ["boolean scalar"]),
    Row("cond branches", branches(lambda x: x, lambda x: (x, x)), TypeError, ["cond", "branch"]),
    Row("cond dtypes", branches(lambda x: x, lambda x: jnp.int32(1)), TypeError,
        ["float32", "int32"]),
    Row("cond predicate", lambda: lax.cond(jnp.ones(3), jnp.sin, jnp.cos, 1.0), TypeError,
        ["Pred must be a scalar"]),
    Row("switch no branches", lambda: lax.switch(0, [], 1.0), ValueError, ["Empty branch"]),
    Row("fori callable", lambda: lax.fori_loop(0, 3, 5, 0), TypeError, ["callable"]),
    # donated, deleted, leaked
    Row("donated and reused", donated_and_reused, RuntimeError, ["Array has been deleted"]),
    Row("leaked tracer", leaked_tracer, errors.UnexpectedTracerError,
        ["unexpected tracer", "keep", "test_table.py"]),
    Row("leaked into jit", leaked_into_jit, errors.UnexpectedTracerError, ["unexpected tracer"]),
    # non-arrays
    Row("jit of a string", lambda: jit(lambda x: x)("a"), TypeError,
        ["abstract array", "<class 'str'>", "path x"]),
    Row("jit returns a string", lambda: jit(lambda x: "a")(1), TypeError, ["<class 'str'>"]),
    Row("jit of no function", lambda: jit(3), TypeError, ["callable", "3"]),
    Row("grad of no function", lambda: grad(3), TypeError, ["callable", "3"]),
    Row("list as array", lambda: jnp.sum([1, 2]), TypeError, ["sum", "<class 'list'>"]),
    Row("sin of string", lambda: jnp.sin("a"), TypeError, ["sin", "<class 'str'>"]),
    Row("array of ragged lists", lambda: jnp.array([[1, 2], [3]]), (ValueError, TypeError), []),
    Row("generator function", lambda: jit(lambda: (yield)), TypeError, ["generator"]),
    Row("item assignment", lambda: jnp.arange(3).__setitem__(0, 1), TypeError,
        ["does not support item assignment"]),
    # static and traced
    Row("unhashable static", lambda: jit(lambda x, s: x, static_argnums=1)(1.0, [1]), ValueError,
        ["Non-hashable static arguments", "<class 'list'>"]),
    Row("static argnums range", lambda: jit(lambda x: x, static_argnums=3), ValueError,
        ["static_argnums", "(3,)"]),
    Row("static argnames", lambda: jit(lambda x: x, static_argnames="y"), ValueError,
        ["static_argnames", "y"]),
    Row("if on tracer", lambda: jit(lambda flag: 1 if flag else 2)(True),
        errors.TracerBoolConversionError, ["the argument flag", "test_table.py"]),
    Row("range of tracer", lambda: jit(lambda n: [0 for _ in range(n)])(3),
        errors.TracerIntegerConversionError, ["the argument n"]),
    Row("float of tracer", lambda: jit(lambda x: float(x))(1.0), errors.ConcretizationTypeError,
        ["the argument x", "`float`"]),
    Row("numpy of tracer", lambda: jit(lambda x: np.sin(x))(1.0),
        errors.TracerArrayConversionError, ["__array__", "the argument x"]),
    Row("traced shape", lambda: jit(lambda n: jnp.zeros(n))(3), TypeError,
        ["Shapes must be 1D sequences of concrete values of integer type", "the argument n"]),
    Row("traced mask", lambda: jit(lambda x: x[x > 0])(ones(3)),
        errors.NonConcreteBooleanIndexError, ["Array boolean indices must be concrete"]),
    Row("bool of array", lambda: bool(jnp.ones(3)), ValueError, ["ambiguous"]),
    Row("int of array", lambda: int(jnp.ones(3)), TypeError, ["Only scalar arrays"]),
    Row("compiled shape", lambda: jit(jnp.sin).lower(jnp.ones(3)).compile()(jnp.ones(4)), TypeError,
        ["float32[3]", "float32[4]"]),
    # indices
    Row("float index", lambda: jnp.arange(3)[1.0], TypeError,
        ["Indexer must have integer or boolean"]),
    Row("list index", lambda: jnp.arange(3)[[0, 1]], TypeError, ["non-tuple sequence"]),
    Row("too many indices", lambda: jnp.arange(3)[0, 0], IndexError, ["Too many indices"]),
    Row("mask shape", lambda: jnp.arange(3)[np.ones(4, bool)], IndexError, ["boolean"]),
    # dtypes
    Row("lax dtypes", lambda: lax.mul(jnp.ones(2), jnp.ones(2, int)), TypeError,
        ["lax.mul requires arguments to have the same dtypes, got float32, int32"]),
    Row("bit ops on floats", lambda: jnp.bitwise_and(1.0, 2.0), TypeError, ["float32"]),
    Row("flag name", lambda: arrax.config.update("jax_no_such_flag", 1), AttributeError,
        ["jax_no_such_flag"]),
    Row("flag value", lambda: arrax.config.update("jax_enable_x64", "maybe"), ValueError,
        ["maybe"]),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row(row: Row):
    with pytest.raises(row.error) as caught:
        row.call()
    message = str(caught.value)
    for text in row.texts:
        assert text in message, f"{text!r} is not in: {message}"
    frames = [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert any(name == __file__ for name in frames), "the user's line is not in the traceback"
    assert current() is EVAL, "the trace was not restored"
    np.testing.assert_allclose(jit(grad(lambda x: jnp.sum(x * x)))(jnp.ones(2)), [2.0, 2.0])


def test_tracebacks_have_no_frames_of_ours_unless_asked_for():
    def frames() -> list[str]:
        try:
            jit(lambda x: 1 if x else 2)(True)
        except errors.TracerBoolConversionError as error:
            return [f.filename for f in traceback.extract_tb(error.__traceback__)]
        raise AssertionError("no error")
    inside = [name for name in frames() if "arrax" in name and "tests" not in name]
    with arrax.core.config.traceback_filtering("off"):
        all_inside = [name for name in frames() if "arrax" in name and "tests" not in name]
    assert len(inside) <= 2 < len(all_inside)


@pytest.mark.parametrize("convert", [bool, int, float, complex, np.asarray, lambda k: k.item(),
                                     lambda k: k.tolist(), lambda k: [1, 2][k]])
def test_keys_are_no_numbers(convert: Callable[[Any], Any]):
    with pytest.raises(TypeError):
        convert(arrax.random.key(0))
