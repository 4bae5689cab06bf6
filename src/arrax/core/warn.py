"""Warnings of the library. They are counted: a call that warns is never served from a recording."""
from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator

issued = [0]
_thread = threading.local()


@contextlib.contextmanager
def muted() -> Iterator[None]:
    """Warnings are counted, not shown: the call is traced before it runs."""
    before, _thread.muted = getattr(_thread, "muted", False), True
    try:
        yield
    finally:
        _thread.muted = before


def warn(message: str, category: type[Warning] = UserWarning, stacklevel: int = 1) -> None:
    """`warnings.warn`, counted; `stacklevel` 1 names the caller's line."""
    issued[0] += 1
    if not getattr(_thread, "muted", False):
        warnings.warn(message, category, stacklevel=stacklevel + 1)
