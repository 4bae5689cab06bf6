"""The private names of JAX that are answered, each with its reason: `private_names.txt`.

Its section `modules` says which private modules there are, and in which rooms of arrax their
*public* names are looked up; `names` has single names, `module name = home`, where the home is
`module:attribute` of arrax: a real one, or a stand-in from `arrax.as_jax.stand_ins`.

A name is put here when a library is seen to need it. All else raises `unknown_name`.
"""
from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import Any

from arrax.core.record import Record

_TABLE = Path(__file__).with_name("private_names.txt")


class Name(Record):
    """One private name: where arrax has it, and why it is answered."""

    home: str
    reason: str

    def value(self) -> Any:
        module, _, attribute = self.home.partition(":")
        return getattr(importlib.import_module(f"arrax.{module}"), attribute)


@functools.cache
def _sections() -> dict[str, list[str]]:
    """The lines of each section of the table."""
    found: dict[str, list[str]] = {}
    for line in _TABLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            lines = found[line[1:line.index("]")]] = []
        elif line:
            lines.append(line)
    return found


@functools.cache
def modules() -> dict[str, tuple[tuple[str, ...], str]]:
    """Private module → (rooms of arrax, reason)."""
    table = {}
    for line in _sections()["modules"]:
        module, rooms, reason = (part.strip() for part in line.split(" :", 2))
        table[module] = (tuple(rooms.split()), reason)
    return table


@functools.cache
def names() -> dict[tuple[str, str], Name]:
    """(module, name) → where it is."""
    table = {}
    for line in _sections()["names"]:
        left, _, right = line.partition(" = ")
        module, _, name = left.partition(" ")
        home, _, reason = right.partition(" : ")
        table[module, name] = Name(home, reason)
    return table


def is_table_module(module: str) -> bool:
    """Whether `module` is a private module that the table answers."""
    return module in modules()


def lookup(module: str, name: str) -> Name | None:
    """The line of a name, or None."""
    return names().get((module, name))


def resolve(module: str, name: str) -> Any:
    """What a private name of JAX means here; AttributeError that says what to report if nothing."""
    found = lookup(module, name)
    if found is not None:
        return found.value()
    if not name.startswith("_"):
        for room in modules().get(module, ((), ""))[0]:
            try:
                return getattr(importlib.import_module("arrax" if room == "." else f"arrax.{room}"),
                               name)
            except (AttributeError, ModuleNotFoundError):
                continue
    if module.startswith("jax.experimental."):  # public, and not here
        raise AttributeError(f"module {module!r} has no attribute {name!r}: it can only be "
                             f"imported in this version of arrax ({modules()[module][1]})")
    raise unknown_name(module, name)


def unknown_name(module: str, name: str) -> AttributeError:
    """The error for a private name that the table does not have."""
    return AttributeError(
        f"{module}.{name} is a private name of JAX that arrax.as_jax does not answer yet. Please "
        f"report it to arrax as \"as_jax: {module}.{name}\", with the library (name, version, "
        "file and line) that uses it; a public name of JAX in its place works today.")
