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
from arrax.engines.cpu import library_plans, machine
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
    "product": lambda x: x.reshape(8, 5) @ x.reshape(5, 8),
    "sorts": lambda x: jnp.sort(x.reshape(8, 5), 0),
    "fft": lambda x: jnp.fft.fft(x).real,
    "factors": lambda x: jnp.linalg.qr(x.reshape(8, 5))[1],
    "solves": lambda x: jnp.linalg.solve(jnp.eye(40) * x, x),
    "convolves": lambda x: jnp.convolve(x, x[:7]),
    "row updates": lambda x: jnp.zeros((8, 40)).at[jnp.arange(640) % 8].add(jnp.sin(x)),
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


# A call of the library, a field of its specification that is made one too large or too small, and
# what it does then. (Fields are recognized by their value, which no other field of theirs has.)
SPOILT: dict[str, tuple[Callable[[Any], Any], int, int, str]] = {
    "written": (lambda x: jnp.outer(x[:37], x) @ jnp.outer(x, x[:33]), 37, 38,
                r"dot_general writes element \d+ of .*, float32\[37, 33\], which has 1221"),
    "read": (lambda x: jnp.outer(x[:37], x) @ jnp.outer(x, x[:33]), 40, 41,
             r"dot_general reads memory outside for, or leaves unwritten, element \d+ of "),
    "left": (lambda x: jnp.cumsum(x[:36].reshape(12, 3), 0), 12, 11,
             r"cumsum reads memory outside for, or leaves unwritten, element \d+ of result 0"),
    "sorted": (lambda x: jnp.sort(jnp.outer(x[:37], x), 0), 37, 38,
               r"sort writes element \d+ of result 0"),
    "counted": (lambda x: lax.top_k(x.reshape(8, 5), 2)[0], 8, 9, r"top_k writes element "),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_call_of_the_library_that_leaves_its_buffers_is_named(
        name: str, monkeypatch: pytest.MonkeyPatch):
    function, right, wrong, text = SPOILT[name]
    constant = library_plans._spec_constant
    changed = []

    def spoilt(program: Any, spec: Any) -> Any:
        changed.extend(field for field in spec if field == right)
        return constant(program, tuple(wrong if field == right else field for field in spec))
    monkeypatch.setattr(library_plans, "_spec_constant", spoilt)
    with config.check(True), pytest.raises(InternalError, match=text) as raised:
        arrax.jit(function)(X)
    assert changed and f"{os.path.basename(__file__)}:" in str(raised.value)
