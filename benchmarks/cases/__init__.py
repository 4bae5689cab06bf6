"""The workloads of `benchmarks/large.py`, by family."""
from __future__ import annotations

from collections.abc import Iterator

from cases import convolving, drawing, folding, indexing, moving, multiplying, ordering, scanning
from cases.case import Case

FAMILIES = (indexing, ordering, scanning, convolving, folding, moving, multiplying, drawing)


def all_cases() -> Iterator[Case]:
    """The cases of all families, in order."""
    for family in FAMILIES:
        yield from family.cases()
