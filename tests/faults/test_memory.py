"""What programs leave behind: nothing that grows with calls, compiles, shapes or views."""
from __future__ import annotations

import gc
import subprocess
import sys

import numpy as np
import pytest

import arrax as jax
import arrax.numpy as jnp
from arrax import _native
from arrax.core import aval
from arrax.core.aval import ShapedArray

FLAT = """
import ctypes, gc, os, sys
os.environ["ARRAX_CACHE"] = "off"
import arrax as jax
import arrax.numpy as jnp

class Usage(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Usage

def counts():
    gc.collect()
    usage = mallinfo()
    return usage.uordblks + usage.hblkhd, sys.getallocatedblocks(), len(gc.get_objects())

def compile_one(i):
    jax.jit(lambda x: x * 2.0 + float(i))(1.0)

f = jax.jit(lambda x: {"a": x * 2.0})
x = jnp.ones(5)

def call(i):
    y = f(x)["a"] + x
    jnp.sum(y[1:]), y.at[0].set(3.0), y[i % 5]

def error(i):
    try:
        jnp.ones(3) + jnp.ones(4)
    except TypeError:
        pass

kind, warm, times = ({"compile": compile_one, "call": call, "error": error}[sys.argv[1]],
                     int(sys.argv[2]), int(sys.argv[3]))
for i in range(warm):
    kind(i)
before = counts()
for i in range(times):
    kind(warm + i)
print(*[(after - start) / times for start, after in zip(before, counts())])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts by glibc")
@pytest.mark.parametrize("kind, warm, times, most", [
    # Bytes from malloc, blocks of Python and objects with references, by turn. LLVM's pass
    # builder, in llvmlite, keeps some 250 bytes of each compile.
    ("compile", 200, 256, (600, 2, 0.1)), ("call", 2000, 60_000, (0.2, 0.01, 0.001)),
    ("error", 300, 2000, (5, 0.1, 0.01)),
])
def test_memory_is_flat(kind: str, warm: int, times: int, most: tuple[float, ...]) -> None:
    done = subprocess.run([sys.executable, "-c", FLAT, kind, str(warm), str(times)],
                          capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr[-2000:]
    grown = [float(word) for word in done.stdout.split()]
    assert all(g <= m for g, m in zip(grown, most, strict=True)), (grown, most)


def test_avals_that_nobody_holds_are_forgotten() -> None:
    """Unused ones go in sweeps; those in use stay the only ones of their kind."""
    kept = [ShapedArray((7, i), np.dtype(np.float32)) for i in range(50)]
    arrays = [jnp.zeros((7, i)) for i in range(50)]
    _native.forget_unused_avals(aval._interned)
    few = len(aval._interned)
    for i in range(100_000):
        ShapedArray((3, i, 77), np.dtype(np.int8))
    assert len(aval._interned) < few + 40_000
    for i, one in enumerate(kept):
        assert one is ShapedArray((7, i), np.dtype(np.float32)) is arrays[i].aval
        assert jnp.zeros((7, i)).aval is one


# ---- views ---------------------------------------------------------------------------------------

def root_bytes(x: jax.Array) -> int:
    """The bytes of the memory that an array keeps alive."""
    data = x.data
    while isinstance(data.base, np.ndarray):
        data = data.base
    return int(data.nbytes)


BIG = np.ones((1000, 1000), np.float32)
PARTS = {
    "row": lambda x: x[5], "rows": lambda x: x[5:20], "element": lambda x: x[3, 4],
    "column": lambda x: x[:, 7], "every 40th": lambda x: x[::40],
    "split": lambda x: jnp.split(x, 50)[3],
    "iteration": lambda x: next(iter(x)),
    "dynamic": lambda x: jax.lax.dynamic_index_in_dim(x, 3),
    "real part of a row": lambda x: x[5].real, "transposed row": lambda x: x.T[5],
    "diagonal": lambda x: jnp.diagonal(x), "asarray": lambda x: jnp.asarray(np.asarray(x)[5]),
    "row of a device_put": lambda x: jax.device_put(x)[2],
}


@pytest.mark.parametrize("name", PARTS)
def test_a_small_part_keeps_no_large_array_alive(name: str) -> None:
    x = jnp.asarray(BIG)
    part = PARTS[name](x)
    assert root_bytes(part) == part.nbytes < x.nbytes / 16
    np.testing.assert_array_equal(part, 1)


def test_large_parts_and_small_arrays_are_views() -> None:
    x = jnp.asarray(BIG)
    assert root_bytes(x[:500]) == x.nbytes
    assert root_bytes(x.T) == root_bytes(x.reshape(-1)) == x.nbytes
    small = jnp.arange(1000.0)
    assert root_bytes(small[3:5]) == small.nbytes


def test_rows_of_many_arrays() -> None:
    """100 rows of arrays of 4 MB hold 0.4 MB."""
    rows = [(jnp.zeros((1000, 1000)) + i)[7] for i in range(100)]
    gc.collect()
    assert sum(root_bytes(row) for row in rows) == 100 * 4000
