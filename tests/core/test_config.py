"""Flags: values, overrides, threads, keys."""
from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from arrax.core import config
from arrax.core.config import config as flags


@pytest.fixture(autouse=True)
def restore():
    before = {name: flag._global for name, flag in config.flags.items()}
    yield
    for name, flag in config.flags.items():
        if flag._global != before[name]:
            flag.set(before[name])


@pytest.mark.parametrize("name", ["jax_enable_x64", "enable_x64", "arrax_enable_x64"])
def test_names_with_and_without_prefix(name):
    flags.update(name, True)
    assert flags.read(name) is True
    assert getattr(flags, name) is True
    assert flags.x64_enabled


BAD = [
    ("jax_enable_x64", "foo", "new bool config value"),
    ("jax_enable_x64", None, "new bool config value"),
    ("jax_numpy_dtype_promotion", "foo", "'foo' is not a valid NumpyDtypePromotion"),
    ("jax_numpy_rank_promotion", "foo", r"new enum value must be in \['allow', 'warn', 'raise'\]"),
    ("jax_numpy_rank_promotion", 1, "got 1 of type <class 'int'>"),
    ("jax_default_matmul_precision", "foo", "new enum value must be None or in"),
    ("jax_default_device", 1, "must be passed either a Device object"),
    ("jax_num_cpu_devices", 1.5, "new int config value"),
    ("jax_platforms", 1.5, "new string config value"),
    ("jax_transfer_guard", "x", "new enum value"),
]


@pytest.mark.parametrize("name,value,message", BAD)
def test_bad_values(name, value, message):
    before = flags.read(name)
    with pytest.raises(ValueError, match=message):
        flags.update(name, value)
    assert flags.read(name) == before


def test_unknown_names():
    with pytest.raises(AttributeError, match="Unrecognized config option: jax_bogus"):
        flags.update("jax_bogus", 1)
    with pytest.raises(AttributeError, match="has no attribute 'jax_bogus'"):
        _ = flags.jax_bogus
    with pytest.raises(AttributeError, match="config.update"):
        flags.jax_enable_x64 = True


def test_contexts_nest_and_restore_on_errors():
    flag = config.numpy_rank_promotion
    with flag("warn"):
        with pytest.raises(RuntimeError), flag("raise"):
            assert flag.value == "raise"
            raise RuntimeError
        assert flag.value == "warn"
        flags.update("jax_numpy_rank_promotion", "raise")
        assert flag.value == "warn"
    assert flag.value == "raise"


def test_manager_is_reusable_and_decorates():
    manager = config.enable_x64(True)
    with manager, manager:
        assert config.enable_x64.value
    assert not config.enable_x64.value

    @config.enable_x64()
    def inside():
        return config.enable_x64.value

    assert inside() and not config.enable_x64.value
    with pytest.raises(TypeError, match="needs a value"):
        config.default_matmul_precision()


def test_overrides_are_of_one_thread_updates_of_all():
    seen = {}

    def look(name):
        seen[name] = config.enable_x64.value, config.context_key()

    with config.enable_x64(True):
        thread = threading.Thread(target=look, args=("override",))
        thread.start()
        thread.join()
        here = config.context_key()
    assert seen["override"][0] is False
    assert seen["override"][1] is not here
    look("before")
    flags.update("jax_enable_x64", True)
    thread = threading.Thread(target=look, args=("update",))
    thread.start()
    thread.join()
    assert seen["update"] == (True, here)


def test_context_key_is_one_object_per_combination():
    base = config.context_key()
    with config.enable_x64(True):
        inner = config.context_key()
        assert inner is not base
        with config.enable_x64(False):
            assert config.context_key() is base
        assert config.context_key() is inner
    assert config.context_key() is base
    with config.log_compiles(True):
        assert config.context_key() is base


def test_user_context_takes_part_in_the_key():
    context = config.make_user_context("plain")
    base = config.context_key()
    with context("fancy"):
        assert context.value == "fancy"
        assert config.context_key() is not base
    assert context.value == "plain"
    assert config.context_key() is base


def test_callbacks_hear_of_changes():
    changes = []
    config.on_change(changes.append)
    with config.debug_nans(True):
        pass
    flags.update("jax_debug_nans", True)
    assert [(c.flag.name, c.value, c.everywhere) for c in changes[:3]] == [
        ("debug_nans", True, False), ("debug_nans", False, False), ("debug_nans", True, True)]


def test_transfer_guard_sets_all_directions():
    with config.transfer_guard("log"):
        assert flags.jax_transfer_guard_device_to_host == "log"
        assert flags.jax_transfer_guard == "log"
    assert flags.jax_transfer_guard_device_to_host is None


ENVIRONMENT = [
    ({"JAX_ENABLE_X64": "yes"}, "True"),
    ({"ARRAX_ENABLE_X64": "0", "JAX_ENABLE_X64": "1"}, "False"),
    ({"JAX_ENABLE_X64": "foo"}, "invalid truth value 'foo' for environment 'JAX_ENABLE_X64'"),
    ({"JAX_NUM_CPU_DEVICES": "x"}, 'Invalid value "x" for JAX flag jax_num_cpu_devices'),
]


@pytest.mark.parametrize("variables,expected", ENVIRONMENT)
def test_environment(variables, expected):
    program = "from arrax.core.config import config; print(config.jax_enable_x64)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          env={**os.environ, **variables}, check=False)
    assert expected in done.stdout + done.stderr
