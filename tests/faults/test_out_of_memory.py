"""Where memory ends, MemoryError: in processes whose address space is limited."""
from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from arrax import _native
from arrax.library import calls

PRELUDE = """
import resource, sys
import numpy as np
import arrax as jax
import arrax.numpy as jnp
from arrax import lax

def address_space():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()

def limit(megabytes):
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + (megabytes << 20),
                                            resource.RLIM_INFINITY))

def free():
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

def outcome(call):
    try:
        jax.block_until_ready(call())
    except MemoryError:
        return "MemoryError"
    return "good"

vector = jnp.asarray(np.random.default_rng(0).random(1_000_003, np.float32))
matrix = vector[:160_000].reshape(400, 400)
"""

CALLS = {
    "sort": "jnp.sort(vector)", "argsort": "jnp.argsort(vector)",
    "top_k": "lax.top_k(vector, 800_000)", "fft": "jnp.fft.fft(vector)",
    "rfft": "jnp.fft.rfft(vector)", "irfft": "jnp.fft.irfft(vector + 0j)",
    "svd": "jnp.linalg.svd(matrix)", "eigh": "jnp.linalg.eigh(matrix)",
    "qr": "jnp.linalg.qr(matrix)", "inv": "jnp.linalg.inv(matrix)",
    "cholesky": "jnp.linalg.cholesky(matrix @ matrix.T + 400 * jnp.eye(400))",
    "convolve": "jnp.convolve(vector, vector[:9])", "cumsum": "jnp.cumsum(vector)",
    "product": "jnp.tile(matrix, (3, 3)) @ jnp.tile(matrix, (3, 3))",
    "scatter": "vector.at[(vector * 1000).astype(int)].add(1)",
    "loop": "lax.fori_loop(0, 3, lambda i, v: jnp.sort(v) + i, vector)",
}

LIBRARY = PRELUDE + """
names, wrap = sys.argv[1].split(","), {"jit": jax.jit, "eager": lambda f: f}[sys.argv[2]]
calls = CALLS
for name in names:
    f = wrap(eval("lambda vector, matrix: " + calls[name], globals()))
    outcomes = []
    if sys.argv[2] == "jit":
        f.lower(vector, matrix).compile()
    for megabytes in (1, 5, 20, None):
        jax._native.release_cached_memory()
        limit(megabytes) if megabytes else free()
        outcomes.append(outcome(lambda: f(vector, matrix)))
        free()
    print(name, *outcomes, flush=True)
"""

GROUPS = ["sort,argsort,top_k,cumsum,scatter,loop", "fft,rfft,irfft,convolve,product",
          "svd,eigh,qr,inv,cholesky"]


def run(program: str, *arguments: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program.replace("CALLS", repr(CALLS)), *arguments],
                          capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr[-2000:])
    return done.stdout.splitlines()


@pytest.mark.parametrize("group, mode", [
    (GROUPS[0], "jit"), (GROUPS[1], "jit"), (GROUPS[2], "jit"), (GROUPS[2], "eager")])
def test_library_calls_raise_memory_error(group: str, mode: str) -> None:
    """Too little room raises MemoryError, and the same call then succeeds in the same process."""
    lines = run(LIBRARY, group, mode)
    assert len(lines) == len(group.split(","))
    for line in lines:
        name, *others, last = line.split()
        assert last == "good" and set(others) <= {"MemoryError", "good"}, line
    # The allocator may hold enough for one call or another, not for most of them.
    assert sum("MemoryError" in line for line in lines) > len(lines) / 2, lines


COMPILING = PRELUDE + """
import os
os.environ["ARRAX_CACHE"] = "off"
jax.jit(lambda x: x + 1)(1.0)
for megabytes in (0, 2, 5, 20, 300):
    def f(x):
        for i in range(10):
            x = jnp.tanh(x @ x) + megabytes
        return x
    lowered = jax.jit(f).lower(matrix[:4, :4])
    limit(megabytes)
    result = outcome(lambda: lowered.compile() and 0)
    free()
    print(result)
"""


def test_compiling_raises_memory_error() -> None:
    lines = run(COMPILING)
    assert lines == ["MemoryError"] * 4 + ["good"]


POOL = PRELUDE + """
from arrax import _native
_native.empty((20_000_000,), np.float32)[:] = 1  # 80 MB that the pool keeps
kept = _native.cached_memory()
limit(10)
print(kept > 80_000_000, outcome(lambda: _native.empty((15_000_000,), np.float32)[:1]),
      outcome(lambda: _native.empty((30_000_000,), np.float32)[:1]))
free()
"""


def test_the_pool_gives_back_what_it_keeps() -> None:
    """For blocks of another size than those that it keeps."""
    assert run(POOL) == ["True good MemoryError"]


HUGE = [
    "jnp.zeros((1 << 46,))", "jnp.ones((1 << 40, 8))", "jnp.arange(1 << 50)",
    "jax.jit(lambda: jnp.zeros((1 << 46,)))()", "jnp.broadcast_to(vector, (1 << 30, 1000003)) + 1",
    "jax.jit(lambda v: v[:, None] * v[None, :] * jnp.ones((9999, 1, 1)))(vector)",
    "jax.random.normal(jax.random.key(0), (1 << 45,))", "jnp.eye(1 << 22)",
    "jax.jit(lambda v: jnp.sort(jnp.broadcast_to(v, (1 << 20, 1000003))))(vector)"]

HUGE_SHAPES = PRELUDE + """
limit(2000)
for call in HUGE:
    try:
        eval(call)
        print("good", call)
    except Exception as error:
        print(type(error).__name__, error)
"""


def test_huge_shapes_raise_memory_error() -> None:
    """Larger than any machine's address space, or than this one's."""
    lines = run(HUGE_SHAPES.replace("HUGE", repr(HUGE)))
    assert len(lines) == len(HUGE)
    assert [line for line in lines if line.split()[0] not in ("MemoryError", "_ArrayMemoryError")
            ] == []


# ---- fast paths of the same mechanism, in this process ------------------------------------------

def test_a_library_call_reports_what_it_could_not_get() -> None:
    """2^50 elements of scratch memory."""
    address = _native.symbols()["arrax_sort"]
    code = calls.CODES[np.dtype(np.float32)]
    tables = np.zeros((2, 2), np.int64)
    tables[:] = np.zeros(8, np.float32).ctypes.data
    with pytest.raises(MemoryError):
        _native.call_library(address, (1, 1 << 50, 1, 1, 2, code, code), tables[0], tables[1])
    with pytest.raises(MemoryError):
        _native.require_room(1 << 60)
    _native.require_room(1 << 20)
