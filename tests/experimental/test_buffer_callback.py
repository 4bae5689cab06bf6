"""`arrax.experimental.buffer_callback` and `fused`."""
from __future__ import annotations

from typing import Any

import arrax
import numpy as np
import pytest
from arrax import numpy as jnp
from arrax.errors import JaxRuntimeError
from arrax.experimental.buffer_callback import Buffer, ExecutionStage, buffer_callback
from arrax.experimental.fused import fused

X = jnp.arange(6.).reshape(2, 3)
LIKE = arrax.ShapeDtypeStruct((2, 3), "float32")


def add(context: Any, out: Any, x: Any, y: Any) -> None:
    np.asarray(out)[...] = np.asarray(x) + np.asarray(y)


@pytest.mark.parametrize("transform", [lambda f: f, arrax.jit], ids=["eager", "jit"])
def test_values(transform: Any) -> None:
    np.testing.assert_array_equal(transform(buffer_callback(add, LIKE))(X, X), 2 * X)


@pytest.mark.parametrize("method", ["sequential", "sequential_unrolled", "expand_dims",
                                    "broadcast_all"])
def test_batches(method: str) -> None:
    f = buffer_callback(add, arrax.ShapeDtypeStruct((3,), "float32"), vmap_method=method)
    np.testing.assert_array_equal(arrax.vmap(f)(X, X), 2 * X)
    np.testing.assert_array_equal(arrax.vmap(f, (0, None))(X, X[0]), X + X[0])


def test_buffers() -> None:
    def callback(context: Any, out: Any, x: Any, *, name: Any) -> None:
        assert context.stage is ExecutionStage.EXECUTE
        with pytest.raises(JaxRuntimeError, match="GPU context is not available"):
            context.stream  # noqa: B018
        assert isinstance(x, Buffer) and isinstance(out["a"], Buffer)
        assert (x.shape, x.dtype, x.ndim, x.writeable) == ((2, 3), np.float32, 2, False)
        assert out["a"].writeable and not np.asarray(out["a"]).any()
        assert np.from_dlpack(x).tolist() == X.tolist()
        assert x.__array__("int32", copy=True).dtype == np.int32
        np.asarray(out["a"])[...] = np.asarray(name)
    out = buffer_callback(callback, {"a": LIKE})(X, name=jnp.float32(7))
    assert out["a"].tolist() == [[7.] * 3] * 2


def test_shared_memory() -> None:
    def callback(context: Any, out: Any, x: Any) -> None:
        assert np.asarray(out).ctypes.data == np.asarray(x).ctypes.data
        np.asarray(out)[0] = 9
    found = arrax.jit(buffer_callback(callback, LIKE, input_output_aliases={0: 0}))(X)
    assert found.tolist() == [[9.] * 3, [3., 4., 5.]]
    assert X[0, 0] == 0


def test_side_effects() -> None:
    calls = []
    f = buffer_callback(lambda *_: calls.append(1), LIKE, has_side_effect=True)
    arrax.jit(lambda x: (f(x), x)[1])(X).block_until_ready()
    arrax.effects_barrier()
    assert calls == [1]


@pytest.mark.parametrize("call, kind, message", [
    (lambda: buffer_callback(add, LIKE, input_output_aliases={2: 0})(X, X), ValueError,
     r"input index 2 outside the range \[0, 2\)"),
    (lambda: buffer_callback(add, LIKE, input_output_aliases={0: 0})(X[0], X), ValueError,
     "an output with a different abstract value"),
    (lambda: buffer_callback(lambda *_: 1 / 0, LIKE)(X), JaxRuntimeError, "division by zero"),
    (lambda: arrax.jvp(lambda x: buffer_callback(add, LIKE)(x, x), (X,), (X,)), ValueError,
     "do not support JVP"),
    (lambda: arrax.vmap(buffer_callback(add, LIKE))(X[None], X[None]), NotImplementedError,
     "vmap_method"),
    (lambda: fused(out_spaces=(1, 2))(lambda x: x)(1.), ValueError, "2 spaces for 1 results"),
])
def test_errors(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_fused() -> None:
    f = fused(out_spaces=("host", "host"))(lambda x, y: (x + y, x * y))
    assert [float(v) for v in f(2., 3.)] == [5, 6]
    assert arrax.grad(lambda x: f(x, 3.)[1])(2.) == 3
    assert arrax.vmap(f)(X, X)[0].tolist() == (2 * X).tolist()
