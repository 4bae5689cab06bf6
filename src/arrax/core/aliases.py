"""A public function under a second name: the same code, with a `__name__` and memory of its own.

Programs look functions up by `__name__` (tables of wrapped functions, names of traced programs), so
`abs` must not call itself `absolute`.
"""
from __future__ import annotations

import inspect
import types
from typing import Any

from arrax import _native
from arrax.core.remembered import remembered


def alias(function: Any, name: str) -> Any:
    """`function` as a function of its own that is called `name`."""
    if isinstance(function, _native.Remembered):
        return remembered(alias(inspect.unwrap(function), name))
    copy = types.FunctionType(function.__code__, function.__globals__, name, function.__defaults__,
                              function.__closure__)
    copy.__kwdefaults__, copy.__doc__ = function.__kwdefaults__, function.__doc__
    copy.__annotations__, copy.__module__ = function.__annotations__, function.__module__
    copy.__dict__.update(function.__dict__)
    copy.__qualname__ = name
    return copy
