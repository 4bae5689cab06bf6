"""Write `recorded.json` from an installed JAX: `python -m tests.random.record`."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.random.calls import CALLS, draw

PAGE = Path(__file__).with_name("recorded.json")
MOST = 12  # elements recorded of each draw


def row(package: Any, mode: str, call: str) -> dict[str, Any]:
    """The shape, dtype and first elements of a draw."""
    out = np.asarray(draw(package, mode, call))
    head = out.ravel()[:MOST]
    values = [[v.real, v.imag] for v in head.tolist()] if head.dtype.kind == "c" \
        else [str(v) if v != v or abs(v) == float("inf") else v for v in head.astype(
            np.float64 if head.dtype.name == "bfloat16" else head.dtype).tolist()]
    return {"mode": mode, "call": call, "shape": list(out.shape), "dtype": str(out.dtype),
            "values": values}


def main() -> None:
    import jax
    import jax.numpy  # the calls use it
    rows = []
    for mode, calls in CALLS.items():
        rows += [json.dumps(row(jax, mode, call)) for call in calls]
        jax.clear_caches()  # hundreds of programs take gigabytes
    PAGE.write_text("[\n" + ",\n".join(rows) + "\n]\n")


if __name__ == "__main__":
    main()
