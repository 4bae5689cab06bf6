"""Time jitted workloads of about 1e6 elements, beside JAX where jax is installed.

    python benchmarks/large.py [pattern ...] [--json FILE] [--slow] [--seconds S]

A pattern (`sort/*`, `conv-grad-*/3x3`) chooses workloads. Both implementations run in one process,
in turns; the ratio is the median over the turns of JAX's time / arrax's. Results are compared. With
`--slow` only what is slower than JAX, wrong or failing is printed.
"""
from __future__ import annotations

import argparse
import fnmatch
import importlib
import importlib.util
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

os.environ.setdefault("ARRAX_CACHE", "off")

from cases import all_cases
from cases.case import Case

PARTS = ("numpy", "lax", "random", "nn", "ops")
TURNS = 7


def load(name: str) -> Any:
    """The implementation's top module, its public parts imported where there are any."""
    for part in PARTS:
        try:
            importlib.import_module(f"{name}.{part}")
        except ImportError:
            pass
    return importlib.import_module(name)


class Prepared:
    """A case compiled by one implementation; `run(n)` gives the seconds of one of n calls."""

    def __init__(self, jax: Any, case: Case):
        jax.config.update("jax_enable_x64", case.wide)
        self.jax = jax
        self.function = jax.jit(lambda *arrays: case.function(jax, *arrays),
                                donate_argnums=(0,) if case.donated else ())
        self.arrays = [jax.numpy.asarray(a) for a in case.arrays]
        self.donated = case.donated
        start = time.perf_counter()
        self.output = self.call()
        self.first = time.perf_counter() - start
        self.leaves = [np.array(leaf) for leaf in jax.tree.leaves(self.output)]
        self.call()
        once = self.run(1)
        self.count = max(1, min(2000, int(0.02 / max(once, 1e-7))))

    def call(self) -> Any:
        out = self.jax.block_until_ready(self.function(*self.arrays))
        if self.donated:
            self.arrays[0] = out
        return out

    def run(self, count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            self.call()
        return (time.perf_counter() - start) / count


def difference(case: Case, ours: list[np.ndarray], theirs: list[np.ndarray]) -> str:
    """Why results are not the same, or ""."""
    if [(a.shape, a.dtype) for a in ours] != [(a.shape, a.dtype) for a in theirs]:
        return "shapes or dtypes differ"
    for a, b in zip(ours, theirs):
        if case.exact or a.dtype.kind in "iub":
            same = a.tobytes() == b.tobytes() or np.array_equal(a, b)
        else:
            a, b = (x.astype(np.complex128 if x.dtype.kind == "c" else np.float64) for x in (a, b))
            size = float(np.max(np.abs(b), initial=0.0, where=np.isfinite(b)))
            same = np.allclose(a, b, rtol=2e-2, atol=2e-3 * max(size, 1e-6), equal_nan=True)
        if not same:
            return "values differ"
    return ""


def compare(case: Case, ours: Any, theirs: Any) -> dict[str, Any]:
    """One row of the table."""
    mine = Prepared(ours, case)
    row: dict[str, Any] = {"first": mine.first}
    if theirs is None:
        row["arrax"] = statistics.median(mine.run(mine.count) for _ in range(TURNS))
        return row
    other = Prepared(theirs, case)
    row["wrong"] = difference(case, mine.leaves, other.leaves)
    pairs = []
    limit = time.perf_counter() + 2.0
    for turn in range(TURNS):
        if turn >= 3 and time.perf_counter() > limit:
            break
        pairs.append((mine.run(mine.count), other.run(other.count)))
    row["arrax"], row["jax"] = (statistics.median(column) for column in zip(*pairs))
    row["ratio"] = statistics.median(b / a for a, b in pairs)
    row["first_jax"] = other.first
    return row


def show(case: Case, row: dict[str, Any]) -> str:
    def cell(key: str) -> str:
        return f"{row[key] * 1e6:12.1f}" if key in row else f"{'-':>12s}"
    ratio = f"{row['ratio']:8.2f}x" if "ratio" in row else ""
    note = row.get("error") or row.get("wrong") or ("slow" if row.get("ratio", 1) < 1 else "")
    return f"{case.name:34s} {cell('arrax')} {cell('jax')} {ratio}  {note}".rstrip()


def measured(run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A row; a failure is one too, so that the table is complete."""
    try:
        return run()
    except Exception as error:  # whatever an implementation raises is what the row says
        return {"error": f"FAILED {type(error).__name__}: {error}"[:160].replace("\n", " ")}


def summary(rows: dict[str, Any]) -> str:
    ratios = [row["ratio"] for row in rows.values() if "ratio" in row]
    if not ratios:
        return f"{len(rows)} workloads"
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    failed = sum(1 for row in rows.values() if row.get("error") or row.get("wrong"))
    return (f"{len(rows)} workloads, {failed} wrong or failed, {sum(r < 1 for r in ratios)} slower "
            f"than jax, geometric mean {mean:.2f}x, worst {min(ratios):.2f}x")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("patterns", nargs="*", default=["*"])
    parser.add_argument("--json")
    parser.add_argument("--slow", action="store_true")
    options = parser.parse_args()
    ours = load("arrax")
    theirs = load("jax") if importlib.util.find_spec("jax") else None
    rows = {}
    print(f"{'':34s} {'arrax us':>12s} {'jax us':>12s} {'ratio':>9s}")
    for case in all_cases():
        if not any(fnmatch.fnmatch(case.name, pattern) for pattern in options.patterns):
            continue
        row = rows[case.name] = measured(lambda case=case: compare(case, ours, theirs))
        if not options.slow or row.get("ratio", 0) < 1 or row.get("wrong"):
            print(show(case, row), flush=True)
    print(summary(rows))
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=1)
    sys.exit(any(row.get("error") or row.get("wrong") for row in rows.values()))


if __name__ == "__main__":
    main()
