"""What `jit` makes of a function at one signature, and its executable."""
from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from arrax.core import config, monitoring
from arrax.core.aval import ShapedArray
from arrax.core.caching import memoize_on_jaxpr
from arrax.core.device import cpu_devices
from arrax.core.engine import default_engine
from arrax.core.errors import JaxRuntimeError
from arrax.core.jaxpr import ClosedJaxpr
from arrax.core.warn import warn
from arrax.transforms import calls


@dataclass
class TracedProgram:
    """A function traced at one signature."""

    closed: ClosedJaxpr
    outer_values: list[Any]  # tracers of outer traces that the function captured: leading operands
    out_tree: Any
    in_tree: Any
    name: str
    donated: tuple[bool, ...]
    keep_unused: bool
    inline: bool
    asked_in: tuple[Any, ...] | None = None  # placements, by `in_shardings`
    asked_out: tuple[Any, ...] | None = None


@memoize_on_jaxpr
def compiled(closed: ClosedJaxpr, name: str = "jit", donated: tuple[bool, ...] = ()) -> Any:
    """The executable of a program, made once for each jaxpr object."""
    if config.log_compiles.value:
        logging.getLogger("arrax").warning("Compiling %s with types %s", name, closed.in_avals)
    cpu_devices()  # an error where the program is to run on another platform
    captured = sum(getattr(c, "nbytes", 0) for c in closed.consts)
    if captured > config.captured_constants_warn_bytes.value:
        warn(f"A large amount of constants was captured while tracing {name}: {captured:,} bytes, "
             "more than the flag captured_constants_warn_bytes. Pass large arrays as arguments.")
    with monitoring.timed(monitoring.COMPILE_DURATION, fun_name=name):
        return default_engine().compile(closed, name=name, donated=donated)


def explain_miss(fun: Any, key: tuple[Any, ...], known: Iterable[tuple[Any, ...]]) -> None:
    """Log why a call of a `jit` function is traced: which part of the key no earlier call had.

    Keys are (tree of the arguments, avals, static arguments, context, axes).
    """
    name = calls.function_name(fun)
    earlier = list(known)
    if not earlier:
        why = "it has not been called before"
    else:
        nearest = max(earlier, key=lambda other: _equal_parts(key, other))
        lines = [f"{part}: now {_shown(new)}, earlier {_shown(old)}"
                 for part, new, old in zip(_KEY_PARTS, key, nearest, strict=True) if new != old]
        why = "new " + "; ".join(lines)
    logging.getLogger("arrax").warning("Tracing cache miss: %s: %s", name, why)


_KEY_PARTS = ("structure of the arguments", "types of the arguments", "static arguments", "flags",
              "named axes")


def _equal_parts(key: tuple[Any, ...], other: tuple[Any, ...]) -> int:
    return sum(a == b for a, b in zip(key, other, strict=True))


def _shown(part: Any) -> str:
    if isinstance(part, tuple):
        return f"({', '.join(map(_shown, part))})"
    return part.str_short(True) if isinstance(part, ShapedArray) else repr(part)


def check_compiler_options(options: dict[str, Any] | None) -> None:
    """Raise for options that no compiler has; warn of XLA's, which say nothing to this one."""
    for name in options or ():
        if not str(name).startswith("xla_"):
            raise JaxRuntimeError(f"INVALID_ARGUMENT: No such compile option: '{name}'")
        warn(f"compiler_options: {name} is an option of XLA; this engine's compiler has none")
