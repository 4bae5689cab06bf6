"""Where in the user's program an equation came from.

Recording must be cheap (it happens for every traced equation): only the code object and the
instruction offset of the innermost user frame are kept; line and column are looked up when printed.
"""
from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from types import CodeType, FrameType

_PACKAGE_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_internal_files: dict[str, bool] = {}
_registered: dict[str, None] = {}
_names = threading.local()


def register_internal_file(path: str) -> None:
    """Treat frames of `path` as library code: errors and equations name its caller instead."""
    _internal_files[path] = True
    _registered[path] = None


def unregister_internal_file(path: str) -> None:
    """Undo `register_internal_file`."""
    _registered.pop(path, None)
    _internal_files.pop(path, None)


def registered_files() -> list[str]:
    """The files that `register_internal_file` was called for."""
    return list(_registered)


def is_internal(filename: str) -> bool:
    """Whether a frame in `filename` belongs to arrax rather than to the user."""
    known = _internal_files.get(filename)
    if known is None:
        known = filename.startswith((_PACKAGE_DIR, "<frozen"))
        _internal_files[filename] = known
    return known


class SourceInfo:
    """The user's position (code object and instruction) and the name stack of an equation."""

    __slots__ = ("code", "instruction", "name_stack")

    def __init__(self, code: CodeType | None, instruction: int, name_stack: str):
        self.code = code
        self.instruction = instruction
        self.name_stack = name_stack

    def position(self) -> tuple[str, int, int, str] | None:
        """(file, line from 1, column from 0, function); None when unknown."""
        if self.code is None:
            return None
        line, column = self.code.co_firstlineno, 0
        for index, span in enumerate(self.code.co_positions()):
            if index == self.instruction // 2:
                line, column = span[0] or line, span[2] or 0
                break
        return self.code.co_filename, line, column, self.code.co_name

    def __str__(self) -> str:
        where = self.position()
        if where is None:
            return "<unknown>"
        return f"{where[0]}:{where[1]}:{where[2]} ({where[3]})"


UNKNOWN = SourceInfo(None, 0, "")


def user_frame(depth: int = 1) -> FrameType | None:
    """The innermost frame on the stack outside arrax, or None."""
    frame: FrameType | None = sys._getframe(depth)
    known = _internal_files
    while frame is not None:
        name = frame.f_code.co_filename
        internal = known.get(name)
        if internal is None:
            internal = is_internal(name)
        if not internal:
            return frame
        frame = frame.f_back
    return None


def here() -> SourceInfo:
    """The current user position."""
    frame = user_frame(2)
    if frame is None:
        return UNKNOWN
    return SourceInfo(frame.f_code, frame.f_lasti, getattr(_names, "stack", ""))


def name_stack() -> str:
    """The slash-separated names of the enclosing `named_scope`s."""
    return getattr(_names, "stack", "")


@contextlib.contextmanager
def named(name: str) -> Iterator[None]:
    """Push `name` on the name stack for the equations traced inside."""
    before = name_stack()
    _names.stack = f"{before}/{name}" if before else name
    try:
        yield
    finally:
        _names.stack = before


def stack_level() -> int:
    """The `stacklevel` with which the caller's `warnings.warn` names the user's line."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and is_internal(frame.f_code.co_filename):
        level, frame = level + 1, frame.f_back
    return level
