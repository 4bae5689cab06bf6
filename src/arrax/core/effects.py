"""Effects: what a program does besides returning values.

An effect is a small hashable object. Equations with an `ordered` effect keep their order among
themselves; equations with any effect are never removed by dead-code elimination.
"""
from __future__ import annotations

from typing import Any

from arrax.core.record import Record


class Effect(Record):
    """A named effect."""

    name: str = ""
    ordered: bool = False

    def __str__(self) -> str:
        return self.name or type(self).__name__


Effects = frozenset[Effect]
no_effects: Effects = frozenset()


class AllowedEffects:
    """JAX's sets of effect types that a transformation admits: all are admitted here."""

    def add_type(self, effect_type: type) -> None:
        """Admit a type of effects; it is admitted already."""

    def contains(self, effect: Any) -> bool:
        return True

    def filter_in(self, effects: Any) -> list[Any]:
        return list(effects)

    def filter_not_in(self, effects: Any) -> list[Any]:
        return []


allowed_effects = AllowedEffects()
