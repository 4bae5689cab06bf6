"""The dtype matrix of rows: which dtypes an operation accepts, and its values in each.

`variants(row)` gives the row's operands in every dtype. Elementwise rows get special values too:
signed zeros, infinities, NaN, denormals and extremes; for integers the least, largest, -1 and 0.
`accepted.json` holds what JAX 0.10.2 accepts, by letters (`LETTERS`); `python -m
tests.parity.record_accepted` writes it.
"""
from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

LETTERS = {
    "b": ["bool"], "i": ["int8", "int16", "int32", "int64"],
    "u": ["uint8", "uint16", "uint32", "uint64"], "h": ["float16", "bfloat16"],
    "f": ["float32", "float64"], "c": ["complex64", "complex128"],
    "q": ["float8_e4m3fn", "float8_e5m2"], "n": ["int4", "uint4"],
}
DTYPES = [np.dtype(getattr(ml_dtypes, name, name)) for names in LETTERS.values() for name in names]
LETTER = {name: letter for letter, names in LETTERS.items() for name in names}
ACCEPTED = Path(__file__).with_name("accepted.json")


def kind(dtype: Any) -> str:
    """b, i, u, f or c, for the dtypes of ml_dtypes too."""
    dtype = np.dtype(dtype)
    if dtype.kind != "V" and dtype.num < 256:
        return dtype.kind
    return "f" if "float" in dtype.name else dtype.name[0]


# ---- operands ----------------------------------------------------------------------------------

def cast(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The values of a row in another dtype: fit for it, and as different as they were."""
    target, source = kind(dtype), kind(x.dtype)
    if target == "c" and source != "c":
        x = x + 0.5j * np.flip(x)
    if source == "c" and target != "c":
        x = x.real
    if target == "b":
        return x > 0 if source != "b" else x
    if target in "iu":
        x = np.rint(x * 2) if source in "fc" else x
        x = np.abs(x) if target == "u" else x
        x = np.clip(x, 0, 7) if dtype.name == "uint4" else x
        x = np.clip(x, -7, 7) if dtype.name == "int4" else x
    return np.asarray(x).astype(dtype)


_RANKS = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}


def _varied(row: Any) -> list[int]:
    """The operands whose dtype varies: those of the highest kind that there is."""
    dtypes = [np.asarray(x).dtype for x in row.operands]
    most = max((_RANKS[kind(d)] for d in dtypes), default=0)
    main = next((d for d in dtypes if _RANKS[kind(d)] == most), None)
    return [i for i, d in enumerate(dtypes) if d == main]


def meaningful(row: Any) -> str:
    """The letters of the dtypes that the row's values have a meaning in: a row of integers is about
    integers."""
    varied = _varied(row)
    if varied and kind(np.asarray(row.operands[varied[0]]).dtype) in "biu":
        return "".join(letter for letter in row.matrix if letter in "biun")
    return row.matrix  # type: ignore[no-any-return]


def variants(row: Any) -> Iterator[tuple[np.dtype, tuple[Any, ...]]]:
    """The row's operands in each dtype."""
    varied = _varied(row)
    for dtype in DTYPES if varied else ():
        yield dtype, tuple(cast(np.asarray(x), dtype) if i in varied else x
                           for i, x in enumerate(row.operands))


def special(dtype: np.dtype) -> np.ndarray:
    """The values of a real dtype at which operations go wrong."""
    if kind(dtype) == "b":
        return np.array([False, True])
    if kind(dtype) in "iu":
        info = ml_dtypes.iinfo(dtype)
        values = [0, 1, 3, info.bits - 1, info.bits, int(info.max), int(info.min),
                  -1 if info.min else int(info.max) - 1]
        return np.array([min(v, int(info.max)) for v in values], object).astype(dtype)
    info = ml_dtypes.finfo(dtype)
    values = [0.0, 0.5, 1.0, 1.5, 2.5, 3.0, float(info.eps), float(info.max), float(info.tiny)]
    values += [-v for v in values] + [np.nan, np.inf, -np.inf]
    return np.array(values).astype(dtype)


def with_special(row: Any, dtype: np.dtype, operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """Operands of an elementwise row as vectors that end with all combinations of special values.

    Complex operands and rows of three varied operands and more are left as they are.
    """
    varied = _varied(row)
    if kind(dtype) == "c" or len(varied) > 2 or len(set(map(np.shape, operands))) > 1:
        return operands
    values = special(dtype)
    columns = iter(np.array(list(itertools.product(range(len(values)), repeat=len(varied)))).T)
    size = len(values) ** len(varied)
    return tuple(np.concatenate([x.ravel(), values[next(columns)] if i in varied
                                 else np.resize(x, size)]) for i, x in enumerate(operands))


def wide(x: Any) -> Any:
    """An operand in the highest precision of its kind."""
    x = np.asarray(x)
    if kind(x.dtype) == "f":
        return x.astype(np.float64)
    if x.dtype.name in ("int4", "uint4"):
        return x.astype(x.dtype.name.replace("4", "8"))
    return x.astype(np.complex128) if kind(x.dtype) == "c" else x


# ---- what is accepted --------------------------------------------------------------------------

@functools.cache
def accepted() -> dict[str, dict[str, str]]:
    """For each table of rows, the letters of the dtypes that each row accepts."""
    return json.loads(ACCEPTED.read_text())  # type: ignore[no-any-return]


def letters(dtypes: list[np.dtype]) -> str:
    """The letters of dtypes, or their names where a letter stands for others too."""
    names = [d.name for d in dtypes]
    whole = [letter for letter, members in LETTERS.items() if set(members) <= set(names)]
    parts = [name for name in names if LETTER[name] not in whole]
    return " ".join([*(["".join(whole)] if whole else []), *parts])


def dtypes_of(text: str) -> set[np.dtype]:
    """The dtypes that `letters` wrote."""
    names: list[str] = []
    for part in text.split():
        names += [part] if part in LETTER else itertools.chain(*(LETTERS[p] for p in part))
    return {np.dtype(getattr(ml_dtypes, name, name)) for name in names}


# ---- comparison --------------------------------------------------------------------------------

def assert_same(actual: Any, expected: Any, ulps: float, what: str) -> None:
    """Equal integers; floats, NaN and infinities included, up to units of their dtype's epsilon."""
    for a, e in zip(_arrays(actual), _arrays(expected), strict=True):
        assert a.shape == e.shape and a.dtype == e.dtype, f"{what}: {a.dtype}{a.shape}, " \
            f"expected {e.dtype}{e.shape}"
        if kind(a.dtype) not in "fc":
            np.testing.assert_array_equal(a, e, err_msg=what)
            continue
        eps = float(ml_dtypes.finfo(a.dtype).eps)
        target = np.complex128 if kind(a.dtype) == "c" else np.float64
        a, e = a.astype(target), e.astype(target)
        size = np.max(np.abs(e[np.isfinite(e)]), initial=0)
        size = min(size, 1e4)  # special values reach the largest numbers
        np.testing.assert_allclose(a, e, rtol=ulps * eps, atol=ulps * eps * size, err_msg=what)


def rounded(reference: Callable[..., Any], operands: tuple[Any, ...], results: Any) -> list[Any]:
    """The reference in the highest precision, rounded to the dtypes of the results."""
    with np.errstate(all="ignore"):
        exact = _arrays(reference(*map(wide, operands)))
        out = []
        for x, result in zip(exact, _arrays(results), strict=True):
            x = x.real if kind(x.dtype) == "c" and kind(result.dtype) != "c" else x
            out.append(x.astype(result.dtype))
    return out


def _arrays(results: Any) -> list[np.ndarray]:
    return [np.asarray(r) for r in (results if isinstance(results, (tuple, list)) else [results])]
