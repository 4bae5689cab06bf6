"""Events that programs listen to: what happened, how long it took.

An event is a path such as "/jax/core/compile/backend_compile_duration". There are four kinds, each
with listeners of its own, which are called in the order in which they were registered, in the
thread in which the event happened. arrax records the durations that JAX records, by JAX's names.
"""
from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

Listener = Callable[..., Any]
TRACE_DURATION = "/jax/core/compile/jaxpr_trace_duration"
COMPILE_DURATION = "/jax/core/compile/backend_compile_duration"


class Channel:
    """The listeners of one kind of event."""

    __slots__ = ("name", "listeners")

    def __init__(self, name: str):
        self.name = name
        self.listeners: list[Listener] = []

    def record(self, event: str, *values: Any, **kwargs: Any) -> None:
        for listener in tuple(self.listeners):
            listener(event, *values, **kwargs)

    def register(self, callback: Listener) -> None:
        """Call `callback` from now on."""
        if not callable(callback):
            raise TypeError(f"a listener to {self.name} must be callable, got {callback!r}")
        self.listeners.append(callback)

    def unregister(self, callback: Listener) -> None:
        """Undo `register`; ValueError if `callback` is no listener."""
        if callback not in self.listeners:
            raise ValueError(f"{callback!r} is not a listener to {self.name}")
        self.listeners.remove(callback)


events, durations = Channel("events"), Channel("durations")
time_spans, scalars = Channel("time spans"), Channel("scalars")


def clear() -> None:
    """Forget all listeners."""
    for channel in (events, durations, time_spans, scalars):
        channel.listeners.clear()


@contextlib.contextmanager
def timed(event: str, **kwargs: Any) -> Iterator[None]:
    """Record how long the `with` block takes, where somebody listens."""
    if not durations.listeners and not time_spans.listeners:
        yield
        return
    start, began = time.time(), time.perf_counter()
    yield
    seconds = time.perf_counter() - began
    durations.record(event, seconds, **kwargs)
    time_spans.record(event, start, start + seconds, **kwargs)
