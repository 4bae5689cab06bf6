"""`_native.sum`: every dtype and layout, accurate, the same bits for any number of threads."""
from __future__ import annotations

import itertools
import os
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest

from arrax import _native
from arrax.library.calls import CODES

DTYPES = [d for d in CODES if d != np.bool_]
# Units of rounding of what is added up, and of the result.
WORKING = {2: 2.0 ** -24, 4: 2.0 ** -24, 8: 2.0 ** -53}
UNIT = {"float16": 2.0 ** -11, "bfloat16": 2.0 ** -8, "float32": 2.0 ** -24, "float64": 2.0 ** -53,
        "complex64": 2.0 ** -24, "complex128": 2.0 ** -53}
SHAPES = [(1,), (7,), (300,), (20000,), (5, 1, 3), (130, 33), (3, 700, 2), (4, 5, 6, 7),
          (600, 130), (2, 9000), (17, 2, 300)]


def values(shape: tuple[int, ...], dtype: np.dtype, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape) * 3
    if dtype.kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return (np.abs(x) if dtype.kind == "u" else x).astype(dtype)


def check(x: np.ndarray, axes: tuple[int, ...]) -> None:
    got = _native.sum(x, axes, CODES[x.dtype])
    assert got.dtype == x.dtype
    if x.dtype.kind in "iu":
        np.testing.assert_array_equal(got, x.sum(axes, dtype=x.dtype))
        return
    wide = x.astype(np.clongdouble if x.dtype.kind == "c" else np.longdouble)
    right, magnitude = wide.sum(axes), np.abs(wide).sum(axes)
    part = x.dtype.itemsize // (2 if x.dtype.kind == "c" else 1)
    count = x.size // max(right.size, 1)
    allowed = 1.01 * UNIT[x.dtype.name] * np.abs(right) \
        + 3 * np.log2(count + 2) * WORKING[part] * magnitude
    assert got.shape == right.shape
    assert (np.abs(got.astype(right.dtype) - right) <= allowed).all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_all_axes_of_all_layouts(shape: tuple[int, ...], dtype: np.dtype):
    rank = len(shape)
    x = values(shape, dtype)
    for view in (x, x.T, x[..., ::-1], x[..., ::2], np.broadcast_to(x[:1], shape)):
        for count in range(1, rank + 1):
            for axes in itertools.combinations(range(rank), count):
                check(view, axes)


def test_empty_axes_and_results():
    code = CODES[np.dtype(np.float32)]
    assert _native.sum(np.zeros((0, 3), np.float32), (0,), code).tolist() == [0, 0, 0]
    assert _native.sum(np.zeros((0, 3), np.float32), (1,), code).shape == (0,)
    assert _native.sum(np.ones((2, 3), np.float32), (), code).tolist() == [[1] * 3] * 2


def test_foreign_memory():
    code = CODES[np.dtype(np.float32)]
    raw = np.zeros(4 * 10 + 1, np.uint8)
    unaligned = raw[1:].view(np.float32)
    unaligned[:] = np.arange(10)
    assert _native.sum(unaligned, (0,), code) == 45
    assert _native.sum(np.arange(10, dtype=">f4"), (0,), code) == 45


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "complex64"])
@pytest.mark.parametrize("shape, axes", [((9000,), (0,)), ((9000, 3), (0,)), ((3, 9000), (1,)),
                                         ((900, 40), (0,))], ids=str)
def test_infinities_and_nans(dtype: str, shape: tuple[int, ...], axes: tuple[int, ...]):
    x = values(shape, np.dtype(getattr(ml_dtypes, dtype, dtype)))
    code = CODES[x.dtype]
    x.flat[5] = np.inf
    assert np.isposinf(_native.sum(x, axes, code).astype(np.complex64).real).any()
    x.flat[6 * x.shape[-1] % x.size] = np.nan
    assert np.isnan(_native.sum(x, axes, code).astype(np.complex64)).any()


def test_wrong_arguments():
    with pytest.raises(TypeError, match="ndarray, a tuple"):
        _native.sum([1.0], (0,), 11)
    with pytest.raises(ValueError, match="axis 2"):
        _native.sum(np.ones((2, 2), np.float32), (2,), 11)


SCRIPT = """
import hashlib, numpy as np
from arrax import _native
digest = hashlib.sha256()
rng = np.random.default_rng(0)
for shape, axes in [((3000001,), (0,)), ((1000003, 3), (0,)), ((3, 1000003), (1,)),
                    ((1000, 1001), (0,)), ((1000, 1001), (1,)), ((60, 70, 80), (0, 2))]:
    for dtype, code in ((np.float32, 11), (np.float64, 12)):
        digest.update(_native.sum(rng.standard_normal(shape).astype(dtype), axes, code).tobytes())
print(digest.hexdigest())
"""


def test_the_number_of_threads_changes_no_bit():
    digests = {subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True,
                              env={**os.environ, "ARRAX_NUM_THREADS": count}, check=True).stdout
               for count in ("1", "2", "3", "7")}
    assert len(digests) == 1
