"""Tracebacks without the library's own frames.

`filtered` wraps the functions that run user code or report user errors; on an error it takes the
frames of arrax out of the traceback. The flag `traceback_filtering` ("off" keeps all frames) asks
for them. An uncaught error is shown without the wrapper's frames too (`install_hook`).
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


def without_internal_frames(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback of the user's frames only; as it was if there are none."""
    kept = []
    entry = traceback
    while entry is not None:
        if not is_internal(entry.tb_frame.f_code.co_filename):
            kept.append(entry)
        entry = entry.tb_next
    if not kept:
        return traceback
    result: TracebackType | None = None
    for entry in reversed(kept):
        result = TracebackType(result, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return result


def filter_error(error: BaseException) -> None:
    """Take our frames out of an error's traceback, and out of those that it came from."""
    if config.traceback_filtering.value == "off" or isinstance(error, InternalError):
        return
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        current.__traceback__ = without_internal_frames(current.__traceback__)
        current = current.__cause__ or current.__context__


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
