"""What `arrax.core` offers to users beyond the classes of its modules."""
from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from arrax.core import jaxpr as _jaxpr
from arrax.core.evaluate import EVAL
from arrax.core.trace import use

ParamDict = dict[str, Any]


@contextlib.contextmanager
def eval_context() -> Iterator[None]:
    """Inside, operations are evaluated at once, whatever is being traced outside."""
    with use(EVAL):
        yield


def eval_jaxpr(jaxpr: Any, consts: Sequence[Any], *args: Any,
               propagate_source_info: bool = True) -> list[Any]:
    """The results of `jaxpr` (a Jaxpr, not closed) at flat arguments, equation by equation.

    Args:
      consts: the values of its constant variables.
      args: one value for each input.
      propagate_source_info: accepted for compatibility; equations traced anew name the caller.

    Example:
      >>> closed = make_jaxpr(lambda x: x + 1)(2)
      >>> core.eval_jaxpr(closed.jaxpr, closed.consts, 2)
      [Array(3, dtype=int32, weak_type=True)]
    """
    del propagate_source_info
    return _jaxpr.eval_jaxpr(jaxpr, consts, *args)
