"""Tracebacks without the library's own frames.

`filtered` wraps the functions that run user code or report user errors; on an error it takes the
frames of arrax out of the traceback, as the flag `traceback_filtering` says: "quiet_remove_frames"
("auto") notes on the error that it did; "remove_frames" keeps the whole traceback on an
`UnfilteredStackTrace` from which the error comes; "tracebackhide" leaves the frames, marked for
tools that know `__tracebackhide__`; "off" leaves all as it is. An uncaught error is shown without
the wrapper's frames too (`install_hook`).
"""
from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from arrax.core import config
from arrax.core.errors import InternalError
from arrax.core.source_info import is_internal

F = TypeVar("F", bound=Callable[..., Any])


_NOTE = ("--------------------\nFor simplicity, JAX has removed its internal frames from the "
         "traceback of the following exception. Set JAX_TRACEBACK_FILTERING=off to include these.")


class UnfilteredStackTrace(Exception):
    """Stands for an error before frames were taken out of its traceback."""


def without_internal_frames(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback of the user's frames only; None if there are none (yet: an error on its way
    through `filtered` comes to the user's frames afterwards)."""
    kept = []
    entry = traceback
    while entry is not None:
        if not is_internal(entry.tb_frame.f_code.co_filename):
            kept.append(entry)
        entry = entry.tb_next
    result: TracebackType | None = None
    for entry in reversed(kept):
        result = TracebackType(result, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return result


def filter_error(error: BaseException) -> None:
    """Take our frames out of an error's traceback, and out of those that it came from."""
    mode = config.traceback_filtering.value
    if mode == "off" or isinstance(error, InternalError):
        return
    unfiltered = error.__traceback__
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        if mode == "tracebackhide":
            _hide_internal_frames(current.__traceback__)
        elif not isinstance(current, UnfilteredStackTrace):
            current.__traceback__ = without_internal_frames(current.__traceback__)
        current = current.__cause__ or current.__context__
    if mode == "remove_frames":
        if not isinstance(error.__cause__, UnfilteredStackTrace):
            _keep_unfiltered(error, unfiltered)
    elif mode != "tracebackhide" and _NOTE not in getattr(error, "__notes__", ()):
        error.add_note(_NOTE)


def _hide_internal_frames(traceback: TracebackType | None) -> None:
    while traceback is not None:
        frame = traceback.tb_frame
        if is_internal(frame.f_code.co_filename):
            frame.f_locals["__tracebackhide__"] = True
        traceback = traceback.tb_next


def _keep_unfiltered(error: BaseException, traceback: TracebackType | None) -> None:
    """Put the error's whole traceback, and what it came from, on a cause of the error."""
    whole = UnfilteredStackTrace(f"{type(error).__name__}: {error}")
    whole.__traceback__ = traceback
    whole.__cause__, whole.__context__ = error.__cause__, error.__context__
    whole.__suppress_context__ = error.__suppress_context__
    error.__cause__ = whole


def filtered(fun: F) -> F:
    """`fun`, with errors that pass through it rid of our frames."""
    def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        try:
            return fun(*args, **kwargs)
        except Exception as error:
            filter_error(error)
            raise
    return looking_like(fun, call)  # type: ignore[no-any-return]


def looking_like(fun: Any, call: Any) -> Any:
    """`call` with the name, the attributes and, by `__wrapped__`, the signature of `fun`, as far as
    `fun` has them; names that a function cannot have are left out."""
    for name in functools.WRAPPER_ASSIGNMENTS:
        try:
            setattr(call, name, getattr(fun, name))
        except (AttributeError, TypeError):
            continue
    vars(call).update(getattr(fun, "__dict__", {}))
    call.__wrapped__ = fun
    return call


def transforming(fun: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: a function that does something to the user's `fun`. It looks like `fun`, and
    its errors are rid of our frames."""
    def decorate(call: Callable[..., Any]) -> Callable[..., Any]:
        return looking_like(fun, filtered(call))  # type: ignore[no-any-return]
    return decorate


def install_hook() -> None:
    """Show uncaught errors without our frames."""
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException,
             traceback: TracebackType | None) -> None:
        filter_error(error)
        before(kind, error, error.__traceback__ or traceback)
    sys.excepthook = hook
