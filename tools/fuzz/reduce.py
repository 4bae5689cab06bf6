"""A failing program made small, by moves that keep its fault.

    fewer results; a step's value becomes an argument, so that what it was made of goes away;
    a step is left out by naming its operand instead; in functions a value becomes zeros;
    numbers in all texts and shapes become smaller ones.

A move is kept if the program still fails in the same way.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from tools.fuzz.program import (
    VALUE,
    Argument,
    Aval,
    Function,
    Program,
    Step,
    all_steps,
    without_dead_steps,
)
from tools.fuzz.runner import Worker
from tools.fuzz.ways import Fault
from tools.fuzz.worker import packed

SMALLER = (1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65)


def reduced(program: Program, fault: Fault, ways: tuple[str, ...]) -> tuple[Program, Fault]:
    """A small program with a fault of the same kind, and that fault."""
    worker = Worker()
    signature = _signature(fault)

    def failing(candidate: Program) -> Fault | None:
        worker.send({"program": packed(candidate), "ways": ways})
        answer = worker.receive()
        if "fault" not in answer:
            return None
        found = Fault(*answer["fault"])
        return found if _signature(found) == signature else None

    try:
        changed = True
        while changed:
            changed = False
            for candidate in _moves(program):
                if _weight(candidate) < _weight(program):
                    found = failing(candidate)
                    if found is not None:
                        program, fault, changed = candidate, found, True
                        break
        return program, fault
    finally:
        worker.stop()


def _signature(fault: Fault) -> tuple[str, ...]:
    """What a smaller program's fault has in common with a larger one's."""
    if fault.kind == "raises":
        place = re.search(r"\(([^()]*:\d+)\)$", fault.detail)
        return fault.way, fault.kind, fault.detail.split(":")[0], place.group(1) if place else ""
    return fault.way, fault.kind


def _weight(program: Program) -> tuple[int, int, int]:
    steps = list(all_steps(program.steps))
    numbers = sum(int(n) for s in steps for n in re.findall(r"\b\d+\b", s.text))
    sizes = sum(sum(a.aval.shape) for a in program.arguments)
    return (len(steps) + len(program.results), sum(len(s.text) for s in steps) // 8,
            numbers + sizes)


def _moves(program: Program) -> Iterator[Program]:
    """Smaller programs, the most promising first."""
    if len(program.results) > 1:
        for name in program.results:
            yield without_dead_steps(replace(program, results=(name,)))
        for name in program.results:
            rest = tuple(r for r in program.results if r != name)
            yield without_dead_steps(replace(program, results=rest))
    for k in reversed(range(len(program.steps))):
        step = program.steps[k]
        yield from _as_argument(program, k, step)
        for operand in dict.fromkeys(VALUE.findall(step.text)):
            if len(step.names) == 1:
                yield _renamed(program, k, step.names[0], operand)
        if k and not set(program.results) & set(step.names):  # an earlier end
            yield without_dead_steps(replace(program, results=step.names))
    for steps in _inside(program.steps):
        yield without_dead_steps(replace(program, steps=steps))
    yield from _smaller_numbers(program)


def _as_argument(program: Program, k: int, step: Step) -> Iterator[Program]:
    """The values of a step come from outside."""
    arguments = tuple(Argument(n, a, "small") for n, a in zip(step.names, step.avals))
    steps = (*program.steps[:k], *program.steps[k + 1:])
    if not set(step.names) >= set(program.results):
        yield without_dead_steps(replace(program, arguments=(*program.arguments, *arguments),
                                         steps=steps))


def _renamed(program: Program, k: int, name: str, operand: str) -> Program:
    """The program without step `k`: its operand stands for its value."""
    def rename(step: Step) -> Step:
        functions = tuple(replace(f, steps=tuple(map(rename, f.steps)),
                                  results=tuple(operand if r == name else r for r in f.results))
                          for f in step.functions)
        text = VALUE.sub(lambda m: operand if m.group() == name else m.group(), step.text)
        return replace(step, text=text, functions=functions)
    steps = tuple(map(rename, (*program.steps[:k], *program.steps[k + 1:])))
    results = tuple(operand if r == name else r for r in program.results)
    return without_dead_steps(replace(program, steps=steps, results=results))


def _inside(steps: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    """Steps with one of their functions made smaller."""
    for k, step in enumerate(steps):
        for i, function in enumerate(step.functions):
            for smaller in _smaller_functions(function):
                functions = (*step.functions[:i], smaller, *step.functions[i + 1:])
                yield (*steps[:k], replace(step, functions=functions), *steps[k + 1:])


def _smaller_functions(function: Function) -> Iterator[Function]:
    for k in reversed(range(len(function.steps))):
        step = function.steps[k]
        if len(step.names) == 1:
            for operand in dict.fromkeys(VALUE.findall(step.text)):
                whole = Program(0, False, (), function.steps, function.results)
                smaller = _renamed(whole, k, step.names[0], operand)
                yield replace(function, steps=smaller.steps, results=smaller.results)
            aval = step.avals[0]
            constant = f"jnp.ones({aval.shape}, '{aval.dtype}')"
            if step.text != constant:
                plain = replace(step, text=constant, functions=())
                yield replace(function, steps=(*function.steps[:k], plain,
                                               *function.steps[k + 1:]))
    for steps in _inside(function.steps):
        yield replace(function, steps=steps)


def _smaller_numbers(program: Program) -> Iterator[Program]:
    """One number replaced by a smaller one everywhere."""
    texts = " ".join(s.text for s in all_steps(program.steps))
    numbers = {int(n) for n in re.findall(r"\b\d+\b", texts)}
    numbers |= {n for a in program.arguments for n in a.aval.shape}
    for n in sorted(numbers, reverse=True):
        for m in SMALLER:
            if m < n:
                yield _with_number(program, n, m)


def _with_number(program: Program, n: int, m: int) -> Program:
    def shape(aval: Aval) -> Aval:
        return replace(aval, shape=tuple(m if k == n else k for k in aval.shape))

    def changed(step: Step) -> Step:
        functions = tuple(replace(f, steps=tuple(map(changed, f.steps))) for f in step.functions)
        text = re.sub(rf"\b{n}\b", str(m), step.text)
        return replace(step, text=text, functions=functions, avals=tuple(map(shape, step.avals)))
    arguments = tuple(replace(a, aval=shape(a.aval)) for a in program.arguments)
    return replace(program, arguments=arguments, steps=tuple(map(changed, program.steps)))
