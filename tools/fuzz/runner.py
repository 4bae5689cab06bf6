"""Sends seeds to workers until the time is up. A crash or a hang costs one program."""
from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
LIMIT = 600.0  # seconds after which a program waits for what never comes
JOBS_OF_A_PROCESS = 3000  # after which a worker is replaced, so that its memory goes back


class Worker:
    """A process that judges one job at a time."""

    def __init__(self, environment: dict[str, str] | None = None):
        self.environment = {**os.environ, "ARRAX_CACHE": "off", "ARRAX_NUM_THREADS": "2",
                            "OPENBLAS_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu",
                            "PYTHONPATH": f"{ROOT}/src:{ROOT}", **(environment or {})}
        self.process: subprocess.Popen[str] | None = None
        self.log = tempfile.TemporaryFile("w+")  # what the process writes to stderr
        self.jobs = 0

    def send(self, job: dict[str, Any]) -> None:
        if self.process is None or self.jobs >= JOBS_OF_A_PROCESS:
            self.stop()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tools.fuzz.worker"], cwd=ROOT, env=self.environment,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.jobs += 1
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(job) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # `receive` says how the process ended

    def receive(self, limit: float = LIMIT) -> dict[str, Any]:
        """The answer; a fault of its own kind if the process crashes or takes too long."""
        assert self.process is not None and self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(limit):
                self.process.send_signal(signal.SIGABRT)  # prints the stacks of its threads
                time.sleep(0.5)
                last = self._last_words()
                self.stop()
                return {"fault": ["any", "hangs", f"no answer in {limit:.0f} s; {last}"]}
        line = self.process.stdout.readline()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        code = self.process.wait()
        words = self._last_words()
        self.stop()
        kind = "hangs" if code == -signal.SIGPROF else "crashes"
        return {"fault": ["any", kind, f"exit code {code}; {words}"]}

    def _last_words(self) -> str:
        """What the process wrote to stderr, its most telling lines."""
        self.log.seek(0)
        lines = self.log.read().splitlines()
        self.log.truncate(0)
        telling = [line.strip() for line in lines if "Error" in line or "Fatal" in line
                   or "/arrax/" in line or "LLVM" in line or "assert" in line.lower()]
        return " | ".join(telling[:6])[:600]

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
        self.process, self.jobs = None, 0


@dataclass
class Totals:
    """What was run."""

    programs: int = 0
    seconds: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)
    faults: list[dict[str, Any]] = field(default_factory=list)

    def count(self, answer: dict[str, Any]) -> None:
        self.programs += 1
        self.seconds += answer.get("seconds", 0.0)
        self.kinds.update(set(answer.get("kinds", ())))
        if "fault" in answer:
            self.faults.append(answer)


def run(seeds: Iterator[int], job: dict[str, Any], minutes: float, workers: int,
        found: Callable[[dict[str, Any]], None], most: int | None = None) -> Totals:
    """Judge programs of seeds, in as many processes, until the time or `most` programs are up."""
    totals = Totals()
    deadline = time.monotonic() + 60 * minutes
    idle, busy = [Worker() for _ in range(workers)], dict[Any, tuple[Worker, int, float]]()
    sent = 0
    with selectors.DefaultSelector() as selector:
        try:
            while True:
                while idle and time.monotonic() < deadline and (most is None or sent < most):
                    worker, seed = idle.pop(), next(seeds)
                    worker.send({**job, "seed": seed})
                    sent += 1
                    assert worker.process is not None and worker.process.stdout is not None
                    busy[worker.process.stdout] = (worker, seed, time.monotonic())
                    selector.register(worker.process.stdout, selectors.EVENT_READ)
                if not busy:
                    return totals
                ready = {key.fileobj for key, _ in selector.select(1.0)}
                for stream, (worker, seed, since) in list(busy.items()):
                    late = time.monotonic() - since > LIMIT
                    if stream in ready or late:
                        selector.unregister(stream)
                        del busy[stream]
                        answer = worker.receive(0.1 if late and stream not in ready else LIMIT)
                        answer["seed"] = seed
                        totals.count(answer)
                        if "fault" in answer:
                            found(answer)
                        idle.append(worker)
        finally:
            for worker in [*idle, *(w for w, _, _ in busy.values())]:
                worker.stop()
