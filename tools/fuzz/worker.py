"""A process that judges programs: a line of JSON in, a line of JSON out.

A job is {"seed": n, …profile, "ways": […]} or {"program": pickled, "ways": […]}; the answer has the
program's kinds, and the fault if there is one. A crash of the process is the runner's to notice.
"""
from __future__ import annotations

import base64
import faulthandler
import json
import os
import pickle
import signal
import sys
import time
import warnings
from typing import Any

from tools.fuzz.generate import NotDrawn, Profile, generate
from tools.fuzz.program import Program
from tools.fuzz.reference import explained
from tools.fuzz.ways import Fault, verdict


LIMIT = 20.0  # seconds of processor time for one program


def packed(program: Program) -> str:
    return base64.b85encode(pickle.dumps(program)).decode()


def unpacked(text: str) -> Program:
    program = pickle.loads(base64.b85decode(text))
    assert isinstance(program, Program)
    return program


def judge(job: dict[str, Any]) -> dict[str, Any]:
    """Answer one job."""
    started = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, job.get("limit", LIMIT))  # which ends the process
    ways = tuple(job["ways"])
    fault: Fault | None
    try:
        program = unpacked(job["program"]) if "program" in job else \
            generate(job["seed"], Profile(**job["profile"]))
        fault = verdict(program, ways)
    except NotDrawn as error:
        program, fault = error.program, Fault("reference", "raises", str(error))
    except Exception as error:
        return {"fault": ["generator", "raises", explained(error)]}
    answer: dict[str, Any] = {"seconds": time.process_time() - started, "kinds": program.kinds(),
                              "x64": program.x64}
    if fault is not None:
        answer["fault"] = [fault.way, fault.kind, fault.detail]
        answer["program"] = packed(program)
    return answer


def main() -> None:
    """Answer jobs until the input ends; what programs print does not reach the answers."""
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    faulthandler.enable()
    faulthandler.register(signal.SIGPROF, chain=True)
    for line in sys.stdin:
        print(json.dumps(judge(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
