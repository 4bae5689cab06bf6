"""Engines evaluate and compile programs on devices.

An engine has `devices()`, `put(value, device)` and `compile(closed_jaxpr, *, name, donated)` →
executable; an executable is called with a list of arrays and returns a list of arrays.
"""
from __future__ import annotations

from typing import Any, Protocol

from arrax.core.jaxpr import ClosedJaxpr


class Executable(Protocol):
    """A compiled program."""

    def __call__(self, arrays: list[Any]) -> list[Any]:
        """Run it."""

    def as_text(self, stage: str = ...) -> str:
        """The program at a stage of compilation."""


class Engine(Protocol):
    """What transformations may ask of an engine."""

    def devices(self) -> list[Any]:
        """All devices, the default one first."""

    def has_loop(self, primitive: Any) -> bool:
        """Whether compiled code for the primitive is a loop of the engine's own."""

    def fuses(self, primitive: Any) -> bool:
        """Whether the primitive becomes loops or views that join those of its neighbours."""

    def compile(self, closed: ClosedJaxpr, *, name: str = ..., donated: tuple[bool, ...] = ...,
                ) -> Executable:
        """Make native code of a program; `donated` flags inputs whose buffers may be reused."""


_engines: dict[str, Engine] = {}
_default: list[str] = []


def register(platform: str, engine: Engine) -> None:
    """Make an engine known; the first one is the default."""
    _engines[platform] = engine
    _default.append(platform)


def default_engine() -> Engine:
    """The engine that compiles and holds uncommitted arrays."""
    return _engines[_default[0]]


def engines() -> dict[str, Engine]:
    """All engines by platform."""
    return dict(_engines)
