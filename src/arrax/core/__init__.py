"""What a program is: avals, arrays, primitives, traces and jaxprs.

`arrax.core` also gives users the names of the table below; they are imported when first used, since
some of them stand above this folder.
"""
from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "AbstractValue": "core.aval", "ShapedArray": "core.aval", "Atom": "core.jaxpr",
    "Trace": "core.trace", "Tracer": "core.trace", "ParamDict": "core.user_names",
    "eval_context": "core.user_names", "eval_jaxpr": "core.user_names",
    "max_dim": "core.dimension", "min_dim": "core.dimension",
    "ensure_compile_time_eval": "transforms.api_trace"}


def __getattr__(name: str) -> Any:
    """The names that users know from `arrax.core`."""
    if name in _HOMES:
        value = getattr(importlib.import_module(f"arrax.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
