"""The fuzzer: programs follow from seeds, faults are found, crashes cost one program."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arrax
from tests.ops.all_rows import all_rows
from tests.ops.reach import primitives_bound, primitives_in, trace
from tests.ops.test_coverage import PRIMITIVES
from tools import missing_rules
from tools.fuzz import ways
from tools.fuzz.compare import first_difference
from tools.fuzz.files import file_text
from tools.fuzz.drawing import Drawing
from tools.fuzz.generate import Profile, generate
from tools.fuzz.operations import TABLE
from tools.fuzz.operations_rows import draw_row
from tools.fuzz.program import Argument, Aval, Program, Step, text_of, without_dead_steps
from tools.fuzz.reduce import reduced
from tools.fuzz.rows import NOT_DRAWN, drawn_rows
from tools.fuzz.runner import Worker
from tools.fuzz.ways import verdict
from tools.fuzz.worker import packed

SMALL = Profile(steps=4, largest=300, share_of_large=0.0)


def program_of(*texts: str, shape: tuple[int, ...] = (3, 5)) -> Program:
    """A program of one argument `v0`, whose steps are v1, v2, …; it returns the last."""
    aval = Aval(shape, "float32")
    steps = tuple(Step((f"v{k + 1}",), text, (aval,), "test") for k, text in enumerate(texts))
    return Program(0, False, (Argument("v0", aval, "small"),), steps, (f"v{len(texts)}",))


def test_a_seed_determines_its_program():
    for seed in range(5):
        assert text_of(generate(seed, SMALL)) == text_of(generate(seed, SMALL))
    assert text_of(generate(1, SMALL)) != text_of(generate(2, SMALL))


def test_drawings_reach_every_operation(monkeypatch: pytest.MonkeyPatch):
    drawn = set()

    def noting(operation: Any) -> Any:
        def draw(d: Any) -> Any:
            found = operation.draw(d)
            if found is not None:
                drawn.add(operation.name)
            return found
        return operation._replace(draw=draw)
    monkeypatch.setattr("tools.fuzz.operations_control.TABLE", [noting(o) for o in TABLE])
    for seed in range(500):
        generate(seed, SMALL)
    assert drawn == {operation.name for operation in TABLE}


@pytest.mark.parametrize("x64", [False, True])
def test_each_row_can_be_drawn(x64: bool):
    """So each primitive is, but for those that no row binds, and a new row is drawn by itself."""
    missing = []
    for name in drawn_rows():
        with arrax.enable_x64(x64), arrax.disable_jit():
            d = Drawing(1, 2 ** 18, x64)
            for dtype in ("float32", "int32", "bool", "complex64"):
                d.argument((3, 5), dtype)
            drawn = any(draw_row(d, name) is not None for _ in range(12))
        if not drawn:
            missing.append(name)
    assert not missing


def test_each_primitive_is_drawn_by_a_row_or_has_a_reason():
    found: set[str] = set(PRIMITIVES)
    with primitives_bound() as bound:
        for row in drawn_rows().values():
            for closed in trace(row):
                found.update(primitives_in(closed.jaxpr))
    everything = {primitive.name for primitive in missing_rules.primitives()}
    assert everything - bound - found == set()
    assert set(NOT_DRAWN) <= set(all_rows())


def test_a_wrong_element_is_a_fault_and_rounding_is_none(monkeypatch: pytest.MonkeyPatch):
    program = program_of("jnp.exp(v0)", "v1 - v1.max(1, keepdims=True)")
    right = ways.run_jit(program)[0]
    assert verdict(program, ("jit",)) is None

    def moved(amount: float) -> Any:
        wrong = right.copy()
        wrong[1, 2] += amount
        return lambda _: [wrong]
    monkeypatch.setitem(ways.RUNS, "jit", moved(1e-6))
    assert verdict(program, ("jit",)) is None
    monkeypatch.setitem(ways.RUNS, "jit", moved(1e-3))
    found = verdict(program, ("jit",))
    assert found is not None and found.kind == "differs" and "[1, 2]" in found.detail


def test_elements_that_noise_decides_say_nothing():
    steady, flipped = np.array([1, 2, 3]), np.array([1, 2, 4])
    assert first_difference([steady], [flipped], lambda k, _: [flipped]) is None
    assert first_difference([steady], [flipped], lambda k, _: [steady]) is not None


def test_rounding_inside_of_a_step_is_no_fault(monkeypatch: pytest.MonkeyPatch):
    """tanh is rounded near 1, where arcsin is steep."""
    program = program_of("jnp.arcsin(jnp.tanh(v0 * 3))", shape=(300,))
    moved = program_of("jnp.arcsin(jnp.tanh(v0 * 3) * (1 - 6e-8))", shape=(300,))
    rounded = ways.run_reference(moved)
    monkeypatch.setitem(ways.RUNS, "jit", lambda _: rounded)
    assert verdict(program, ("jit",)) is None
    monkeypatch.setitem(ways.RUNS, "jit", lambda _: [rounded[0] * 1.1])
    assert verdict(program, ("jit",)) is not None


def test_what_hangs_on_an_exact_zero_is_no_fault(monkeypatch: pytest.MonkeyPatch):
    """The variance of equal numbers is rounded to zero or not, which noise of its own in each of
    them hides."""
    program = program_of("jnp.full((31, 3), v0[0, 0])",
                         "jnp.where(jnp.var(v1, axis=0) == 0, 1.0, 2.0) + jnp.zeros((5, 3))")
    other = [3 - ways.run_reference(program)[0]]
    monkeypatch.setitem(ways.RUNS, "jit", lambda _: other)
    assert verdict(program, ("jit",)) is None


def test_a_crash_and_a_hang_cost_one_program():
    worker = Worker()

    def answer(program: Program, wait: float = 60.0) -> Any:
        worker.send({"program": packed(program), "ways": ("jit",), "limit": 2.0})
        return worker.receive(wait).get("fault", [None, None])[1]
    try:
        assert answer(program_of("v0 + 1")) is None
        assert answer(program_of("__import__('os').abort()")) == "crashes"
        assert answer(program_of("v0 + 1")) is None
        assert answer(program_of("__import__('time').sleep(50)"), 0.5) == "hangs"
        assert answer(program_of("v0 + 1")) is None
        assert answer(program_of("[v0 for k in iter(int, 1)]")) == "hangs"
    finally:
        worker.stop()


def test_a_failing_program_becomes_a_small_file():
    """The faulty step asks for a value, which it has eagerly only."""
    program = program_of("jnp.sin(v0)", "v1 * 2", "v2 + float(jnp.sum(v2))", "jnp.cos(v3).T")
    fault = verdict(program, ("jit",))
    assert fault is not None and fault.kind == "raises"
    small, found = reduced(program, fault, ("jit",))
    assert len(small.steps) == 1 and "float" in small.steps[0].text
    assert small.arguments[0].aval.shape in ((1, 1), (1,), ())
    text = file_text(small, found)
    with pytest.raises(Exception, match="Abstract tracer value|concrete value"):
        exec(compile(text, "fault.py", "exec"), {})


def test_dead_steps_go():
    program = program_of("v0 + 1", "v0 * 2")
    assert [s.names for s in without_dead_steps(program).steps] == [("v2",)]


