"""The command line; see the package."""

from __future__ import annotations

import argparse
import time

import numpy as np

from tools.accuracy import document, measure
from tools.accuracy.functions import BY_NAME


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.accuracy")
    parser.add_argument("command", choices=("measure", "show", "write"))
    parser.add_argument("names", nargs="*")
    parser.add_argument("--dtypes", default="")
    parser.add_argument("--engines", default="eager,compiled,numpy")
    parser.add_argument("--all", action="store_true", help="every number of float32")
    parser.add_argument("--step", type=int, default=16)
    parser.add_argument("--thorough", type=float, default=1.0)
    options = parser.parse_args()
    np.seterr(all="ignore")
    if options.command == "write":
        document.write()
        return
    for name in options.names or BY_NAME:
        function = BY_NAME[name]
        for dtype in options.dtypes.split(",") if options.dtypes else function.dtypes:
            if dtype not in function.dtypes:
                continue
            start = time.monotonic()
            rows = measure.measure(function, dtype, tuple(options.engines.split(",")),
                                   1 if options.all else options.step, options.thorough)
            print(f"{name:10} {dtype:10} {time.monotonic() - start:5.1f} s", flush=True)
            for engine, row in rows.items():
                print(f"    {engine:9} {row}", flush=True)
            if options.command == "measure":
                measure.save(name, dtype, rows)


if __name__ == "__main__":
    main()
