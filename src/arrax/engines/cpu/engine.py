"""The CPU engine: this machine's processor and our compiler for it.

The compiler (and with it LLVM) is imported at the first compile.
"""
from __future__ import annotations

from typing import Any

from arrax.core.forking import import_late
from arrax.core.jaxpr import ClosedJaxpr
from arrax.core.lowering import Elementwise, Form, Reduce, Reinterpret, View


class CpuEngine:
    """Compiles programs to machine code."""

    platform = "cpu"

    def has_loop(self, primitive: Any) -> bool:
        """Whether the primitive is elementwise code or a fold, which LLVM loops run best."""
        return isinstance(primitive.lower, (Elementwise, Reduce))

    def fuses(self, primitive: Any) -> bool:
        """Whether the primitive becomes loops or views that join those of its neighbours."""
        return isinstance(primitive.lower, (Elementwise, Reduce, View, Reinterpret)) \
            or (isinstance(primitive.lower, Form) and primitive.execute is None)

    def compile(self, closed: ClosedJaxpr, *, name: str = "jit",
                donated: tuple[bool, ...] = ()) -> Any:
        """Make native code of a program; `donated` flags inputs whose buffers may be reused."""
        compiler = import_late("arrax.engines.cpu.executable")
        return compiler.Executable(closed, tuple(donated), name)
