"""Programs of each lowering kind, over dtypes, against their evaluation."""
from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import lax
from tests.engines.cpu.compiling import check, compiled, prim, step_names, traced

R = np.random.default_rng(0)
FLOATS = [np.float32, np.float16, ml_dtypes.bfloat16]
NUMBERS = [*FLOATS, np.int8, np.int32, np.uint8, np.uint32, np.complex64]


def values(shape: Any, dtype: Any) -> np.ndarray:
    x = R.standard_normal(shape) * 4
    if np.dtype(dtype).kind == "u":
        x = np.abs(x)
    return x.astype(dtype)


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("shape", [(), (1,), (5,), (16,), (37,), (3, 70), (2, 3, 17)])
def test_elementwise_over_dtypes_and_shapes(dtype: Any, shape: Any) -> None:
    def f(x: Any, y: Any) -> list[Any]:
        return [prim("mul")(prim("add")(x, y), x), prim("sub")(x, y), prim("eq")(x, y)]
    check(f, values(shape, dtype), values(shape, dtype), rtol=2e-2)


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint8, np.complex64, np.int8])
@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
def test_reductions_over_any_axes(dtype: Any, axes: Any) -> None:
    for shape in [(2, 3, 5), (4, 17, 40), (3, 1, 130)]:
        check(lambda x: [prim("reduce_sum")(x, axes=axes, out_sharding=None)],
              values(shape, dtype), rtol=1e-4, atol=1e-3)
        if np.dtype(dtype).kind != "c":
            check(lambda x: [prim("reduce_max")(x, axes=axes, out_sharding=None)],
                  values(shape, dtype))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_empty_arrays(shape: Any) -> None:
    x = np.zeros(shape, np.float32)
    check(lambda x: [prim("neg")(x), prim("reduce_sum")(x, axes=(0,), out_sharding=None)], x)


@pytest.mark.parametrize("shape", [(1000003,), (1000, 1000), (300000, 4), (4, 300000)])
def test_parallel_kernels(shape: Any) -> None:
    x = values(shape, np.float32)
    check(lambda x: [prim("tanh")(x), prim("reduce_max")(x, axes=(0,), out_sharding=None)], x)


def test_nan_and_infinity_pass_through_reductions() -> None:
    x = np.ones((40, 40), np.float32)
    x[3, 5], x[7, 7], x[9, 9] = np.nan, np.inf, -np.inf
    for axes in [(0,), (1,), (0, 1)]:
        check(lambda x, a=axes: [prim("reduce_max")(x, axes=a, out_sharding=None),
                                 prim("reduce_min")(x, axes=a, out_sharding=None)], x)


@pytest.mark.parametrize("shape", [(3, 7), (20, 16), (64, 256)])
def test_softmax_is_one_kernel(shape: Any) -> None:
    def f(x: Any) -> Any:
        e = jnp.exp(x - x.max(-1, keepdims=True))
        return [e / e.sum(-1, keepdims=True)]
    executable = check(f, values(shape, np.float32))
    if shape[0] >= 16:
        assert step_names(executable.compilation.region) == ["Kernel"]


@pytest.mark.parametrize("shape", [(24, 7), (64, 256)])
def test_layer_norm_is_one_kernel(shape: Any) -> None:
    def f(x: Any) -> Any:
        return [(x - x.mean(-1, keepdims=True)) * lax.rsqrt(x.var(-1, keepdims=True) + 1e-5)]
    executable = check(f, values(shape, np.float32), rtol=1e-4, atol=1e-4)
    assert step_names(executable.compilation.region) == ["Kernel"]


def test_loops_update_their_carries_in_place() -> None:
    def body(i: Any, x: Any) -> Any:
        return lax.dynamic_update_slice(x, (x[i] * 2.0).reshape(1, 7), (i, np.int32(0)))
    executable = check(lambda x: [lax.fori_loop(0, 5, body, x)], values((6, 7), np.float32))
    loops = [s for s in executable.compilation.region.steps if hasattr(s, "body")]
    assert "Copy" not in [name for loop in loops for name in step_names(loop.body)
                          if isinstance(name, str)] or executable.compilation.arena_bytes < 256


def test_swapped_carries() -> None:
    check(lambda x, y: list(lax.fori_loop(0, 3, lambda i, c: (c[1], c[0]), (x, y))),
          values((9,), np.float32), values((9,), np.float32))


def test_scan_in_both_directions() -> None:
    for reverse in (False, True):
        def f(x: Any, reverse: bool = reverse) -> Any:
            carry, out = lax.scan(lambda c, a: (c * 0.5 + a, c + a.sum()), x[0], x,
                                  reverse=reverse)
            return [carry, out]
        check(f, values((11, 6), np.float32))


@pytest.mark.parametrize("step", [
    lambda w, h: w @ h, lambda w, h: h @ w.T, lambda w, h: jnp.tanh(w @ h) + w @ (h + 1),
    lambda w, h: w @ h + w.T @ h, lambda w, h: w @ h + w[0], lambda w, h: w @ (w @ h)])
@pytest.mark.parametrize("size", [1, 3, 17])
def test_loops_multiply_by_matrices(step: Any, size: int) -> None:
    w = np.linspace(-1, 1, size * size, dtype=np.float32).reshape(size, size) / size

    def scanned(w: Any, h: Any) -> list[Any]:
        return [lax.scan(lambda h, _: (step(w, h), None), h, None, 10)[0]]

    def counted(w: Any, h: Any) -> list[Any]:
        return list(lax.while_loop(lambda c: c[0] < 10,
                                   lambda c: (c[0] + 1, step(w, c[1])), (0, h)))
    for fun in (scanned, counted):
        check(fun, w, np.ones(size, np.float32))


@pytest.mark.parametrize("index", [-3, 0, 1, 2, 9])
def test_switch_clamps_its_index(index: int) -> None:
    branches = [lambda x: x + 1, lambda x: x * x, lambda x: -x]
    check(lambda i, x: [lax.switch(i, branches, x)], np.int32(index), values((5,), np.float32))


def test_nested_control_flow() -> None:
    def inner(i: Any, x: Any) -> Any:
        return lax.cond(i % 2 == 0, lambda x: x + 1.0, lambda x: x * 0.5, x)

    def outer(c: Any, a: Any) -> Any:
        c = lax.fori_loop(0, 3, inner, c + a)
        return c, lax.while_loop(lambda s: s < 10.0, lambda s: s * 1.5, jnp.abs(c).sum() + 1.0)
    check(lambda x: list(lax.scan(outer, x[0], x)), values((4, 5), np.float32))


def test_host_calls_inside_loops() -> None:
    def body(c: Any, a: Any) -> Any:
        return jnp.sort(c + a) * 0.5, lax.lgamma(jnp.abs(c) + 1.0)
    check(lambda x: list(lax.scan(body, x[0], x)), values((4, 5), np.float32))


def test_an_error_in_a_host_call_is_raised() -> None:
    def fail(x: Any) -> Any:
        raise ArithmeticError("no")
    f = arrax.jit(lambda x: arrax.pure_callback(fail, arrax.ShapeDtypeStruct((), np.float32), x))
    with pytest.raises(Exception, match="no"):
        arrax.block_until_ready(f(1.0))


def test_inputs_that_are_results_are_not_copied() -> None:
    closed, arrays = traced(lambda x, y: [y, x + y], values((5,), np.float32),
                            values((5,), np.float32))
    executable = compiled(closed)
    assert executable.compilation.program.forwards == [1, -1]
    np.testing.assert_array_equal(executable(arrays)[0].data, arrays[1].data)


def test_donated_memory_is_reused() -> None:
    f = arrax.jit(lambda x: x.at[3].set(1.0), donate_argnums=0)
    x = jnp.zeros(100_000) + 0.0
    address = x.unsafe_buffer_pointer() if hasattr(x, "unsafe_buffer_pointer") else None
    y = f(x)
    assert float(y[3]) == 1.0 and float(y[4]) == 0.0 and x.is_deleted()
    if address is not None:
        assert y.unsafe_buffer_pointer() in (address, y.unsafe_buffer_pointer())


def test_stages_have_texts() -> None:
    executable = check(lambda x: [prim("neg")(x)], values((5,), np.float32))
    assert "neg" in executable.as_text("jaxpr")
    assert "out0[i0] = neg(in0[i0])" in executable.as_text("loops")
    assert "define" in executable.as_text("llvm")
    assert "entry" in executable.as_text("assembly")
    with pytest.raises(ValueError, match="stage must be one of"):
        executable.as_text("poem")


@pytest.mark.parametrize("name", ["set", "add", "subtract", "multiply", "min", "max"])
@pytest.mark.parametrize("width", [(), (3,), (70,)])
def test_long_scatters_of_rows(name: str, width: tuple[int, ...]) -> None:
    """All kinds of scatters, with enough updates for the native library."""
    rng = np.random.default_rng(0)
    x, v = rng.normal(size=(50, *width)), rng.normal(size=(17_000, *width))
    i = rng.integers(-3, 60, 17_000).astype(np.int32)
    if name in ("set", "multiply"):  # not the same place twice
        i, v = np.arange(17_000, dtype=np.int32) - 16_960, np.abs(v) + 0.5
    check(lambda x, i, v: [getattr(x.at[i], name)(v)], x.astype(np.float32), i,
          v.astype(np.float32), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("shape", [(0, 0), (5, 0), (0, 5)])
def test_loops_that_multiply_empty_matrices(shape: tuple[int, int]) -> None:
    def program(w: Any, start: Any, xs: Any) -> Any:
        return [lax.scan(lambda h, x: (h + jnp.dot(w, x), None), start, xs)[0]]

    check(program, np.ones(shape, np.float32), np.ones(shape[0], np.float32),
          np.ones((20, shape[1]), np.float32))
