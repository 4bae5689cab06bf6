"""`arrax.profiler`: what a program does when, as a trace that Perfetto and TensorBoard open.

A trace holds spans that the program names itself (`TraceAnnotation`, `StepTraceAnnotation`,
`annotate_function`), arrax's own (tracing, compiling), and, unless `ProfileOptions` say otherwise,
calls of the program's Python functions. It is a file of Chrome's trace events (JSON, compressed).
While no trace is being made, an annotation costs the look at one variable.
"""
from __future__ import annotations

import contextlib
import datetime
import functools
import gzip
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from arrax.core import monitoring
from arrax.core.lazy import listing as _listing
from arrax.core.source_info import is_internal

__all__ = ["ProfileOptions", "StepTraceAnnotation", "TraceAnnotation", "annotate_function",
           "start_trace", "stop_trace", "trace"]
__dir__ = _listing(__name__)

_SPANS = {monitoring.TRACE_DURATION: "trace", monitoring.COMPILE_DURATION: "compile"}


class ProfileOptions:
    """What a trace records.

    Attributes:
      host_tracer_level: 0 leaves out annotations and arrax's own spans.
      python_tracer_level: 0 leaves out calls of Python functions, which cost the most.
      device_tracer_level: levels of accelerators; the CPU is the host here, so it changes nothing.
    """

    def __init__(self) -> None:
        self.host_tracer_level = 2
        self.python_tracer_level = 1
        self.device_tracer_level = 1


class _Recorder:
    """The events of one trace. Appending to a list is atomic, so threads need no lock."""

    def __init__(self, folder: Path, options: ProfileOptions, perfetto: bool):
        self.folder, self.options, self.perfetto = folder, options, perfetto
        self.events: list[tuple[str, int, int, int, dict[str, Any]]] = []
        self._calls = threading.local()

    def add(self, name: str, start: int, end: int, **about: Any) -> None:
        self.events.append((name, start, end, threading.get_native_id(), about))

    # ---- arrax's own spans, Python calls ----

    def heard(self, event: str, start: float, end: float, **about: Any) -> None:
        """A listener of `monitoring`, whose times are seconds."""
        kind = _SPANS.get(event)
        if kind is not None:
            name = f"{kind} {about.get('fun_name', '')}".strip()
            self.add(name, int(start * 1e9), int(end * 1e9))

    def profile(self, frame: Any, event: str, _: Any) -> None:
        """A function for `sys.setprofile`: calls of functions that are not arrax's."""
        if event not in ("call", "return") or is_internal(frame.f_code.co_filename):
            return
        stack = self._calls.__dict__.setdefault("stack", [])
        if event == "call":
            stack.append((frame.f_code, time.time_ns()))
        elif stack and stack[-1][0] is frame.f_code:
            code, start = stack.pop()
            self.add(f"{code.co_qualname} {os.path.basename(code.co_filename)}:"
                     f"{code.co_firstlineno}", start, time.time_ns())

    def start(self) -> None:
        if self.options.host_tracer_level:
            monitoring.time_spans.listeners.append(self.heard)
        if self.options.python_tracer_level:
            threading.setprofile(self.profile)
            sys.setprofile(self.profile)

    def stop(self) -> None:
        if self.options.python_tracer_level:
            sys.setprofile(None)
            threading.setprofile(None)
        if self.heard in monitoring.time_spans.listeners:
            monitoring.time_spans.listeners.remove(self.heard)

    # ---- files ----

    def document(self) -> dict[str, Any]:
        process = os.getpid()
        events: list[dict[str, Any]] = [
            {"ph": "M", "pid": process, "name": "process_name", "args": {"name": "/host:CPU"}}]
        events += [{"ph": "M", "pid": process, "tid": t.native_id, "name": "thread_name",
                    "args": {"name": t.name}} for t in threading.enumerate()]
        events += [{"ph": "X", "pid": process, "tid": thread, "name": name, "ts": start / 1e3,
                    "dur": max(end - start, 0) / 1e3, "args": about}
                   for name, start, end, thread, about in self.events]
        return {"displayTimeUnit": "ns", "traceEvents": events}

    def write(self) -> None:
        """`plugins/profile/<time>/<host>.trace.json.gz`, where TensorBoard looks for it."""
        now = datetime.datetime.now().strftime("%Y_%m_%d_%H_%M_%S")
        folder = self.folder / "plugins" / "profile" / now
        folder.mkdir(parents=True, exist_ok=True)
        data = gzip.compress(json.dumps(self.document(), default=str).encode())
        (folder / f"{socket.gethostname()}.trace.json.gz").write_bytes(data)
        if self.perfetto:
            (folder / "perfetto_trace.json.gz").write_bytes(data)


_active: _Recorder | None = None


def start_trace(log_dir: os.PathLike[str] | str, create_perfetto_link: bool = False,
                create_perfetto_trace: bool = False,
                profiler_options: ProfileOptions | None = None) -> None:
    """Begin to record a trace; `stop_trace` writes it.

    Args:
      log_dir: folder for the files: `plugins/profile/<time>/<host>.trace.json.gz`.
      create_perfetto_link: not possible here, since it asks for a server: must be False. Open the
        file at https://ui.perfetto.dev instead.
      create_perfetto_trace: write `perfetto_trace.json.gz` beside it.
      profiler_options: what to record; by default everything.

    Raises:
      RuntimeError: a trace is being recorded already.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     profiler.start_trace(folder)
      ...     with profiler.TraceAnnotation("my step"):
      ...         _ = jnp.ones(3) + 1
      ...     profiler.stop_trace()
    """
    global _active
    if create_perfetto_link:
        raise NotImplementedError("start_trace: create_perfetto_link serves the trace over HTTP, "
                                  "which is not possible here; open the file at ui.perfetto.dev")
    if _active is not None:
        raise RuntimeError("Profile has already been started. Only one profile may be run at a "
                           "time.")
    recorder = _Recorder(Path(log_dir), profiler_options or ProfileOptions(),
                         create_perfetto_trace)
    _active = recorder
    recorder.start()


def stop_trace() -> None:
    """End the trace that is being recorded, and write it.

    Raises:
      RuntimeError: none is being recorded.
    """
    global _active
    if _active is None:
        raise RuntimeError("No profile started")
    recorder, _active = _active, None
    recorder.stop()
    recorder.write()


@contextlib.contextmanager
def trace(log_dir: os.PathLike[str] | str, create_perfetto_link: bool = False,
          create_perfetto_trace: bool = False,
          profiler_options: ProfileOptions | None = None) -> Iterator[None]:
    """Record a trace of the `with` block; arguments and errors as for `start_trace`."""
    start_trace(log_dir, create_perfetto_link, create_perfetto_trace, profiler_options)
    try:
        yield
    finally:
        stop_trace()


class TraceAnnotation:
    """A named span of the trace that is being recorded, if any: the time of the `with` block.

    Args:
      name: what the span is called.
      kwargs: further facts that the trace shows with it.

    Example:
      >>> with profiler.TraceAnnotation("load", batch=3):
      ...     pass
    """

    def __init__(self, name: str, **kwargs: Any):
        self.name, self.about = name, kwargs
        self.start = 0

    def __enter__(self) -> TraceAnnotation:
        if _active is not None:
            self.start = time.time_ns()
        return self

    def __exit__(self, *error: Any) -> None:
        if _active is not None and self.start and _active.options.host_tracer_level:
            _active.add(self.name, self.start, time.time_ns(), **self.about)

    @staticmethod
    def is_enabled() -> bool:
        """Whether a trace is being recorded."""
        return _active is not None


class StepTraceAnnotation(TraceAnnotation):
    """A span that is one step of a training loop: `StepTraceAnnotation("train", step_num=i)`."""

    def __init__(self, name: str, **kwargs: Any):
        super().__init__(name, _r=1, **kwargs)


def annotate_function(func: Callable[..., Any], name: str | None = None,
                      **decorator_kwargs: Any) -> Callable[..., Any]:
    """A function whose calls are spans of the trace, named after it or by `name`.

    Args:
      func: the function.
      name: what the spans are called.
      decorator_kwargs: further facts that the trace shows with them.

    Example:
      >>> profiler.annotate_function(lambda x: x + 1, name="add one")(2)
      3
    """
    shown = str(name or getattr(func, "__qualname__", type(func).__name__))

    @functools.wraps(func)
    def annotated(*args: Any, **kwargs: Any) -> Any:
        with TraceAnnotation(shown, **decorator_kwargs):
            return func(*args, **kwargs)
    return annotated
