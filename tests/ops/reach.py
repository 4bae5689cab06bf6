"""What a row reaches: the primitives that it binds and the public functions that it calls."""
from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

import arrax
from arrax import _native
from arrax.core.jaxpr import ClosedJaxpr, jaxprs_in_params
from arrax.core.primitive import Primitive
from tests.ops.rows import Row


def trace(row: Row) -> Any:
    """Trace the row, and its gradient if it has one; the jaxprs."""
    jaxprs = [arrax.make_jaxpr(row.function)(*row.operands)]
    places = row.differentiable()
    if row.order and places:
        def slope(*active: Any) -> Any:
            operands = list(row.operands)
            for place, x in zip(places, active, strict=True):
                operands[place] = x

            def inexact(*active: Any) -> list[Any]:
                full = list(operands)
                for place, x in zip(places, active, strict=True):
                    full[place] = x
                out = row.function(*full)
                outs = out if isinstance(out, (tuple, list)) else [out]
                return [o for o in outs if arrax.dtypes.issubdtype(o.dtype, np.inexact)]
            outs, pull = arrax.vjp(inexact, *active)
            return pull([np.ones(o.shape, o.dtype) for o in outs])
        jaxprs.append(arrax.make_jaxpr(slope)(*(row.operands[i] for i in places)))
    return jaxprs


# ---- primitives --------------------------------------------------------------------------------

def primitives_in(jaxpr: Any) -> Iterator[str]:
    """The primitives of a jaxpr, in those that it carries too."""
    for equation in jaxpr.eqns:
        yield equation.primitive.name
        for inner in jaxprs_in_params(equation.params):
            yield from primitives_in(inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner)


@contextlib.contextmanager
def primitives_bound() -> Iterator[set[str]]:
    """Collects the primitives bound meanwhile, those that leave no equation too (collectives)."""
    found: set[str] = set()

    def bind(self: Primitive, *args: Any, **params: Any) -> Any:
        found.add(self.name)
        return _native.PrimitiveBase.bind(self, *args, **params)

    Primitive.bind = bind  # type: ignore[method-assign]
    try:
        yield found
    finally:
        del Primitive.bind


# ---- functions ---------------------------------------------------------------------------------

def public_functions(*modules: ModuleType) -> dict[str, FunctionType]:
    """The functions of modules by "module.name"; classes, primitives and constants left out."""
    return {f"{module.__name__.removeprefix('arrax.')}.{name}": value
            for module in modules for name, value in vars(module).items()
            if not name.startswith("_") and isinstance(value, FunctionType)}


def _cells(function: FunctionType) -> dict[str, Any]:
    cells = function.__closure__ or ()
    return {name: cell.cell_contents
            for name, cell in zip(function.__code__.co_freevars, cells, strict=True)}


@contextlib.contextmanager
def functions_called(functions: dict[str, FunctionType]) -> Iterator[set[str]]:
    """Collects which of `functions` are called meanwhile; those with one code by their closures."""
    by_code: dict[CodeType, list[tuple[str, dict[str, Any]]]] = {}
    for name, function in functions.items():
        by_code.setdefault(function.__code__, []).append((name, _cells(function)))
    found: set[str] = set()

    def profile(frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code in by_code:
            values = frame.f_locals
            found.update(name for name, cells in by_code[frame.f_code]
                         if all(values.get(k) is v for k, v in cells.items()))

    before: Callable[..., Any] | None = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield found
    finally:
        sys.setprofile(before)
