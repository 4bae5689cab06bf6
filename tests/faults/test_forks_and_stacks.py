"""Forked children work whatever other threads did; library calls work on any thread's stack."""
from __future__ import annotations

import os
import subprocess
import sys

import pytest

FORKS = """
import faulthandler, os, signal, sys, threading, time
import numpy as np
import arrax as jax
import arrax.numpy as jnp
from arrax import lax

os.environ["ARRAX_CACHE"] = "off"
done = threading.Event()

def compile_on():
    n = 0
    while not done.is_set():
        n += 1
        jax.jit(lambda x: jnp.tanh(x * n).sum() + lax.fori_loop(0, 3, lambda i, c: c + n, x)[0])(
            jnp.ones(5))

def allocate_on():
    while not done.is_set():
        jnp.fft.fft(jnp.ones(1009) + jnp.ones(1009))
        f(jnp.ones(300_000))

def with_flags():
    while not done.is_set():
        with jax.enable_x64(True):
            pass

f = jax.jit(lambda x: jnp.sort(x * 2) + 1)
kinds = {"compile": compile_on, "first compile": compile_on, "allocate": allocate_on,
         "flags": with_flags}
kind = sys.argv[1]
if kind != "first compile":
    f(jnp.ones(300_000)), jax.jit(lambda x: x)(1.0)
threads = [threading.Thread(target=kinds[kind], daemon=True) for _ in range(2)]
for thread in threads:
    thread.start()

def child():
    signal.alarm(60)  # a child that hangs dies of it
    x = jnp.arange(300_000.0)
    assert f(x)[7] == 15 and jnp.fft.fft(x[:1013])[0] != 0
    assert jax.jit(lambda v: v * 3 + os.getpid() * 0)(x)[5] == 15
    assert jnp.linalg.inv(jnp.eye(40) * 2)[3, 3] == 0.5

codes = []
for _ in range(int(sys.argv[2])):
    time.sleep(0.003)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            child()
            code = 0
        finally:
            os._exit(code)
    codes.append(os.waitpid(pid, 0)[1])
done.set()
for thread in threads:
    thread.join()
child()
print(codes)
"""


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("kind, times", [("first compile", 3), ("compile", 5),
                                         ("allocate", 5), ("flags", 2)])
def test_children_of_busy_processes_work(kind: str, times: int) -> None:
    """Other threads compile, run parallel loops, take memory from the pool, set flags."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKS, kind, str(times)],
                          capture_output=True, text=True, timeout=110)
    assert done.stdout == f"{[0] * times}\n", (done.stdout, done.stderr[-3000:])
    assert done.stderr == ""


SMALL_STACKS = """
import sys, threading
import numpy as np
import arrax as jax
import arrax.numpy as jnp

a = jnp.asarray(np.random.default_rng(0).random((300, 300), np.float32))
calls = {
    "inv": jnp.linalg.inv, "svd": jnp.linalg.svd, "qr": jnp.linalg.qr,
    "eigh": lambda a: jnp.linalg.eigh(a + a.T), "slogdet": jnp.linalg.slogdet,
    "cholesky": lambda a: jnp.linalg.cholesky(a @ a.T + 300 * jnp.eye(300)),
    "solve": lambda a: jnp.linalg.solve(a, a), "lstsq": lambda a: jnp.linalg.lstsq(a, a)[0],
    "eig": jnp.linalg.eig, "product": lambda a: a @ a, "fft": lambda a: jnp.fft.fft2(a),
    "sort": lambda a: jnp.sort(a), "conv": lambda a: jnp.convolve(a[0], a[1]),
    "pinv": jnp.linalg.pinv, "schur": jax.lax.linalg.schur,
}
modes = {"eager": lambda f: f, "jit": jax.jit}
threading.stack_size(int(sys.argv[1]))
for name, call in calls.items():
    for mode, wrap in modes.items():
        want = call(a)
        got = []
        if mode == "jit":
            jitted = jax.jit(call)
            jitted.lower(a).compile()
        else:
            jitted = call
        thread = threading.Thread(target=lambda: got.append(jitted(a)))
        thread.start()
        thread.join()
        for x, y in zip(jax.tree.leaves(got[0]), jax.tree.leaves(want), strict=True):
            assert np.isfinite(x).all() and x.shape == y.shape
        print(name, mode, flush=True)
"""


def test_library_calls_work_on_small_stacks() -> None:
    """OpenBLAS alone wants up to 4 MiB of its caller's stack."""
    done = subprocess.run([sys.executable, "-c", SMALL_STACKS, str(256 << 10)],
                          capture_output=True, text=True, timeout=110, env=os.environ)
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr[-3000:])
    assert len(done.stdout.splitlines()) == 30
