"""Traces: files that Perfetto opens, with the program's spans in them."""
from __future__ import annotations

import gzip
import json
import sys

import arrax
import arrax.numpy as jnp
import pytest

from arrax import profiler


def spans(folder):
    """The complete events of the only trace in a folder, by name."""
    (path,) = folder.glob("plugins/profile/*/*.trace.json.gz")
    document = json.loads(gzip.decompress(path.read_bytes()))
    return {event["name"]: event for event in document["traceEvents"] if event["ph"] == "X"}


def test_a_trace_has_the_programs_spans(tmp_path):
    def helper():
        return jnp.ones(3)

    @arrax.jit
    def step(x):
        return x * 2

    with profiler.trace(tmp_path, create_perfetto_trace=True):
        assert profiler.TraceAnnotation.is_enabled()
        with profiler.StepTraceAnnotation("train", step_num=7):
            profiler.annotate_function(step, name="the step")(helper())
    found = spans(tmp_path)
    outer, inner = found["train"], found["the step"]
    assert outer["args"]["step_num"] == 7
    assert outer["ts"] <= inner["ts"]
    assert inner["ts"] + inner["dur"] <= outer["ts"] + outer["dur"]
    assert {"trace step", "compile step"} <= found.keys()
    assert any("helper test_profiler.py" in name for name in found)
    assert len(list(tmp_path.glob("plugins/profile/*/perfetto_trace.json.gz"))) == 1
    assert sys.getprofile() is None and not profiler.TraceAnnotation.is_enabled()


def test_options_leave_out_levels(tmp_path):
    options = profiler.ProfileOptions()
    options.python_tracer_level = 0
    with profiler.trace(tmp_path, profiler_options=options), profiler.TraceAnnotation("only"):
        jnp.sin(1.0)
    assert "only" in spans(tmp_path) and not any(".py:" in name for name in spans(tmp_path))


def test_one_trace_at_a_time(tmp_path):
    with pytest.raises(RuntimeError, match="No profile started"):
        profiler.stop_trace()
    with profiler.trace(tmp_path), pytest.raises(RuntimeError, match="already been started"):
        profiler.start_trace(tmp_path)
    with pytest.raises(NotImplementedError, match="create_perfetto_link"):
        profiler.start_trace(tmp_path, create_perfetto_link=True)


def test_arguments_of_stages_tell_what_they_are():
    lowered = arrax.jit(lambda x, y: x + y, donate_argnums=0).lower(jnp.ones(3), y=2)
    (x,), kwargs = lowered.args_info
    assert isinstance(x, arrax.stages.ArgInfo)
    assert (x.shape, x.dtype, x.donated) == ((3,), jnp.float32, True)
    assert (kwargs["y"].shape, kwargs["y"].donated) == ((), False)
