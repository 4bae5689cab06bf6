"""What a call gives, in words: dtypes and weak types of its results, or the class of its error.

`recorded.tsv` holds JAX 0.10.2's outcomes for all rows; `python -m tests.parity.record` writes it.
A line is a row's heading, the row (or one of its expressions, where they differ) and the outcome in
each dtype: `int8:int32 bool:!TypeError =` says that int8 operands give int32, bools an error, and
all others their own dtype. Several results are joined
by `+`, weak types end in `~`, what is no array is its Python value's type.
"""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.numpy.calls import Row
from tests.numpy.comparing import leaves

DIFFERENCES = Path(__file__).with_name("differences.tsv")


def recorded_path(folder: str) -> Path:
    """Where the outcomes of the tables of tests/`folder` stand."""
    return Path(__file__).parents[2] / folder / "calls" / "recorded.tsv"


def outcome(values: Any) -> str:
    """The dtypes of results, weak ones marked."""
    words = []
    for leaf in leaves(values):
        if hasattr(leaf, "dtype") and hasattr(leaf, "shape"):
            weak = getattr(getattr(leaf, "aval", leaf), "weak_type", False)
            words.append(f"{leaf.dtype}{'~' if weak else ''}")
        else:
            words.append(type(leaf).__name__)
    return "+".join(words) or "()"


def compress(found: Mapping[str, str]) -> str:
    """Outcomes by dtype as one line: exceptions first, then the common case."""
    marks = {dtype: "=" if text == dtype else text for dtype, text in found.items()}
    ((common, _),) = Counter(marks.values()).most_common(1)
    return " ".join([f"{d}:{m}" for d, m in marks.items() if m != common] + [common])


def expanded(line: str, dtypes: Iterable[str]) -> dict[str, str]:
    """The outcomes by dtype that `compress` wrote down."""
    *exceptions, common = line.split(" ")
    special = dict(word.split(":") for word in exceptions)
    marks = {dtype: special.get(dtype, common) for dtype in dtypes}
    return {dtype: dtype if mark == "=" else mark for dtype, mark in marks.items()}


class Recorded:
    """The recorded outcomes of the rows of tests/`folder`/calls."""

    def __init__(self, folder: str):
        self.lines: dict[tuple[str, str], str] = {}
        for line in recorded_path(folder).read_text().splitlines():
            heading, text, outcomes = line.split("\t")
            self.lines[heading, text] = outcomes

    def outcomes(self, row: Row, expression: str) -> dict[str, str]:
        """JAX's outcomes by dtype."""
        whole = row.heading, row.text.partition(" => ")[0]
        return expanded(self.lines.get((row.heading, expression)) or self.lines[whole], row.dtypes)


def known_differences() -> list[tuple[re.Pattern[str], frozenset[str]]]:
    """(pattern of expressions, dtypes; empty for all) where arrax differs from JAX on purpose."""
    found = []
    for line in DIFFERENCES.read_text().splitlines():
        if line and not line.startswith("#"):
            pattern, _, dtypes = line.partition("\t")
            found.append((re.compile(pattern), frozenset(dtypes.split())))
    return found


def differs(expression: str, dtype: str,
            known: Iterable[tuple[re.Pattern[str], frozenset[str]]]) -> bool:
    """Whether arrax differs from JAX on purpose here."""
    return any(pattern.fullmatch(expression) and (not dtypes or dtype in dtypes)
               for pattern, dtypes in known)
