"""The largest error of a function in an engine and a dtype.

Where float64 or long double serve as the reference, the points with the largest errors are
computed again by mpmath, and the error of a row is the largest of those.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tools.accuracy import points, ulp
from tools.accuracy.functions import Function

DATA = Path(__file__).parent / "measured.json"
ENGINES = ("eager", "compiled", "numpy", "jax")
KEPT = 12  # points of a chunk that may be verified
Call = Callable[..., Any]


# ---- engines -----------------------------------------------------------------------------------

def _library(name: str) -> Any:
    """`arrax` or `jax`."""
    library = importlib.import_module(name)
    for room in ("lax", "numpy", "nn"):
        importlib.import_module(f"{name}.{room}")
    return library


def _wide(library: Any, call: Call) -> Call:
    """`call` with 64-bit dtypes, of NumPy arrays."""
    def run(*columns: Any) -> Any:
        with library.enable_x64(True):
            return np.asarray(call(*columns))
    return run


def _found(library: Any, path: str) -> Call:
    if path == "nn.gelu_exact":
        return lambda x: library.nn.gelu(x, approximate=False)
    room, name = path.split(".")
    return getattr(getattr(library, room), name)  # type: ignore[no-any-return]


def call_of(engine: str, function: Function, dtype: np.dtype[Any]) -> Call | None:
    """The function as an engine has it, on NumPy arrays; None where it has none."""
    if engine == "numpy":
        if not function.numpy or dtype == points.DTYPES["bfloat16"]:
            return None
        module, name = function.numpy.rsplit(".", 1)
        return _quiet(getattr(importlib.import_module(module), name), dtype)
    library = _library("jax" if engine == "jax" else "arrax")
    call = _found(library, function.path)
    if engine != "eager":
        call = _padded(library.jit(call))
    return _wide(library, call)


def _padded(call: Call) -> Call:
    """`call` on columns of one of few lengths: each length is a compile."""
    def run(*columns: Any) -> Any:
        count = len(columns[0])
        extra = -count % (points.CHUNK if count > 4096 else 512)
        return np.asarray(call(*(np.pad(np.asarray(c), (0, extra), mode="edge")
                                 for c in columns)))[:count]
    return run


def _quiet(function: Call, dtype: np.dtype[Any]) -> Call:
    def call(*columns: Any) -> Any:
        with np.errstate(all="ignore"):
            out = np.asarray(function(*columns))
            if out.dtype != dtype and out.dtype.itemsize >= dtype.itemsize:
                out = out.astype(points.part_of(dtype) if out.dtype.kind != "c" else dtype)
            return out
    return call


# ---- points and exact values -------------------------------------------------------------------

def _by_mpmath(function: Function, dtype: np.dtype[Any]) -> bool:
    wide = dtype == np.float64
    return function.slow or dtype.kind == "c" or function.fast is None or (
        wide and not function.long_double)


def _columns(function: Function, dtype: np.dtype[Any], step: int, thorough: float
             ) -> Iterator[tuple[Any, ...]]:
    """The operands; `step` is the distance of the numbers of float32 that are tried."""
    if function.slow:
        yield from points.operands(function, dtype, int(400 * thorough))
    elif _by_mpmath(function, dtype):
        yield from points.operands(function, dtype, int(6000 * thorough))
    elif function.arity == 1 and dtype.itemsize <= 4:
        exhaustive = dtype.itemsize == 2 and thorough >= 0.2
        yield from ((x,) for x in points.patterns(dtype, 1 if exhaustive else step))
        if step > 1:
            for centre in function.centres:
                for sign in (1, -1):
                    yield (points.near(sign * centre, dtype, int(2000 * thorough)),)
    else:
        yield from points.operands(function, dtype, int(300_000 * thorough))


def _exact(function: Function, columns: tuple[Any, ...], name: str, verify: bool = False
           ) -> tuple[Any, ...]:
    if verify or _by_mpmath(function, columns[0].dtype):
        return ulp.exact_values(function, columns, name)
    wide = ulp.wide_dtype(name)
    assert function.fast is not None
    with np.errstate(all="ignore"):
        return (np.asarray(function.fast(*(c.astype(wide) for c in columns))),)


# ---- errors ------------------------------------------------------------------------------------

Candidate = tuple[float, Any, tuple[Any, ...]]  # the error, the result and the operands


@dataclass
class Worst:
    """The largest errors so far: over normal numbers, and over all; the points they were at."""

    normal: float = 0.0
    every: float = 0.0
    parts: float = 0.0  # of complex results: of their parts, each in ulps of its own
    at: str = ""
    candidates: list[Candidate] = field(default_factory=list)
    normal_candidates: list[Candidate] = field(default_factory=list)


def _error(got: Any, exact: tuple[Any, ...], name: str) -> tuple[Any, Any]:
    """(errors of values, errors of parts); for complex values in ulps of the larger part."""
    part = {"complex64": "float32", "complex128": "float64"}.get(name, name)
    if len(exact) == 1:
        error = ulp.errors(got, exact[0], part)
        return error, error
    pairs = list(zip((got.real, got.imag), exact))
    parts = [ulp.errors(g, e, part) for g, e in pairs]
    larger = np.maximum(np.abs(exact[0]), np.abs(exact[1]))
    both = np.maximum(*parts)
    scaled = np.maximum(*(ulp.errors(g, e, part, larger) for g, e in pairs))
    return np.where(np.isinf(both), both, scaled), both


def _is_normal(columns: tuple[Any, ...], exact: tuple[Any, ...], name: str) -> Any:
    part = {"complex64": "float32", "complex128": "float64"}.get(name, name)
    tiny = np.ldexp(1.0, ulp.FORMATS[part].lowest)
    values = [v for c in columns for v in ((c.real, c.imag) if c.dtype.kind == "c" else (c,))]
    fine = np.ones(len(values[0]), bool)
    for value in [*(v.astype(np.float64) for v in values), *exact]:
        fine &= (np.abs(value) >= tiny) | (value == 0)
    return fine


def measure(function: Function, name: str, engines: tuple[str, ...], step: int = 16,
            thorough: float = 1.0) -> dict[str, dict[str, Any]]:
    """The rows of one function and dtype."""
    dtype = points.DTYPES[name]
    calls = {e: call for e in engines if (call := call_of(e, function, dtype))}
    found = {e: Worst() for e in calls}
    count = 0
    by_mpmath = _by_mpmath(function, dtype)
    for columns in _columns(function, dtype, step, thorough):
        count += len(columns[0])
        exact = _exact(function, columns, name)
        normal = _is_normal(columns, exact, name)
        for engine, call in list(calls.items()):
            try:
                got = call(*columns)
            except TypeError:  # NumPy has no loop for the dtype
                assert engine == "numpy"
                del calls[engine], found[engine]
                continue
            _note(found[engine], columns, got, exact, normal, name, by_mpmath)
    if not by_mpmath:
        for worst in found.values():
            _verify(worst, function, name)
    everything = function.arity == 1 and not by_mpmath and (
        dtype.itemsize == 2 and thorough >= 0.2 or dtype == np.float32 and step == 1)
    return {engine: _row(worst, "all" if everything else count)
            for engine, worst in found.items()}


def _row(worst: Worst, count: Any) -> dict[str, Any]:
    row = {"ulp": round(worst.normal, 3), "every": round(worst.every, 3), "at": worst.at,
           "points": count}
    if worst.parts:
        row["parts"] = round(worst.parts, 3)
    return row


def _note(worst: Worst, columns: tuple[Any, ...], got: Any, exact: tuple[Any, ...], normal: Any,
          name: str, final: bool) -> None:
    error, parts = _error(got, exact, name)
    if final:
        _update(worst, columns, error, parts, normal)
        return
    for kept, chosen in ((worst.candidates, error),
                         (worst.normal_candidates, np.where(normal, error, -1.0))):
        best = np.argpartition(chosen, -KEPT)[-KEPT:] if len(chosen) > KEPT else range(len(chosen))
        kept += [(float(chosen[i]), got[i], tuple(c[i] for c in columns)) for i in best]
        if len(kept) > 40 * KEPT:
            kept[:] = sorted(kept, key=lambda c: -c[0])[:4 * KEPT]


def _update(worst: Worst, columns: tuple[Any, ...], error: Any, parts: Any, normal: Any) -> None:
    usual = np.where(normal, error, -1.0)
    place = int(usual.argmax())
    if usual[place] > worst.normal or not worst.at:
        worst.normal = max(float(usual[place]), 0.0)
        worst.at = ", ".join(str(c[place]) for c in columns)
    worst.every = max(worst.every, float(error.max()))
    if columns[0].dtype.kind == "c":
        worst.parts = max(worst.parts, float(np.where(normal, parts, 0.0).max()))


def _verify(worst: Worst, function: Function, name: str) -> None:
    """Computes the errors of the candidates again, by mpmath."""
    dtype = points.DTYPES[name]
    best = [c for kept in (worst.candidates, worst.normal_candidates)
            for c in sorted(kept, key=lambda c: -c[0])[:2 * KEPT]]
    columns = tuple(np.array([p[i] for *_, p in best], dtype) for i in range(function.arity))
    exact = _exact(function, columns, name, verify=True)
    error, parts = _error(np.array([g for _, g, _ in best]), exact, name)
    _update(worst, columns, error, parts, _is_normal(columns, exact, name))


# ---- the data ----------------------------------------------------------------------------------

def load() -> dict[str, Any]:
    return json.loads(DATA.read_text()) if DATA.exists() else {}


def save(function: str, dtype: str, rows: dict[str, Any]) -> None:
    """Puts rows in; what was measured at all points stays until all are measured again."""
    data = load()
    data.setdefault(function, {}).setdefault(dtype, {}).update(rows)
    ordered = {f: {d: dict(sorted(e.items())) for d, e in sorted(rows.items())}
               for f, rows in sorted(data.items())}
    DATA.write_text(json.dumps(ordered, indent=1) + "\n")
