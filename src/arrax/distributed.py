"""`arrax.distributed`: several processes. This version runs one; the names are here for programs
that ask whether there are more."""
from __future__ import annotations

from typing import Any

from arrax.core.lazy import listing as _listing

__all__ = ["initialize", "is_initialized", "shutdown"]

_state = {"initialized": False}


def initialize(coordinator_address: str | None = None, num_processes: int | None = None,
               process_id: int | None = None, **options: Any) -> None:
    """Take part in a computation of one process.

    Args:
      num_processes, process_id: 1 and 0, or None for these.
      options: JAX's other keywords, about the coordinator that several processes have.

    Raises NotImplementedError for more than one process, RuntimeError when called twice.
    """
    if num_processes not in (None, 1) or process_id not in (None, 0):
        raise NotImplementedError(
            f"distributed.initialize: got num_processes={num_processes}, process_id={process_id}; "
            "this version of arrax runs in one process")
    if coordinator_address is not None and num_processes is None:
        raise NotImplementedError(
            "distributed.initialize: a coordinator_address without num_processes=1 asks for "
            "several processes; this version of arrax runs in one")
    if _state["initialized"]:
        raise RuntimeError("distributed.initialize should only be called once.")
    _state["initialized"] = True


def is_initialized() -> bool:
    """Whether `initialize` was called."""
    return _state["initialized"]


def shutdown() -> None:
    """Undo `initialize`."""
    _state["initialized"] = False

__dir__ = _listing(__name__)
