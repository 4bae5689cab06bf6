"""What `jit(f).lower(x).as_text()` shows."""
from __future__ import annotations

from typing import Any

import pytest

import arrax
import arrax.numpy as jnp
from arrax import lax

X = jnp.ones(3)


def main_of(function: Any, *args: Any, **options: Any) -> str:
    """The line that declares the public function."""
    return arrax.jit(function, **options).lower(*args).as_text().splitlines()[1].strip()


def test_stablehlo_is_the_default() -> None:
    def f(x: Any) -> Any:
        return jnp.sin(x)
    lowered = arrax.jit(f).lower(X)
    assert lowered.as_text() == lowered.as_text("stablehlo") == lowered.compiler_ir() == """\
module @jit_f attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
  func.func public @main(%arg0: tensor<3xf32>) -> (tensor<3xf32> {jax.result_info = "result"}) {
    %0 = stablehlo.sine %arg0 : tensor<3xf32>
    return %0 : tensor<3xf32>
  }
}
"""
    assert lowered.as_text("jaxpr") == str(arrax.make_jaxpr(f)(X))


@pytest.mark.parametrize("dialect, error, message", [
    ("llvm", ValueError, "unknown dialect: llvm; known are 'stablehlo' and 'jaxpr'"),
    ("hlo", NotImplementedError, "'hlo' is written by XLA alone"),
])
def test_other_dialects(dialect: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        arrax.jit(jnp.sin).lower(X).as_text(dialect)


def test_results_are_labelled_by_their_paths() -> None:
    line = main_of(lambda x: {"b": [x, x], "a": (x,)}, X)
    assert [part.split('"')[1] for part in line.split("jax.result_info")[1:]] == [
        "result['a'][0]", "result['b'][0]", "result['b'][1]"]


def test_unused_arguments_are_left_out() -> None:
    assert main_of(lambda x, y: y, X, 1).count("%arg") == 1
    assert main_of(lambda x, y: y, X, 1, keep_unused=True).count("%arg") == 2


def test_donated_arguments_are_marked() -> None:
    line = main_of(lambda x, y: (y + 1, x, x + 1), X, 1, donate_argnums=(0, 1))
    assert "%arg0: tensor<3xf32> {tf.aliasing_output = 1 : i32}, " \
           "%arg1: tensor<i32> {tf.aliasing_output = 0 : i32})" in line
    assert "aliasing" not in main_of(lambda x: x[:2], X, donate_argnums=0)


def test_debug_info_tells_where_operations_come_from() -> None:
    def f(x: Any, unused: Any, tree: Any) -> Any:
        with arrax.named_scope("outer"):
            return jnp.sin(x) * tree["a"]
    text = arrax.jit(f).lower(X, 2.0, {"a": X}).as_text(debug_info=True)
    line = f.__code__.co_firstlineno + 2
    assert f'stablehlo.sine %arg0 : tensor<3xf32> loc("outer/sin"("{__file__}":{line}:' in text
    assert 'loc("x")' in text and "loc(\"tree['a']\")" in text and "unused" not in text


def test_large_constants_are_bytes() -> None:
    """Written once, however often they are used."""
    table = jnp.arange(20)
    text = arrax.jit(lambda i: table[i] + table[i + 1]).lower(1).as_text()
    assert text.count('dense<"0x0000000001000000') == 1


def test_other_platforms() -> None:
    def f(x: Any) -> Any:
        return lax.platform_dependent(x, tpu=jnp.sin, default=jnp.cos)
    traced = arrax.jit(f).trace(X)
    assert "cosine" in traced.lower().as_text()
    lowered = traced.lower(lowering_platforms=("tpu",))
    assert "sine" in lowered.as_text() and "cosine" not in lowered.as_text()
    with pytest.raises(ValueError, match="lowered for 'tpu'; there is no such engine here"):
        lowered.compile()
    with pytest.raises(NotImplementedError, match="several platforms"):
        traced.lower(lowering_platforms=("cpu", "tpu"))
