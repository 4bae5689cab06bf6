"""Checked programs (flag `check`): an access outside of its buffer is an InternalError that says
where, and changes nothing; right programs compute what they compute unchecked."""
from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import _native, lax
from arrax.core import config
from arrax.core.aval import ShapedArray
from arrax.core.errors import InternalError
from arrax.engines.cpu import machine
from arrax.engines.cpu.intervals import Intervals
from arrax.engines.cpu.kernels.checks import Checks
from arrax.engines.cpu.kernels.emit_program import ProgramEmitter
from arrax.engines.cpu.loop_parser import parse_region

X = np.arange(1, 41, dtype=np.float32)


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "vectors": lambda x: jnp.concatenate([jnp.exp(x)[:7], x]),
    "backwards": lambda x: jnp.roll(x[::-1], 3),
    "strides": lambda x: jnp.pad(x[::2], (1, 2)),
    "gathers": lambda x: x[jnp.argsort(x)[::-1]] + x.reshape(8, 5).T.reshape(-1),
    "columns": lambda x: jnp.sin(x).reshape(8, 5).sum(0),
    "rows": lambda x: x.reshape(8, 5) - x.reshape(8, 5).max(1, keepdims=True),
    "scatter": lambda x: x.at[jnp.arange(80) % 50].add(1.0),
    "loop": lambda x: lax.fori_loop(0, 5, lambda i, c: c.at[i].set(c[i + 1] + x[i]), x),
    "parallel": lambda x: jnp.sin(jnp.arange(400_000) * x[0]).max(),
}


@pytest.fixture()
def nothing_proved_right(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The analysis says of every access that it is inside, whatever it is."""
    monkeypatch.setattr(Intervals, "index", lambda self, index: (0, 0))
    yield


@pytest.mark.parametrize("name", PROGRAMS)
def test_checked_programs_compute_the_same(name: str):
    expected = PROGRAMS[name](jnp.asarray(X))
    with config.check(True):
        found = arrax.jit(PROGRAMS[name])(X)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


# Accesses that lie outside for some points of their loops, whose values no choice picks.
WRONG: dict[str, tuple[Callable[[Any], Any], str]] = {
    "vectors": (lambda x: jnp.roll(x, 3) * 2, r"mul loads element -?\d+ of argument 0, "
                r"float32\[40\], which has 40"),
    "columns": (lambda x: jnp.pad(x.reshape(8, 5), ((1, 0), (0, 0))).sum(0),
                r"loads element -5 of "),
    "pad": (lambda x: jnp.pad(jnp.sin(x), (1, 0)), r"loads element -1 of "),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_access_outside_is_named(nothing_proved_right: None, name: str):
    function, text = WRONG[name]
    with config.check(True):
        checked = arrax.jit(function)
        for _ in range(2):  # each run says it anew
            with pytest.raises(InternalError, match=text) as raised:
                checked(X)
    assert f"{os.path.basename(__file__)}:" in str(raised.value)


def test_stores_outside_write_nothing(nothing_proved_right: None):
    """Of a loop IR that stores beyond its result, in vectors and one by one."""
    for offset, extent, element in (("i0 + 4", 16, 16), ("3*i0 + 1", 16, 16), ("i0 + 16", 1, 16)):
        region = parse_region(f"""out0 = output f32[16]
kernel beyond :
  map i0<{extent}:
    out0[{offset}] = 1.0:f32
-> out0""")
        checks = Checks()
        code = machine.compile_module(ProgramEmitter("beyond", checks).emit(region))
        program = _native.Program(
            code.address, [], [ShapedArray((16,), np.dtype(np.float32))], consts=[],
            arena_bytes=0, host_calls=[(checks.raise_failure, [], [])], forwards=[-1],
            aliases=[-1], releases_gil=False, donated=[], keepalive=code, name="beyond")
        with pytest.raises(InternalError, match=f"kernel beyond stores element {element} of "
                           "result 0, float32.16., which has 16"):
            program.run([])


def test_the_variable_sets_the_flag():
    code = "from arrax.core import config; print(config.check.value)"
    found = subprocess.run([sys.executable, "-c", code], env={**os.environ, "ARRAX_CHECK": "1"},
                           capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "True"


def test_checked_and_unchecked_programs_are_different_ones():
    function = arrax.jit(lambda x: jnp.roll(x, 2))
    with config.check(False):
        plain = function(X)
    with config.check(True):
        np.testing.assert_array_equal(function(X), plain)
        assert "arrax_out_of_bounds" in function.lower(X).compile()._executable.as_text("llvm")
    with config.check(False):
        assert "arrax_out_of_bounds" not in function.lower(X).compile()._executable.as_text("llvm")
