"""Pooled memory, and loops over the thread pool."""
from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading

import ml_dtypes
import numpy as np
import pytest

from arrax import _native
from tests.native import machine_code

BODY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
parallel_for = ctypes.CFUNCTYPE(None, BODY, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(
    _native.symbols()["arrax_parallel_for"])


@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (7, 9), (300, 300), (2000, 1500)])
@pytest.mark.parametrize("dtype", [np.bool_, np.float64, ml_dtypes.bfloat16])
def test_empty_arrays_own_aligned_writable_memory(shape, dtype):
    array = _native.empty(shape, dtype)
    assert array.shape == shape and array.dtype == dtype
    assert array.ctypes.data % 64 == 0 or array.size == 0
    assert array.flags.owndata and array.flags.c_contiguous and array.flags.writeable
    array[...] = 1
    assert np.all(array.astype(np.float32) == 1)


def test_freed_memory_serves_again():
    _native.release_cached_memory()
    array = _native.empty((1000, 1000), np.float32)
    address, view = array.ctypes.data, array[5:]
    del array
    assert _native.cached_memory() < 4_000_000  # the view holds it
    del view
    assert _native.cached_memory() >= 4_000_000
    again = _native.empty((1000, 999), np.float32)
    assert again.ctypes.data == address
    del again
    _native.release_cached_memory()
    assert _native.cached_memory() == 0


def test_pooled_arrays_can_be_resized():
    array = _native.empty((10,), np.float64)
    array[:] = np.arange(10)
    array.resize((10_000,), refcheck=False)
    assert np.array_equal(array[:10], np.arange(10)) and not array[10:].any()


@pytest.mark.parametrize("shape, dtype, error", [
    ((-1,), np.float32, (ValueError, MemoryError)), ((2**40, 2**40), np.int8, MemoryError),
    ((3,), object, TypeError), ("x", np.float32, TypeError)])
def test_impossible_arrays_raise(shape, dtype, error):
    with pytest.raises(error):
        _native.empty(shape, dtype)


@pytest.mark.parametrize("count, grain", [(0, 1), (1, 1), (7, 3), (1000, 10), (1000, 10_000),
                                          (12_345, 1)])
def test_ranges_cover_the_loop_once(count, grain):
    seen = []
    parallel_for(BODY(lambda _, begin, end: seen.append((begin, end))), None, count, grain)
    seen.sort()
    assert [b for b, _ in seen] == ([0] + [e for _, e in seen[:-1]] if count else [])
    assert not count or seen[-1][1] == count
    assert all(end - begin >= grain for begin, end in seen[:-1])


def test_nested_and_concurrent_loops_complete():
    total, lock = [0], threading.Lock()

    def inner(_, begin, end):
        with lock:
            total[0] += end - begin

    inner_body = BODY(inner)

    @BODY
    def outer(_, begin, end):
        for _ in range(begin, end):
            parallel_for(inner_body, None, 10, 1)

    threads = [threading.Thread(target=parallel_for, args=(outer, None, 20, 1)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total[0] == 4 * 20 * 10


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_machine_code_runs_on_any_number_of_threads(threads):
    before = _native.num_threads()
    _native.set_num_threads(threads)
    try:
        count = 100_003
        program = machine_code.program(
            machine_code.PARALLEL.replace("COUNT", str(count)), [machine_code.f32(count)],
            [machine_code.f32(count)], arena_bytes=16, releases_gil=True)
        x = _native.make_array(np.random.default_rng(0).random(count, np.float32))
        for _ in range(20):
            assert np.array_equal(program.run([x])[0].data, 2 * x.data)
    finally:
        _native.set_num_threads(before)


@pytest.mark.parametrize("count", [0, -1, 10**6])
def test_wrong_thread_counts_raise(count):
    with pytest.raises(ValueError, match="from 1 to"):
        _native.set_num_threads(count)


def test_a_forked_child_loops_too():
    seen = []
    body = BODY(lambda _, begin, end: seen.append(end - begin))
    parallel_for(body, None, 1000, 10)
    seen.clear()
    child = os.fork()
    if child == 0:
        parallel_for(body, None, 1000, 10)
        os._exit(0 if sum(seen) == 1000 else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_the_environment_sets_the_thread_count():
    code = "from arrax import _native; print(_native.num_threads())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                         env={**os.environ, "ARRAX_NUM_THREADS": "5"})
    assert out.stdout.strip() == "5"
