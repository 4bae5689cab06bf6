"""Elementwise lowerings by primitive name, for op blocks without a `lower` field of their own.

Costs count additions, roughly: fusion repeats cheap work, and materializes costly work.
"""
from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from arrax.engines.cpu.lowering import Elementwise


def _method(name: str, cost: int) -> Elementwise:
    """The `ScalarBuilder` method of the primitive's name."""
    return Elementwise(lambda b, *values: getattr(b, name)(*values), cost)


_SAME_NAME = {
    1: """add sub mul neg abs max min eq ne lt le gt ge select_n clamp is_finite real imag conj
          complex square floor ceil""",
    2: "sign rem clz population_count nextafter",
    4: "div sqrt rsqrt",
    12: """exp exp2 log log1p expm1 tanh logistic sin cos tan asin acos atan sinh cosh asinh acosh
           atanh erf erfc erf_inv cbrt""",
    24: "pow atan2",
}
_RENAMED = {"and": "and_", "or": "or_", "xor": "xor", "not": "not_", "add_any": "add",
            "shift_left": "shift_left", "shift_right_logical": "shift_right_logical",
            "shift_right_arithmetic": "shift_right_arithmetic", "mul_any": "mul"}

TABLE: dict[str, Elementwise] = {
    name: _method(name, cost) for cost, names in _SAME_NAME.items() for name in names.split()}
TABLE |= {name: _method(method, 1) for name, method in _RENAMED.items()}
TABLE |= {
    "integer_pow": Elementwise(lambda b, x, y: b.integer_pow(x, y), 3),
    "round": Elementwise(lambda b, x, rounding_method: b.round(x, int(rounding_method)), 1),
    "convert_element_type": Elementwise(lambda b, x: b.convert_element_type(x, b.out_dtype), 1),
    "copy": Elementwise(lambda b, x: x, 0),
    "copy_p": Elementwise(lambda b, x: x, 0),
    "name": Elementwise(lambda b, x: x, 0),
}


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
