"""Calls written once and made in both libraries: values, dtypes, weak types, classes of errors."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

jax: Any = pytest.importorskip("jax")

import arrax  # noqa: E402

NAMES: dict[str, Any] = {
    "np": np, "nan": np.nan, "inf": np.inf, "i32": np.int32, "f32": np.float32,
    "lowest": np.iinfo(np.int32).min}


def namespace(library: Any) -> dict[str, Any]:
    """The names that the text of a call may use."""
    return NAMES | {"jax": library, "lax": library.lax, "linalg": library.lax.linalg,
                    "jnp": library.numpy}


def outcome(text: str, library: Any) -> tuple[str, Any]:
    """("value", leaves of the result) or ("error", class and text) of the call."""
    try:
        result = eval(text, namespace(library))  # the tables below, no user input
        return "value", [_leaf(x) for x in library.tree_util.tree_leaves(result)]
    except Exception as error:
        return "error", (type(error), str(error))


def _leaf(x: Any) -> tuple[Any, ...]:
    """(kind, shape, dtype, weak type, values) of a leaf of a result."""
    if not hasattr(x, "dtype"):
        return type(x).__name__, x
    values = np.asarray(x)
    if values.dtype.kind == "V" or values.dtype.itemsize < 4 and values.dtype.kind not in "?iu":
        values = values.astype(np.float32)
    return "array", tuple(x.shape), str(x.dtype), bool(getattr(x, "weak_type", False)), values


def differences(text: str, rtol: float = 2e-6, atol: float = 0.0) -> str | None:
    """What differs between the libraries, or None: of the call, and of a compiled program of it."""
    theirs = outcome(text, jax)
    found = _difference(text, outcome(text, arrax), theirs, rtol, atol)
    if found is None and theirs[0] == "value" and all(leaf[0] == "array" for leaf in theirs[1]):
        compiled = f"jax.jit(lambda: {text})()"
        return _difference(compiled, outcome(compiled, arrax), theirs, 2 * rtol, atol + rtol / 20)
    return found


def _difference(text: str, outcome: Any, their_outcome: Any, rtol: float, atol: float,
                ) -> str | None:
    (kind, ours), (their_kind, theirs) = outcome, their_outcome
    if kind != their_kind:
        return f"{text}\n  ours:   {kind} {ours}\n  theirs: {their_kind} {theirs}"
    if kind == "error":
        return _error_difference(text, ours, theirs)
    if len(ours) != len(theirs):
        return f"{text}: {len(ours)} leaves, theirs {len(theirs)}"
    found = [_leaf_difference(a, b, rtol, atol) for a, b in zip(ours, theirs, strict=True)]
    told = [f"  leaf {i}: {d}" for i, d in enumerate(found) if d]
    return "\n".join([text, *told]) if told else None


def _error_difference(text: str, ours: Any, theirs: Any) -> str | None:
    """Errors agree in their class, or in the nearest built-in class."""
    def built_in(kind: type) -> list[type]:
        return [c for c in kind.__mro__ if c.__module__ == "builtins"][:1]
    if ours[0].__name__ == theirs[0].__name__ or built_in(ours[0]) == built_in(theirs[0]):
        return None
    return f"{text}\n  ours:   {ours[0].__name__}: {ours[1]}\n" \
           f"  theirs: {theirs[0].__name__}: {theirs[1]}"


def _leaf_difference(a: Any, b: Any, rtol: float, atol: float) -> str | None:
    if a[:-1] != b[:-1]:
        return f"{a[:-1]}, theirs {b[:-1]}"
    if a[0] != "array":
        return None if a[1] == b[1] else f"{a[1]}, theirs {b[1]}"
    x, y = a[-1], b[-1]
    if x.dtype.kind in "fc":
        finite = np.abs(y[np.isfinite(y)])
        scale = atol * float(np.max(finite, initial=0.0))
        with np.errstate(all="ignore"):
            same = np.isclose(x, y, rtol=rtol, atol=scale, equal_nan=True)
        if x.dtype.kind == "f":
            same &= (np.signbit(x) == np.signbit(y)) | (x != 0) | np.isnan(x)
    else:
        same = x == y
    return None if np.all(same) else f"values\n{x}\n    theirs\n{y}"


def lines(texts: str) -> list[str]:
    """The calls in a table: its lines that are neither empty nor comments, up to a comment."""
    calls = (text.partition("  # ")[0].strip() for text in texts.splitlines())
    return [call for call in calls if call and not call.startswith("#")]
