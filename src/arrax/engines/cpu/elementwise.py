"""How parameters of an equation reach the emit function of an elementwise lowering."""
from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def accepted_params(emit: Callable[..., Any], params: dict[str, Any]) -> dict[str, Any]:
    """The params that an emit function names (all of them if it takes `**params`)."""
    names = _names_of.get(emit)
    if names is None:
        signature = inspect.signature(emit).parameters.values()
        takes_all = any(p.kind is p.VAR_KEYWORD for p in signature)
        names = None if takes_all else frozenset(
            p.name for p in signature if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))
        _names_of[emit] = names = names if names is not None else _ALL
    return params if names is _ALL else {k: v for k, v in params.items() if k in names}


_ALL: frozenset[str] = frozenset({"**"})
_names_of: dict[Callable[..., Any], frozenset[str]] = {}
