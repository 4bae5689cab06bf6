"""Seed -> program: the same program for the same seed and profile."""
from __future__ import annotations

import random
from dataclasses import dataclass

import arrax
from tools.fuzz import (  # noqa: F401  (their operations enter the table)
    operations_elements,
    operations_folds,
    operations_indexing,
    operations_rows,
    operations_shapes,
)
from tools.fuzz.drawing import Drawing, StepFailed
from tools.fuzz.operations_control import draw_step
from tools.fuzz.program import VALUE, Argument, Program, Step, all_steps, without_dead_steps


@dataclass(frozen=True)
class Profile:
    """How large programs are: steps, elements of a value, a share of programs that are small
    (half the steps, a tenth of the elements), and one with values beyond the thresholds of
    threads and of the native library."""

    steps: int = 7
    largest: int = 3000
    share_of_small: float = 0.7
    share_of_large: float = 0.01


class NotDrawn(Exception):
    """A step of the program being drawn raised; `program` ends with that step."""

    def __init__(self, program: Program, reason: str):
        super().__init__(reason)
        self.program = program


def generate(seed: int, profile: Profile) -> Program:
    """Draw a program."""
    draw = random.Random(seed)
    x64 = draw.random() < 0.25
    steps, largest = profile.steps, profile.largest
    size = draw.random()
    if size < profile.share_of_large:
        largest = 2 ** 17 + 1
    elif size < profile.share_of_large + profile.share_of_small:
        steps, largest = (steps + 1) // 2, largest // 10
    with arrax.enable_x64(x64), arrax.disable_jit():
        d = Drawing(seed, largest, x64)
        try:
            d.argument()
            for _ in range(d.integer(0, 2)):
                d.argument(d.arguments[0].aval.shape if d.chance(0.5) else None)
            wanted = d.integer(1, steps)
            for _ in range(4 * wanted):
                if len(d.scopes[0].steps) < wanted:
                    draw_step(d)
        except StepFailed as error:
            raise NotDrawn(_program(d, seed, x64), str(error)) from error
    return without_dead_steps(_program(d, seed, x64))


def _program(d: Drawing, seed: int, x64: bool) -> Program:
    """What was drawn, with results that use nearly all of it."""
    steps: tuple[Step, ...] = tuple(d.scopes[0].steps)
    names = [name for step in steps for name in step.names]
    used = {name for step in all_steps(steps) for name in VALUE.findall(step.text)}
    results = [n for n in names if n not in used or d.chance(0.2)]
    arguments: tuple[Argument, ...] = tuple(d.arguments)
    if not results:
        results = names[-1:] or [arguments[0].name]
    return Program(seed, x64, arguments, steps, tuple(results))
