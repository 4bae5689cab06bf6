"""`arrax.debug`: look at values inside compiled and transformed programs.

The debugger (`_debugger.py`) is loaded when it is first asked for.
"""
from __future__ import annotations

import importlib
import string
from collections.abc import Callable
from typing import Any

import numpy as np

from arrax.core.lazy import listing as _listing
from arrax.ops.callback import debug_callback as callback
from arrax.ops.callback import debug_effect as _debug_effect
from arrax.ops.callback import ordered_debug_effect as _ordered_debug_effect
from arrax.ops.callback import refuse_arguments

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


def print(fmt: str | None = None, *args: Any, ordered: bool = False, partitioned: bool = False,
          skip_format_check: bool = False, _use_logging: bool = False,
          **kwargs: Any) -> Callable[..., None] | None:
    """Print `fmt.format(*args, **kwargs)` whenever the program runs, under jit too.

    Args:
      fmt: a format string; an f-string would show tracers instead of values. Without it, the
        function of `(fmt, *args, **kwargs)` that has the given options.
      args, kwargs: arrays (or pytrees of them) for the placeholders.
      ordered: keep the order of the program among ordered prints.
      skip_format_check: let arguments without a placeholder pass.

    Raises:
      ValueError: for arguments without a placeholder. TypeError: if `fmt` is no string.

    Example:
      >>> jit(lambda x: arrax.debug.print("x is {}", x))(3)
      x is 3
    """
    def show(fmt: str, *args: Any, **kwargs: Any) -> None:
        _print(fmt, args, kwargs, ordered, skip_format_check, _use_logging)
    if fmt is None:
        refuse_arguments("debug_print", args, kwargs)
        return show
    show(fmt, *args, **kwargs)
    return None


def log(fmt: str | None = None, *args: Any, ordered: bool = False, partitioned: bool = False,
        skip_format_check: bool = False, _use_logging: bool = True,
        **kwargs: Any) -> Callable[..., None] | None:
    """Like `print`, to the logger "arrax"."""
    return print(fmt, *args, ordered=ordered, partitioned=partitioned,
                 skip_format_check=skip_format_check, _use_logging=_use_logging, **kwargs)


def _print(fmt: str, args: Any, kwargs: Any, ordered: bool, skip_format_check: bool,
           use_logging: bool) -> None:
    if not isinstance(fmt, str):
        raise TypeError("The first argument to `jax.debug.print` must be a string, got "
                        f"{type(fmt)}")
    formatter = string.Formatter() if skip_format_check else _formatter
    formatter.vformat(fmt, tuple(map(_Placeholder, args)),
                      {k: _Placeholder(v) for k, v in kwargs.items()})

    options = np.get_printoptions()  # those of the call, not of the run

    def show(*values: Any, **named: Any) -> None:
        with np.printoptions(**options):
            text = formatter.vformat(fmt, values, named)
        if use_logging:
            import logging
            logging.getLogger("arrax").info(text)
        else:
            _write(text)
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


def visualize_array_sharding(arr: Any, **kwargs: Any) -> None:
    """Print which device holds which part of `arr`."""
    devices = sorted(d.id for d in arr.sharding.device_set)
    _write(f"{tuple(np.shape(arr))} on devices {devices}: {arr.sharding}")


def __getattr__(name: str) -> Any:
    if name == "breakpoint":
        return importlib.import_module("arrax._debugger").breakpoint
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "DebugEffect", "OrderedDebugEffect", "breakpoint", "callback", "log", "print",
    "visualize_array_sharding"]
__dir__ = _listing(__name__)
