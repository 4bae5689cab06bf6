"""What is known is not emitted again: object code is found by the loop IR's text."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arrax.numpy as jnp
from arrax import lax
from arrax.engines.cpu import machine
from arrax.engines.cpu.kernels.emit_program import ProgramEmitter
from tests.engines.cpu.compiling import compiled, prim, traced

X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(4, 6)


@pytest.fixture
def emitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of programs that are emitted, starting with an empty cache on disk."""
    names: list[str] = []
    emit = ProgramEmitter.emit

    def counted(self: ProgramEmitter, region: Any) -> Any:
        names.append(self.module.name)
        return emit(self, region)
    monkeypatch.setattr(ProgramEmitter, "emit", counted)
    monkeypatch.setenv("ARRAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(machine, "_known", {})
    return names


def program(x: Any) -> list[Any]:
    """Kernels, a host call in a loop, a library call, control flow."""
    def step(h: Any, t: Any) -> Any:
        return jnp.tanh(h + prim("hessenberg")(h @ h.T)[0].sum()) + t, h.sum()
    return [*lax.scan(step, x, x), jnp.sort(x, 1)]


def test_a_second_process_does_not_emit(emitted: list[str]) -> None:
    closed, arrays = traced(program, X)
    first = compiled(closed)(arrays)
    assert emitted == ["test"]
    machine._known.clear()  # as a new process begins
    again = compiled(closed)
    assert emitted == ["test"]
    for one, other in zip(first, again(arrays), strict=True):
        np.testing.assert_array_equal(one.data, other.data)
    assert "define i32 @\"entry\"" in again.as_text("llvm")  # emitted to be shown
    assert emitted == ["test", "test"]


def test_one_process_emits_equal_programs_once(emitted: list[str],
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARRAX_CACHE", "off")
    programs = [compiled(traced(program, X)[0]) for _ in range(3)]
    assert emitted == ["test"] and len({p.compilation.code.address for p in programs}) == 1
    compiled(traced(lambda x: program(x * 2), X)[0])
    assert len(emitted) == 2


def test_edited_sources_make_code_unknown(emitted: list[str],
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    closed, _ = traced(lambda x: [x + 1], X)
    compiled(closed)
    machine._known.clear()
    monkeypatch.setattr(machine, "_identity", lambda: ("another compiler",))
    compiled(closed)
    assert len(emitted) == 2
