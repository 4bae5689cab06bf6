"""Locks that nobody holds in a forked child.

`fork` copies the memory of all threads but only the thread that called it: a lock that another one
held would stay locked in the child for ever. So `os.fork` waits for the locks made here, holds them
while it copies, and gives them back on both sides. (The runtime's own locks do the same in C++.)
"""
from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from arrax import _native

IMPORT_ROOM = 384 << 20  # what LLVM, or SciPy with its BLAS, takes; without it they end the process


_guards: list[tuple[Callable[[], Any], Callable[[], Any]]] = []  # acquire, release
_held: list[Callable[[], Any]] = []


def fork_waits_for(acquire: Callable[[], Any], release: Callable[[], Any]) -> None:
    """Make every later fork call `acquire` before, and `release` after in parent and child."""
    _guards.append((acquire, release))


def _before_fork() -> None:
    """Takes all guards, the latest first. One made while this waited (by a module that was being
    imported) is later than those already taken, so that all are given back and taken again."""
    global _held
    while True:
        guards = _guards[::-1]
        for acquire, _ in guards:
            acquire()
        if len(guards) == len(_guards):
            _held = [release for _, release in reversed(guards)]
            return
        for _, release in reversed(guards):
            release()


def _after_fork() -> None:
    global _held
    releases, _held = _held, []
    for release in releases:
        release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork,
                        after_in_child=_after_fork)


def fork_lock() -> Any:
    """A reentrant lock that is free in a forked child."""
    lock = threading.RLock()
    fork_waits_for(lock.acquire, lock.release)
    return lock


_importing = fork_lock()


def import_late(name: str) -> Any:
    """Import a heavy module at its first need. A child forked meanwhile could not import it: the
    interpreter's locks of single modules stay locked."""
    if name not in sys.modules:
        _native.require_room(IMPORT_ROOM)
    with _importing:
        return importlib.import_module(name)
