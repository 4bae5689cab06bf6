"""Leak checking, behind the flag `check_tracer_leaks`.

Each transformation runs its function in a frame of its own and calls `refuse_leaks` after that
frame is gone: whatever still refers to a tracer of the finished trace is the user's.
"""
from __future__ import annotations

import gc
import sys
from typing import Any

from arrax.core import config
from arrax.core.trace import Trace, Tracer

# The caller's variable, the tuple of `refuse_leaks`' arguments, the loop variable, the argument of
# `getrefcount`: a trace with no more has no tracers.
_OWN_REFERENCES = 4


def refuse_leaks(*traces: Trace) -> None:
    """Raise if something still refers to tracers of finished `traces`, and say what does."""
    if not config.check_tracer_leaks.value:
        return
    alive = [trace for trace in traces if sys.getrefcount(trace) > _OWN_REFERENCES]
    if alive:
        gc.collect()  # of what lives in cycles only
    for trace in alive:
        leaks = [held for held in gc.get_referrers(trace) if isinstance(held, Tracer)]
        if leaks:
            raise Exception(_message(trace, leaks))


def _message(trace: Trace, leaks: list[Tracer]) -> str:
    text = f"Leaked trace {type(trace).__name__}. Leaked tracer(s): {', '.join(map(repr, leaks))}."
    origin = leaks[0].origin()
    holders = _holders(leaks)
    if origin:
        text += f" {origin}"
    return text + (f" {leaks[0]!r} is kept by {' and '.join(holders)}." if holders else "")


def _holders(leaks: list[Tracer]) -> list[str]:
    """What refers to the first leaked tracer, in words; frames of ours are not named."""
    texts = []
    for holder in gc.get_referrers(leaks[0]):
        if holder is leaks or isinstance(holder, Tracer):
            continue
        kind = type(holder).__name__
        if kind in ("list", "tuple", "set", "dict", "cell"):
            article = "an element of a" if kind != "cell" else "a closure's"
            texts.append(f"{article} {kind}{_keys(holder, leaks[0])}")
        elif kind != "frame":
            texts.append(f"an object of type {kind}")
    return texts


def _keys(holder: Any, tracer: Tracer) -> str:
    if not isinstance(holder, dict):
        return ""
    keys = [repr(key) for key, value in holder.items() if value is tracer]
    return f" (under {', '.join(keys)})" if keys else ""
