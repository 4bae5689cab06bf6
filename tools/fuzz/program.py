"""What a program is: a straight line of steps, whose texts are Python expressions.

    program ::= arguments, steps, results
    step    ::= names = text, where the text may call the step's functions
    function ::= name, parameters, steps, results

Values are named v0, v1, …, functions f0, f1, …, each name once in a program, so that texts can be
changed by replacing names.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

VALUE = re.compile(r"\bv\d+\b")


@dataclass(frozen=True)
class Aval:
    """Shape and dtype of a value."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Argument:
    """A value from outside: `arguments.value_of` makes it."""

    name: str
    aval: Aval
    fill: str


@dataclass(frozen=True)
class Function:
    """A function that a step hands to a loop, a branch or a transformation."""

    name: str
    parameters: tuple[str, ...]
    steps: tuple[Step, ...]
    results: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """`names = text`; `kind` names the operation."""

    names: tuple[str, ...]
    text: str
    avals: tuple[Aval, ...]
    kind: str = ""
    functions: tuple[Function, ...] = ()
    unpacks: bool = False  # whether the text's value is a tuple, of which the names are parts


@dataclass(frozen=True)
class Program:
    """One program; `x64` says whether it runs with 64-bit dtypes."""

    seed: int
    x64: bool
    arguments: tuple[Argument, ...]
    steps: tuple[Step, ...]
    results: tuple[str, ...]

    def kinds(self) -> list[str]:
        """The operations, those of nested functions too."""
        return [step.kind for step in all_steps(self.steps)]


def all_steps(steps: tuple[Step, ...]) -> Iterator[Step]:
    """Steps, each after those of the functions that it uses."""
    for step in steps:
        for function in step.functions:
            yield from all_steps(function.steps)
        yield step


def text_of(program: Program, value: Callable[[str], str] = str, use: str = "") -> str:
    """The program as a Python function `program` of its arguments.

    `value` wraps the text of each value; `use` names a function that wraps each use of one.
    """
    names = [a.name for a in program.arguments]
    lines = [f"def program({', '.join(names)}):"]
    for name in names:
        if value(name) != name:
            lines.append(f"    {name} = {value(name)}")
    _write(program.steps, "    ", lines, value, use)
    lines.append(f"    return {_tuple(program.results)}")
    return "\n".join(lines) + "\n"


def _write(steps: tuple[Step, ...], indent: str, lines: list[str], value: Callable[[str], str],
           use: str) -> None:
    for step in steps:
        for function in step.functions:
            _write_function(function, indent, lines, value, use)
        text = VALUE.sub(lambda m: f"{use}({m.group()})", step.text) if use else step.text
        targets = ", ".join(step.names) + ("," if step.unpacks else "")
        lines.append(f"{indent}{targets} = {value(text)}")


def _write_function(function: Function, indent: str, lines: list[str],
                    value: Callable[[str], str], use: str) -> None:
    lines.append(f"{indent}def {function.name}({', '.join(function.parameters)}):")
    _write(function.steps, indent + "    ", lines, value, use)
    lines.append(f"{indent}    return {_tuple(function.results)}")


def function_text(function: Function) -> str:
    """A function as Python text."""
    lines: list[str] = []
    _write_function(function, "", lines, str, "")
    return "\n".join(lines) + "\n"


def _tuple(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"({', '.join(names)})" if names else "()"


def without_dead_steps(program: Program) -> Program:
    """The program without steps and arguments that no result depends on."""
    needed = set(program.results)
    steps = _live(program.steps, needed)
    arguments = tuple(a for a in program.arguments if a.name in needed)
    return replace(program, arguments=arguments, steps=steps)


def _live(steps: tuple[Step, ...], needed: set[str]) -> tuple[Step, ...]:
    """Steps that `needed` depends on; adds what they need."""
    kept = []
    for step in reversed(steps):
        if not needed.intersection(step.names):
            continue
        functions = []
        for function in step.functions:
            inner = set(function.results)
            body = _live(function.steps, inner)
            needed |= inner
            functions.append(replace(function, steps=body))
        needed.update(VALUE.findall(step.text))
        kept.append(replace(step, functions=tuple(functions)))
    return tuple(reversed(kept))
