"""Flags that find mistakes: NaNs and infinities, leaks, compiles."""
from __future__ import annotations

import logging
import subprocess
import sys

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import jit


def test_debug_nans_in_eager_calls():
    with arrax.debug_nans(True):
        with pytest.raises(FloatingPointError, match=r"invalid value \(nan\) encountered in log"):
            jnp.log(jnp.float32(-1.0))
        assert float(jnp.log(1.0)) == 0.0
    assert np.isnan(jnp.log(-1.0))


def test_debug_nans_names_the_operation_inside_jit():
    f = jit(lambda x: jnp.sqrt(x - 2.0) * 0.0 + 1.0)
    assert np.isnan(f(1.0))
    with arrax.debug_nans(True):
        for _ in range(2):
            with pytest.raises(FloatingPointError, match="sqrt"):
                f(1.0)
        assert float(f(3.0)) == 1.0
    assert np.isnan(f(1.0))


def test_debug_infs():
    with arrax.debug_infs(True), pytest.raises(FloatingPointError, match="inf.*div"):
        jnp.ones(3) / jnp.zeros(3)


def test_debug_nans_with_donated_arguments():
    f = jit(lambda x: jnp.log(x), donate_argnums=0)
    with arrax.debug_nans(True), pytest.raises(FloatingPointError, match="log"):
        f(jnp.float32(-1.0))


def test_log_compiles(caplog):
    with arrax.log_compiles(True), caplog.at_level(logging.WARNING, "arrax"):
        jit(lambda x: x + 1)(1.0)
    text = caplog.text
    assert "Tracing <lambda>" in text and "Compiling <lambda>" in text


def test_no_tracing():
    f = jit(lambda x: x)
    f(1.0)
    with arrax.no_tracing(True):
        f(2.0)
        with pytest.raises(RuntimeError, match="no_tracing"):
            f(jnp.ones(3))


def test_leaks_are_found_at_once():
    kept = []
    with arrax.checking_leaks(), pytest.raises(Exception, match="Leaked"):
        jit(lambda x: kept.append(x) or x)(1.0)


def test_uncaught_errors_are_shown_without_our_frames():
    code = ("import arrax\n@arrax.jit\ndef f(flag):\n    return 1 if flag else 2\nf(True)\n")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 1 and "TracerBoolConversionError" in run.stderr
    assert "site-packages" not in run.stderr and "transforms" not in run.stderr
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                           env={"ARRAX_TRACEBACK_FILTERING": "off",
                                "PYTHONPATH": ":".join(sys.path)})
    assert "transforms" in shown.stderr
