"""`debug_key_reuse`: a random key that a second function consumes raises KeyReuseError.

Keys are followed as Python objects: concrete typed keys outside of transformations, traced ones
within the program being traced. What a compiled program did to the keys it was given, elements of
key arrays and iterations of a loop are not followed, nor are raw uint32 keys.
"""
from __future__ import annotations

import weakref
from typing import Any

from arrax.core import config
from arrax.core.errors import KeyReuseError

_consumed: dict[int, weakref.ref[Any]] = {}


def consume(function: str, key: Any) -> None:
    """Note that `function` uses `key` up; KeyReuseError when another one has.

    Wrong:
      >>> x, y = random.normal(key), random.uniform(key)

    Right:
      >>> key_x, key_y = random.split(key)
      >>> x, y = random.normal(key_x), random.uniform(key_y)
    """
    if not config.debug_key_reuse.value:
        return
    mark = _consumed.get(id(key))
    if mark is not None and mark() is key:
        raise KeyReuseError(f"Previously-consumed key passed to {function} at index 0")
    number = id(key)
    _consumed[number] = weakref.ref(key, lambda _: _consumed.pop(number, None))
