"""Random programs, each computed in several ways that must agree.

    python -m tools.fuzz --minutes 2 --seed 0          new programs until the time is up
    python -m tools.fuzz --one 1234                    show and judge the program of one seed
    python -m tools.fuzz --reduce 1234 --out fault.py  a small Python file of its fault
"""
from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tools.fuzz import runner
from tools.fuzz.files import file_text
from tools.fuzz.generate import Profile
from tools.fuzz.program import text_of
from tools.fuzz.reduce import reduced
from tools.fuzz.ways import WAYS, Fault
from tools.fuzz.worker import unpacked


def main() -> int:
    options = _options()
    job: dict[str, Any] = {"profile": asdict(options.profile), "ways": options.ways}
    if options.one is not None or options.reduce is not None:
        return _single(options, job)
    started = time.monotonic()
    print(f"fuzz: seeds from {options.seed}, {options.workers} workers, ways {options.ways}",
          flush=True)

    def found(answer: dict[str, Any]) -> None:
        way, kind, detail = answer["fault"]
        print(f"FAULT seed {answer['seed']}: {way} {kind}: {detail}", flush=True)

    totals = runner.run(itertools.count(options.seed), job, options.minutes, options.workers,
                        found, options.programs)
    minutes = (time.monotonic() - started) / 60
    print(f"fuzz: {totals.programs} programs in {minutes:.1f} minutes "
          f"({totals.programs / max(totals.seconds, 1e-9):.1f} per second of a core), "
          f"seeds {options.seed} to {options.seed + totals.programs - 1}, "
          f"{len(totals.faults)} faults")
    if options.kinds:
        for kind, count in totals.kinds.most_common():
            print(f"  {count:7d} {kind}")
    return 1 if totals.faults else 0


def _single(options: Any, job: dict[str, Any]) -> int:
    """Judge one program in a process of its own; make it small on demand."""
    seed = options.one if options.one is not None else options.reduce
    worker = runner.Worker()
    worker.send({**job, "seed": seed})
    answer = worker.receive()
    worker.stop()
    if "program" not in answer:
        from tools.fuzz.generate import generate
        answer["program_"] = generate(seed, options.profile)
    program = answer.get("program_") or unpacked(answer["program"])
    fault = Fault(*answer["fault"]) if "fault" in answer else None
    if options.reduce is not None and fault is not None:
        program, fault = reduced(program, fault, options.ways)
    print(text_of(program))
    print(f"fault: {fault}")
    if options.out is not None and fault is not None:
        Path(options.out).write_text(file_text(program, fault))
    return 1 if fault is not None else 0


def _options() -> Any:
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after this time")
    parser.add_argument("--programs", type=int, help="stop after so many programs")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--ways", default=",".join(WAYS), help="what to compare, by commas")
    parser.add_argument("--steps", type=int, default=Profile.steps, help="steps of a program")
    parser.add_argument("--largest", type=int, default=Profile.largest, help="elements of values")
    parser.add_argument("--large", type=float, default=Profile.share_of_large,
                        help="share of programs with values of up to 2^17+1 elements")
    parser.add_argument("--kinds", action="store_true", help="count programs by operation")
    parser.add_argument("--one", type=int, metavar="SEED", help="judge one program")
    parser.add_argument("--reduce", type=int, metavar="SEED", help="make one program small")
    parser.add_argument("--out", help="write the fault of --one or --reduce to this file")
    options = parser.parse_args()
    if options.minutes == 1e9 and options.programs is None:
        options.minutes = 2.0
    options.ways = options.ways.split(",")
    options.profile = Profile(options.steps, options.largest, Profile.share_of_small, options.large)
    return options


if __name__ == "__main__":
    sys.exit(main())
