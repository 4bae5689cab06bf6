"""`arrax.experimental`: what JAX keeps apart from its stable API; same names and meaning here.

Submodules are imported when first used.
"""
from __future__ import annotations

from typing import Any

from arrax.core.lazy import submodules
from arrax.ops.callback import io_callback


def cur_qdd(x: Any) -> Any:
    """The types of what is in a value of a mutable type now; see `hijax.MutableHiType`.

    Source: `jax.experimental.cur_qdd`.
    """
    return x.cur_qdd()


__getattr__, __dir__ = submodules(__name__)
