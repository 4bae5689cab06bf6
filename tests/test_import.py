"""Importing the package costs little: nothing heavy comes with it."""
from __future__ import annotations

import subprocess
import sys

import pytest
from arrax.core.record import Record

HEAVY = ("scipy", "llvmlite", "opt_einsum", "optree", "importlib.metadata", "unittest",
         "hypothesis", "asyncio", "jax", "numpy.random", "arrax.core.parser",
         "arrax.engines.cpu.loop_ir", "arrax.engines.cpu.pipeline",
         "arrax.engines.cpu.kernels.scalar_builder", "arrax.engines.pjrt")


def test_nothing_heavy_is_imported() -> None:
    program = "import sys, numpy; before = set(sys.modules); import arrax.numpy; " \
              "print(*sorted(set(sys.modules) - before))"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    imported = out.stdout.decode().split()
    heavy = [m for m in imported if m in HEAVY or m.startswith(tuple(h + "." for h in HEAVY))]
    assert not heavy


class Point(Record):
    x: float
    y: float = 0.0


def test_records_are_values() -> None:
    assert Point(1.0) == Point(x=1.0, y=0.0) != Point(1.0, 2.0)
    assert len({Point(1.0), Point(1.0), Point(2.0)}) == 2
    assert repr(Point(1.0)) == "Point(x=1.0, y=0.0)"
    match Point(1.0, 2.0):
        case Point(x, y):
            assert (x, y) == (1.0, 2.0)


@pytest.mark.parametrize("arguments, keywords, message", [
    ((), {}, "needs the field 'x'"),
    ((1, 2, 3), {}, "takes 2 fields, got 3"),
    ((1,), {"x": 2}, "repeated field 'x'"),
    ((1,), {"z": 2}, "unknown or repeated field 'z'"),
])
def test_records_check_their_fields(arguments: tuple, keywords: dict, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Point(*arguments, **keywords)


def test_records_do_not_change() -> None:
    with pytest.raises(AttributeError, match="cannot assign to field 'x'"):
        Point(1.0).x = 2.0
