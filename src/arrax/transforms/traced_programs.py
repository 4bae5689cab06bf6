"""What `jit` makes of a function at one signature, and its executable."""
from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from arrax.core import config, monitoring
from arrax.core.caching import memoize_on_jaxpr
from arrax.core.engine import default_engine
from arrax.core.errors import JaxRuntimeError
from arrax.core.jaxpr import ClosedJaxpr
from arrax.core.warn import warn


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


@memoize_on_jaxpr
def compiled(closed: ClosedJaxpr, name: str = "jit", donated: tuple[bool, ...] = ()) -> Any:
    """The executable of a program, made once for each jaxpr object."""
    if config.log_compiles.value:
        logging.getLogger("arrax").warning("Compiling %s with types %s", name, closed.in_avals)
    with monitoring.timed(monitoring.COMPILE_DURATION, fun_name=name):
        return default_engine().compile(closed, name=name, donated=donated)


def check_compiler_options(options: dict[str, Any] | None) -> None:
    """Raise for options that no compiler has; warn of XLA's, which say nothing to this one."""
    for name in options or ():
        if not str(name).startswith("xla_"):
            raise JaxRuntimeError(f"INVALID_ARGUMENT: No such compile option: '{name}'")
        warn(f"compiler_options: {name} is an option of XLA; this engine's compiler has none")
