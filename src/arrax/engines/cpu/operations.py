"""What an `Apply` of the loop IR does to its operands, and a fold to what it folds: an operation.

An operation has a name that no other has, so that text can say which one is meant: that of the
elementwise primitive whose code and meaning it has (of a fold of pairs: of the reduction), or one
of the compiler's own, declared here.
"""
from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from arrax.core.aval import ShapedArray
from arrax.core.dtypes import storage_dtype
from arrax.core.errors import InternalError
from arrax.core.primitive import Primitive, registry
from arrax.core.lowering import Elementwise, Form, Pairs, Reduce

Dtypes = tuple[np.dtype[Any], ...]
INT64 = np.dtype(np.int64)


class Operation:
    """`emit(b, *values, **params)` writes it with a `ScalarBuilder`; `evaluate(*arrays, **params)`
    is what it means, by NumPy.

    An operation on pairs (value, position) takes and gives tuples instead of values and arrays.
    `cost` counts additions. `makes_index`: the result is an index, whose width does not decide how
    many lanes vectors have. `defaults` are params that may as well be absent.
    """

    __slots__ = ("name", "emit", "evaluate", "type_rule", "cost", "makes_index", "accepted",
                 "defaults", "_dtypes")

    def __init__(self, name: str, emit: Callable[..., Any], evaluate: Callable[..., Any],
                 type_rule: Callable[[Dtypes, dict[str, Any]], np.dtype[Any]],
                 cost: int = 1, makes_index: bool = False, defaults: dict[str, Any] | None = None):
        self.name, self.emit, self.evaluate, self.type_rule = name, emit, evaluate, type_rule
        self._dtypes: dict[Hashable, np.dtype[Any]] = {}
        self.cost, self.makes_index, self.defaults = cost, makes_index, defaults or {}
        self.accepted = _accepted(emit)

    def result_dtype(self, dtypes: Dtypes, params: dict[str, Any]) -> np.dtype[Any]:
        """The dtype of the result for operands of these dtypes."""
        key = (dtypes, *params.items()) if params else dtypes
        found = self._dtypes.get(key)
        if found is None:
            found = self._dtypes[key] = self.type_rule(dtypes, params)
        return found

    def own_params(self, params: dict[str, Any]) -> dict[str, Any]:
        """The params that are no defaults."""
        if not params or self.defaults.keys().isdisjoint(params):
            return params
        return {name: value for name, value in params.items()
                if name not in self.defaults or self.defaults[name] is not value}

    def write(self, b: Any, args: Any, params: dict[str, Any]) -> Any:
        """The code, given those params that the emit function names."""
        if params and self.accepted is not None:
            params = {name: params[name] for name in params if name in self.accepted}
        return self.emit(b, *args, **params)

    def __repr__(self) -> str:
        return self.name


def _accepted(emit: Callable[..., Any]) -> frozenset[str] | None:
    """The params that an emit function names; None if it takes all."""
    signature = inspect.signature(emit).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in signature):
        return None
    return frozenset(p.name for p in signature
                     if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))


def operation_of(primitive: Primitive) -> Operation:
    """The operation of an elementwise primitive, or on the pairs of a fold."""
    found = _known.get(primitive)
    if found is None:
        found = _known[primitive] = _made(primitive)
    return found


_known: dict[Primitive, Operation] = {}


def _made(primitive: Primitive) -> Operation:
    lower = primitive.lower
    if type(lower) is Form:
        lower = lower.element
    if type(lower) is Elementwise:
        return Operation(primitive.name, lower.emit, primitive.rule("evaluate"),
                         _scalar_rule(primitive), lower.cost, defaults=primitive.hidden)
    if type(lower) is Reduce and isinstance(lower.fold, Pairs):
        return Operation(primitive.name, lower.fold.emit, lower.fold.evaluate,
                         lambda dtypes, params: dtypes[0])
    raise InternalError(f"{primitive.name} is no operation on elements")


def _scalar_rule(primitive: Primitive) -> Callable[[Dtypes, dict[str, Any]], np.dtype[Any]]:
    """What the primitive's type rule says of scalars."""
    def rule(dtypes: Dtypes, params: dict[str, Any]) -> np.dtype[Any]:
        out = primitive.result_avals([ShapedArray((), dtype) for dtype in dtypes], params)
        return np.dtype(storage_dtype(out.dtype))
    return rule


def operation_named(name: str) -> Operation:
    """The operation that text calls so."""
    own = _OWN.get(name)
    if own is None and name not in registry:
        raise InternalError(f"no operation is called {name!r}")
    return own or operation_of(registry[name])


# ---- the compiler's own ------------------------------------------------------------------------

def _emit_clamped(b: Any, x: Any, high: int) -> Any:
    if x.kind == "uint":
        x = b.min(x, b.constant(min(high, np.iinfo(x.dtype).max), x.dtype))
        return b.convert_element_type(x, INT64)
    wide = b.convert_element_type(x, INT64)
    return b.min(b.max(wide, b.constant(0, INT64)), b.constant(high, INT64))


def _clamped(x: Any, high: int) -> Any:
    if x.dtype.kind == "u":
        return np.minimum(x, min(high, np.iinfo(x.dtype).max)).astype(INT64)
    return np.clip(x.astype(INT64), 0, high)


def _gives_int64(dtypes: Dtypes, params: dict[str, Any]) -> np.dtype[Any]:
    return INT64


CLAMP_INDEX = Operation("clamp_index", _emit_clamped, _clamped, _gives_int64, makes_index=True)
WIDE_INDEX = Operation("wide_index", lambda b, x: b.convert_element_type(x, INT64),
                       lambda x: x.astype(INT64), _gives_int64, makes_index=True)
_OWN = {operation.name: operation for operation in (CLAMP_INDEX, WIDE_INDEX)}
