"""Choices on small operands: as `where`, to the bit, or left to NumPy."""
from __future__ import annotations

import itertools

import numpy as np
import pytest

from arrax import _native


@pytest.mark.parametrize("dtype", ["bool", "int8", "float16", "int32", "float32", "float64",
                                   "complex64"])
def test_small_choices_are_those_of_where(dtype):
    draw = np.random.default_rng(0)
    for shape in ((), (1,), (7,), (2, 3)):
        which = np.asarray(draw.random(shape) < 0.5)
        for off, on in itertools.product((shape, (), (1,) * len(shape)), repeat=2):
            cases = [(draw.standard_normal(s) * 3).astype(dtype) if s else
                     np.array(-0.0, dtype) for s in (off, on)]
            right = np.where(which, cases[1], cases[0])
            found = _native.select_small(which, *cases)
            assert found.dtype == right.dtype and found.shape == right.shape
            assert found.tobytes() == right.tobytes()


def test_other_operands_are_left_to_numpy():
    which, x = np.array([True, False]), np.ones(2, np.float32)
    others = [(which, x, x.astype(np.float64)), (which.astype(np.int32), x, x), (which[::-1], x, x),
              (which, np.ones((2, 2), np.float32), x), (which, x, np.ones((1, 1), np.float32)),
              (np.ones(2000, bool), x[:1], x[:1]), (np.ones(0, bool), x[:0], x[:0]),
              (which, x, np.float32(1)), (which, x.astype(">f4"), x.astype(">f4"))]
    for operands in others:
        assert _native.select_small(*operands) is None
