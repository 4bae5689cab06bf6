"""`arrax.monitoring`: record events, and listen to them.

Example:
  >>> from arrax import monitoring
  >>> seen = []
  >>> monitoring.register_event_listener(lambda event, **kwargs: seen.append((event, kwargs)))
  >>> monitoring.record_event("/mine/started", size=3)
  >>> seen
  [('/mine/started', {'size': 3})]
  >>> monitoring.clear_event_listeners()
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arrax.core import monitoring as _monitoring
from arrax.core.lazy import listing as _listing

__all__ = [
    "clear_event_listeners", "record_event", "record_event_duration_secs",
    "record_event_time_span", "record_scalar", "register_event_duration_secs_listener",
    "register_event_listener", "register_event_time_span_listener", "register_scalar_listener",
    "unregister_event_duration_listener", "unregister_event_listener",
    "unregister_event_time_span_listener", "unregister_scalar_listener"]


def record_event(event: str, **kwargs: str | int) -> None:
    """Tell listeners that `event` happened: `listener(event, **kwargs)`."""
    _monitoring.events.record(event, **kwargs)


def record_event_duration_secs(event: str, duration: float, **kwargs: str | int) -> None:
    """Tell listeners how many seconds `event` took: `listener(event, duration, **kwargs)`."""
    _monitoring.durations.record(event, duration, **kwargs)


def record_event_time_span(event: str, start_time: float, end_time: float,
                           **kwargs: str | int) -> None:
    """Tell listeners when `event` began and ended, in seconds since the epoch."""
    _monitoring.time_spans.record(event, start_time, end_time, **kwargs)


def record_scalar(event: str, value: float | int, **kwargs: str | int) -> None:
    """Tell listeners a number: `listener(event, value, **kwargs)`."""
    _monitoring.scalars.record(event, value, **kwargs)


def register_event_listener(callback: Callable[..., Any]) -> None:
    """Have `callback(event, **kwargs)` called for each event."""
    _monitoring.events.register(callback)


def register_event_duration_secs_listener(callback: Callable[..., Any]) -> None:
    """Have `callback(event, seconds, **kwargs)` called for each duration."""
    _monitoring.durations.register(callback)


def register_event_time_span_listener(callback: Callable[..., Any]) -> None:
    """Have `callback(event, start, end, **kwargs)` called for each time span."""
    _monitoring.time_spans.register(callback)


def register_scalar_listener(callback: Callable[..., Any]) -> None:
    """Have `callback(event, value, **kwargs)` called for each number."""
    _monitoring.scalars.register(callback)


def unregister_event_listener(callback: Callable[..., Any]) -> None:
    """Undo `register_event_listener`; ValueError if `callback` does not listen."""
    _monitoring.events.unregister(callback)


def unregister_event_duration_listener(callback: Callable[..., Any]) -> None:
    """Undo `register_event_duration_secs_listener`; ValueError if `callback` does not listen."""
    _monitoring.durations.unregister(callback)


def unregister_event_time_span_listener(callback: Callable[..., Any]) -> None:
    """Undo `register_event_time_span_listener`; ValueError if `callback` does not listen."""
    _monitoring.time_spans.unregister(callback)


def unregister_scalar_listener(callback: Callable[..., Any]) -> None:
    """Undo `register_scalar_listener`; ValueError if `callback` does not listen."""
    _monitoring.scalars.unregister(callback)


def clear_event_listeners() -> None:
    """Forget all listeners of all kinds."""
    _monitoring.clear()

__dir__ = _listing(__name__)
