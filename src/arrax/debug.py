"""`arrax.debug`: look at values inside compiled and transformed programs."""
from __future__ import annotations

import string
from typing import Any

import numpy as np

from arrax.core.lazy import listing
from arrax.ops.callback import debug_callback as callback
from arrax.ops.callback import debug_effect as _debug_effect
from arrax.ops.callback import ordered_debug_effect as _ordered_debug_effect

DebugEffect = type(_debug_effect)
OrderedDebugEffect = type(_ordered_debug_effect)


class _CheckedFormatter(string.Formatter):
    """Raises for arguments that the format string does not use."""

    def check_unused_args(self, used_args: Any, args: Any, kwargs: Any) -> None:
        unused = [i for i in range(len(args)) if i not in used_args]
        unused_names = [k for k in kwargs if k not in used_args]
        if unused:
            raise ValueError(f"Unused positional arguments to `jax.debug.print`: {unused}")
        if unused_names:
            raise ValueError(f"Unused keyword arguments to `jax.debug.print`: {unused_names}. You "
                             "may be passing an f-string (i.e, `f\"{x}\"`) into `jax.debug.print` "
                             "and instead should pass in a regular string.")


_formatter = _CheckedFormatter()


def print(fmt: str, *args: Any, ordered: bool = False, partitioned: bool = False,
          **kwargs: Any) -> None:
    """Print `fmt.format(*args, **kwargs)` whenever the program runs, under jit too.

    Args:
      fmt: a format string; an f-string would show tracers instead of values.
      args, kwargs: arrays (or pytrees of them) for the placeholders.
      ordered: keep the order of the program among ordered prints.

    Raises:
      ValueError: for arguments without a placeholder. TypeError: if `fmt` is no string.

    Example:
      >>> jit(lambda x: arrax.debug.print("x is {}", x))(3)
      x is 3
    """
    if not isinstance(fmt, str):
        raise TypeError("The first argument to `jax.debug.print` must be a string, got "
                        f"{type(fmt)}")
    _formatter.vformat(fmt, tuple(map(_Placeholder, args)),
                       {k: _Placeholder(v) for k, v in kwargs.items()})

    def show(*values: Any, **named: Any) -> None:
        _write(_formatter.vformat(fmt, values, named))
    callback(show, *args, ordered=ordered, **kwargs)


def _write(text: str) -> None:
    import builtins
    builtins.print(text)


class _Placeholder:
    """Stands for an argument while the format string is checked."""

    def __init__(self, value: Any):
        self.value = value

    def __format__(self, spec: str) -> str:
        return ""

    def __getattr__(self, name: str) -> Any:
        return _Placeholder(None)

    def __getitem__(self, item: Any) -> Any:
        return _Placeholder(None)


def log(fmt: str, *args: Any, **kwargs: Any) -> None:
    """Like `print`, to the logger "arrax"."""
    import logging

    def show(*values: Any, **named: Any) -> None:
        logging.getLogger("arrax").info(_formatter.vformat(fmt, values, named))
    callback(show, *args, **kwargs)


def visualize_array_sharding(arr: Any, **kwargs: Any) -> None:
    """Print which device holds which part of `arr`."""
    devices = sorted(d.id for d in arr.sharding.device_set)
    _write(f"{tuple(np.shape(arr))} on devices {devices}: {arr.sharding}")

__all__ = [
    "DebugEffect", "OrderedDebugEffect", "callback", "log", "print", "visualize_array_sharding"]
__dir__ = listing(__name__)
