"""The engine interface: what evaluates and compiles programs on devices, and how it is found.

Engines stand above the rooms that ask for them, so they make themselves known here
(`arrax.engines`). An engine is loaded with the package, its compiler at the first compile; a writer
of program text for other compilers when it is first asked for.
"""
from __future__ import annotations

from collections.abc import Callable
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

    def has_loop(self, primitive: Any) -> bool:
        """Whether compiled code for the primitive is a loop of the engine's own."""

    def fuses(self, primitive: Any) -> bool:
        """Whether the primitive becomes loops or views that join those of its neighbours."""

    def compile(self, closed: ClosedJaxpr, *, name: str = ..., donated: tuple[bool, ...] = ...,
                ) -> Executable:
        """Make native code of a program; `donated` flags inputs whose buffers may be reused."""


Writer = Callable[..., str]

_engines: dict[str, Engine] = {}
_writers: dict[str, Callable[[], Writer]] = {}


def register(platform: str, engine: Engine) -> None:
    """Make an engine known; the first one is the default."""
    _engines[platform] = engine


def default_engine() -> Engine:
    """The engine that compiles and holds uncommitted arrays."""
    return next(iter(_engines.values()))


def engines() -> dict[str, Engine]:
    """All engines by platform."""
    return dict(_engines)


def register_writer(dialect: str, load: Callable[[], Writer]) -> None:
    """Make known what writes programs in a dialect; `load` is called when it is needed."""
    _writers[dialect] = load


def writer(dialect: str) -> Writer:
    """What writes programs in a dialect."""
    return _writers[dialect]()
