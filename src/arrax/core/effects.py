"""Effects: what a program does besides returning values.

An effect is a small hashable object. Equations with an `ordered` effect keep their order among
themselves; equations with any effect are never removed by dead-code elimination.
"""
from __future__ import annotations

from arrax.core.record import Record


class Effect(Record):
    """A named effect."""

    name: str
    ordered: bool = False

    def __str__(self) -> str:
        return self.name


Effects = frozenset[Effect]
no_effects: Effects = frozenset()
