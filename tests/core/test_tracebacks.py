"""Errors of user functions: frames of arrax are taken out, hidden, kept aside or left."""
from __future__ import annotations

import traceback

import arrax
import arrax.numpy as jnp
import pytest

from arrax import lax
from arrax.core import config
from arrax.core.source_info import is_internal
from arrax.core.tracebacks import UnfilteredStackTrace


def fail(*_):
    raise KeyError("here")


@arrax.custom_jvp
def with_jvp(x):
    return fail(x)


with_jvp.defjvp(fail)

CALLS = [
    ("jit", lambda: arrax.jit(fail)(1.0)), ("vmap", lambda: arrax.vmap(fail)(jnp.ones(2))),
    ("grad", lambda: arrax.grad(fail)(1.0)), ("scan", lambda: lax.scan(fail, 0, jnp.ones(2))),
    ("while", lambda: lax.while_loop(lambda x: x < 3, fail, 0)),
    ("fori", lambda: lax.fori_loop(0, 3, fail, 0)), ("map", lambda: lax.map(fail, jnp.ones(2))),
    ("cond", lambda: lax.cond(True, fail, fail, 0)),
    ("switch", lambda: lax.switch(0, [fail, fail], 0)),
    ("associative scan", lambda: lax.associative_scan(fail, jnp.ones(3))),
    ("custom_jvp", lambda: with_jvp(1.0)), ("checkpoint", lambda: arrax.checkpoint(fail)(1.0))]


@pytest.mark.parametrize("mode", ["quiet_remove_frames", "remove_frames", "tracebackhide", "off"])
@pytest.mark.parametrize("call", [c for _, c in CALLS], ids=[n for n, _ in CALLS])
def test_modes(call, mode):
    with config.traceback_filtering(mode), pytest.raises(KeyError) as caught:
        call()
    error = caught.value
    shown = [frame for frame, _ in traceback.walk_tb(error.__traceback__)
             if not (mode == "tracebackhide" and "__tracebackhide__" in frame.f_locals)]
    assert shown[-1].f_code.co_name == "fail"
    internal = [frame for frame in shown if is_internal(frame.f_code.co_filename)]
    assert bool(internal) == (mode == "off")
    assert any("For simplicity" in note for note in getattr(error, "__notes__", ())) == (
        mode == "quiet_remove_frames")
    if mode == "remove_frames":
        assert type(error.__cause__) is UnfilteredStackTrace
        assert any(is_internal(frame.f_code.co_filename)
                   for frame, _ in traceback.walk_tb(error.__cause__.__traceback__))
    else:
        assert error.__cause__ is None


def test_an_error_of_our_own_ends_at_the_users_line():
    with pytest.raises(TypeError) as caught:
        arrax.jit(lambda x: x)(object())
    frames = [frame.f_code.co_name for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert frames[-1] == "test_an_error_of_our_own_ends_at_the_users_line"


def test_nans_are_looked_for_in_the_function_itself():
    with config.debug_nans(True):
        with pytest.raises(ZeroDivisionError):
            arrax.jit(lambda x: 0.0 / x)(0.0)
        with pytest.raises(FloatingPointError, match="invalid value .nan. encountered in div"):
            arrax.jit(lambda x: 0.0 / x)(jnp.array(0.0))
        with pytest.raises(FloatingPointError, match="the de-optimized function did not produce"):
            arrax.jit(lambda x: x)(jnp.nan)
