"""`arrax.extend.core.primitives`: the primitives of arrax by JAX's names, `sin_p` and so on.

A name is the primitive's own with `_p`; `_RENAMED` holds the others.
"""
from __future__ import annotations

from typing import Any

from arrax import lax, random
from arrax.core.primitive import registry
from arrax.transforms import closed_calls

_DECLARE = (lax, random, closed_calls)  # modules whose import declares primitives

_RENAMED = {
    "add_jaxvals_p": "add_any", "call_p": "call", "closed_call_p": "closed_call",
    "empty2_p": "empty", "linear_solve_p": "custom_linear_solve", "remat_p": "remat2",
    "scatter_add_p": "scatter-add", "scatter_max_p": "scatter-max", "scatter_min_p": "scatter-min",
    "scatter_mul_p": "scatter-mul", "scatter_sub_p": "scatter-sub",
    "get_p": "get", "swap_p": "swap"}


def __getattr__(name: str) -> Any:
    """The primitive that JAX calls `name`."""
    primitive = registry.get(_RENAMED.get(name, name.removesuffix("_p")))
    if primitive is None or not name.endswith("_p"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return primitive


def __dir__() -> list[str]:
    renamed = {old for name, old in _RENAMED.items() if old in registry}
    return sorted([*(n for n, old in _RENAMED.items() if old in registry),
                   *(f"{n}_p" for n in registry if n not in renamed)])
