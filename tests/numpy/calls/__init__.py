"""Tables of calls, read by the tests that compare arrax with NumPy and with JAX.

A table is a text file. Each line is a row: an expression whose names are functions of
`numpy`/`jax.numpy` and the operands of `operands`; `{a|b}` stands for both alternatives, so that
one row covers a function's axes and keywords. Where NumPy says it differently, ` => ` and NumPy's
expression follow (`?` if it has none): `{1}` there is what was chosen in the first pair of braces,
`{1:c|d}` what stands beside it. A line in brackets names the operands' dtypes for the rows below
it; `[none]` is for rows whose operands have no dtype to vary. Lines that start with `#` are
remarks.
"""
from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

import ml_dtypes
import numpy as np
import numpy.fft

INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
FLOATS = ("float16", "bfloat16", "float32", "float64")
COMPLEX = ("complex64", "complex128")
DTYPES = {
    "all": ("bool", *INTEGERS, *FLOATS, *COMPLEX),
    "real": ("bool", *INTEGERS, *FLOATS),
    "number": (*INTEGERS, *FLOATS, *COMPLEX),
    "signed": ("bool", *INTEGERS[::2], *FLOATS),
    "real number": (*INTEGERS, *FLOATS),
    "inexact": (*FLOATS, *COMPLEX),
    "float": FLOATS,
    "wide float": ("float32", "float64"),
    "wide inexact": ("float32", "float64", *COMPLEX),
    "complex": COMPLEX,
    "bits": ("bool", *INTEGERS),
    "int": INTEGERS,
    "none": ("float32",)}
WIDE = frozenset({"int64", "uint64", "float64", "complex128"})


@dataclass(frozen=True)
class Row:
    """A line of a table: its text, and the heading that it stands under."""

    text: str
    heading: str

    @property
    def dtypes(self) -> tuple[str, ...]:
        return DTYPES[self.heading]

    def calls(self) -> Iterator[tuple[str, str]]:
        """Each (expression, NumPy's expression) that the line stands for; "?" where NumPy has none.
        """
        ours, _, theirs = self.text.partition(" => ")
        for expression, chosen in expand(ours):
            yield expression, refer(theirs, chosen) if theirs else expression


def expand(text: str) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """The texts with one alternative chosen in each pair of braces, and what was chosen."""
    pieces = re.split(r"\{([^{}]*)\}", text)
    choices = [list(enumerate(piece.split("|") if i % 2 else [piece]))
               for i, piece in enumerate(pieces)]
    for chosen in itertools.product(*choices):
        yield "".join(piece for _, piece in chosen), list(chosen[1::2])


def refer(text: str, chosen: list[tuple[int, str]]) -> str:
    """The text with `{1}` replaced by the first choice, `{2:a|b}` by the one beside the second."""
    def replace(match: re.Match[str]) -> str:
        position, piece = chosen[int(match[1]) - 1]
        return match[2].split("|")[position] if match[2] else piece
    return re.sub(r"\{(\d+)(?::([^{}]*))?\}", replace, text)


def read_table(path: Path) -> list[Row]:
    """The rows of the file `path`."""
    heading = "all"
    rows = []
    for line in path.read_text().splitlines():
        line = line.strip()
        if found := re.fullmatch(r"\[([\w ]+)\]", line):
            heading = found[1]
        elif line and not line.startswith("#"):
            rows.append(Row(line, heading))
    return rows


def tables(folder: str = "numpy") -> dict[str, list[Row]]:
    """The tables of tests/`folder`/calls, by name."""
    place = Path(__file__).parents[2] / folder / "calls"
    return {path.stem: read_table(path) for path in sorted(place.glob("*.txt"))}


SHAPES: dict[str, tuple[int, ...]] = {
    "s": (), "o": (1,), "z": (0, 3), "v": (7,), "w": (7,), "x": (2, 3, 5), "y": (2, 3, 5),
    "r": (5,), "l": (3, 1), "a": (3, 4), "b": (3, 4), "q": (4, 4), "d": (2, 4, 4), "m": (5, 3)}


@cache
def operands(dtype: str) -> Mapping[str, np.ndarray]:
    """Operands with few distinct, small values, so that no dtype overflows.

    In `dtype`: `s` 0-d, `o` of one element, `z` of none, `v` and `w` vectors, `u` a sorted one, `t`
    one with ties, `c` one of values in (0, 1), `x` and `y` 3-d, `r` and `l` to broadcast with them,
    `a` and `b` matrices, `q` and the batch `d` square ones, `p` a positive definite one, `m` a tall
    one, `f` a matrix with NaN and infinities, if the dtype has them. Masks: `k` like `x`, `h` like
    `v`, `n` like `a`. Indices: `i` (4,) in [0, 3), `j` (2, 2) in [-3, 3).
    """
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    random = np.random.RandomState(3)

    def values(shape: tuple[int, ...], low: float = -5, high: float = 9) -> np.ndarray:
        if dtype.startswith("uint"):
            low = max(low, 0)
        found: Any = random.randint(low, high, shape)
        if dtype in INTEGERS:
            return np.asarray(found).astype(kind)
        if dtype == "bool":
            return np.asarray(random.rand(*shape) > 0.4)
        found = found + np.round(random.rand(*shape), 2)
        if dtype in COMPLEX:
            found = found + 1j * np.round(random.randn(*shape), 2)
        return np.asarray(found).astype(kind)

    made = {name: values(shape) for name, shape in SHAPES.items()}
    made["u"] = np.sort(made["v"])
    made["t"] = made["v"][np.array([0, 1, 0, 2, 1, 0, 3])]
    made["c"] = (np.arange(7) / 8 + 0.05).astype(kind)
    made["p"] = (4 * np.eye(4) + np.ones((4, 4))).astype(kind)
    made["f"] = made["a"].copy()
    if dtype in FLOATS or dtype in COMPLEX:
        made["f"][0, 1], made["f"][1, 2], made["f"][2, 0] = np.nan, np.inf, -np.inf
    random = np.random.RandomState(4)
    made |= {"k": random.rand(2, 3, 5) > 0.4, "h": random.rand(7) > 0.4,
             "n": random.rand(3, 4) > 0.3, "i": np.array([2, 0, 1, 2], np.int32),
             "j": np.array([[-1, 0], [2, -3]], np.int32)}
    for array in made.values():
        array.setflags(write=False)
    return made


BUILTINS = {f.__name__: f for f in (bool, complex, dict, float, int, len, list, range, slice,
                                    tuple)}


@cache
def _compiled(expression: str) -> CodeType:
    return compile(expression, expression, "eval")


@cache
def _names_in(module: Any) -> Mapping[str, Any]:
    return {"__builtins__": BUILTINS, "np": np, **vars(module)}


def evaluate(expression: str, module: Any, values: Mapping[str, Any]) -> Any:
    """The value of `expression` with the functions of `module` and the operands `values`."""
    return eval(_compiled(expression), {**_names_in(module), **values})


def names_of(expression: str) -> frozenset[str]:
    """The operands that `expression` mentions."""
    tree = ast.parse(expression, mode="eval")
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
