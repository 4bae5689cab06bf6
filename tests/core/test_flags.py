"""Each flag does what its row says, or says that it does not: one row a flag."""
from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import arrax as jax
import arrax.numpy as jnp
from arrax import _native, export, random
from arrax.core import config
from arrax.engines.cpu import machine, object_cache
from arrax.transforms import staging

# Flags that act before Python code can change them: seen in a process of their own.
IN_A_PROCESS = {
    "platforms": ("JAX_PLATFORMS=tpu", "jax.devices()", "Unable to initialize backend 'tpu'"),
    "platform_name": ("JAX_PLATFORM_NAME=gpu", "jax.jit(lambda: 1)()", "backend 'gpu'"),
    "traceback_filtering": ("JAX_TRACEBACK_FILTERING=off", "jnp.ones(2) + jnp.ones(3)",
                            "array_methods.py"),
    "check": ("ARRAX_CHECK=1", """
from arrax.engines.cpu import pipeline
real = pipeline.Checks
pipeline.Checks = lambda: print("accesses are checked") or real()
jax.jit(lambda x: x[::2] + 1)(jnp.ones(9))""", "accesses are checked"),
    "debug": ("ARRAX_DEBUG=1", "jax.jit(lambda x: x + 1)(1.0)", "arrax <lambda>: code"),
}


@contextlib.contextmanager
def logged() -> Iterator[list[str]]:
    """The messages of the package's logger."""
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("arrax")
    logger.addHandler(handler)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)


def raises(call: Callable[[], Any], kind: type[BaseException] = Exception) -> bool:
    try:
        call()
    except kind:
        return True
    return False


def warns(call: Callable[[], Any]) -> bool:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    return bool(found)


def bad_backward() -> Any:
    f = jax.custom_vjp(lambda x: x)
    f.defvjp(lambda x: (x, None), lambda _, g: (jnp.ones(7),))
    return jax.grad(lambda x: f(x).sum())(jnp.ones(2))


def reused_key() -> Any:
    key = random.key(0)
    return random.normal(key), random.uniform(key)


def leaked() -> None:
    kept: list[Any] = []
    jax.jit(lambda x: kept.append(x) or x)(1.0)


def jitted_twice() -> None:
    f = jax.jit(lambda x: x * 2)
    f(jnp.ones(2)), f(jnp.ones(3))


def checkpointed() -> None:
    f = jax.checkpoint(lambda x: jnp.sin(jnp.sin(x)),
                       policy=jax.checkpoint_policies.everything_saveable)
    jax.grad(f)(1.0)


def wide_zeros() -> Any:
    with jax.enable_x64(True):
        return jnp.zeros(2)


def checks_of(call: Callable[[], Any]) -> int:
    """How many jaxprs are checked in a call."""
    with pytest.MonkeyPatch.context() as patch:
        seen: list[Any] = []
        patch.setattr(staging, "check_jaxpr", lambda jaxpr, **_: seen.append(jaxpr))
        call()
    return len(seen)


# name: (value, what to observe); the observation differs from that under the default.
OBSERVED: dict[str, tuple[Any, Callable[[], Any]]] = {
    "enable_x64": (True, lambda: jnp.arange(3.0).dtype),
    "explicit_x64_dtypes": ("error", lambda: raises(lambda: jnp.ones(2, "float64"))),
    "numpy_dtype_promotion": ("strict", lambda: raises(
        lambda: jnp.ones(2, "int32") + jnp.ones(2, "float32"))),
    "numpy_rank_promotion": ("raise", lambda: raises(lambda: jnp.ones((2, 2)) + jnp.ones(2))),
    "default_matmul_precision": ("highest", lambda: str(
        jax.make_jaxpr(jnp.dot)(jnp.ones(2), jnp.ones(2)))),
    "default_prng_impl": ("rbg", lambda: str(random.key(0).dtype)),
    "threefry_partitionable": (False, lambda: random.bits(random.key(0), (5,)).tolist()),
    "random_seed_offset": (3, lambda: random.bits(random.key(0), (2,)).tolist()),
    "high_dynamic_range_gumbel": (True, lambda: random.gumbel(random.key(0), (3,)).tolist()),
    "legacy_prng_key": ("error", lambda: raises(lambda: random.normal(random.PRNGKey(0)))),
    "enable_custom_prng": (True, lambda: str(random.PRNGKey(0).dtype)),
    "disable_jit": (True, lambda: raises(lambda: jax.jit(lambda x: 1 if x > 0 else 2)(1.0))),
    "disable_bwd_checks": (True, lambda: raises(bad_backward)),
    "debug_nans": (True, lambda: raises(lambda: jnp.zeros(2) / 0, FloatingPointError)),
    "debug_infs": (True, lambda: raises(lambda: jnp.ones(2) / 0, FloatingPointError)),
    "debug_key_reuse": (True, lambda: raises(reused_key)),
    "check_tracer_leaks": (True, lambda: raises(leaked)),
    "check_static_indices": (True, lambda: (raises(lambda: jnp.ones(3)[7], IndexError), raises(
        lambda: jax.jit(lambda x: x[7])(jnp.ones(3)), IndexError))),
    "enable_checks": (True, lambda: checks_of(lambda: jax.make_jaxpr(jnp.sin)(1.0)) > 0),
    "no_tracing": (True, lambda: raises(lambda: jax.jit(lambda x: x)(1.0))),
    "captured_constants_warn_bytes": (10, lambda: warns(
        lambda: jax.jit(lambda x: x + np.ones(50, np.float32))(1.0))),
    "num_threads": (7, lambda: _native.num_threads()),
    "num_cpu_devices": (3, lambda: jax.device_count()),
    "logging_level": ("ERROR", lambda: logging.getLogger("arrax").level),
    "debug_log_modules": ("arrax.a_module", lambda: logging.getLogger("arrax.a_module").level),
    "numpy_default_dtype_bits": ("32", lambda: wide_zeros().dtype),
    "log_compiles": (True, lambda: wrote(lambda: jax.jit(lambda x: x + 3)(1.0))),
    "explain_cache_misses": (True, lambda: wrote(jitted_twice)),
    "log_checkpoint_residuals": (True, lambda: wrote(checkpointed)),
    "export_calling_convention_version": (9, lambda: export.export(
        jax.jit(lambda x: x))(1.0).calling_convention_version),
}


def wrote(call: Callable[[], Any]) -> bool:
    with logged() as messages:
        call()
    return bool(messages)


@pytest.fixture(autouse=True)
def restore() -> Iterator[None]:
    yield
    for flag in config.flags.values():
        if flag.name in OBSERVED and flag._global != flag.default:
            flag.set(flag.default)
    logging.getLogger("arrax").setLevel("NOTSET")


@pytest.mark.parametrize("name", OBSERVED)
def test_a_flag_changes_what_it_says(name: str) -> None:
    value, observe = OBSERVED[name]
    before = observe()
    config.config.update(name, value)
    assert observe() != before
    config.config.update(name, config.flags[name].default)


@pytest.mark.parametrize("name", IN_A_PROCESS)
def test_a_flag_changes_a_process(name: str) -> None:
    setting, code, expected = IN_A_PROCESS[name]
    variable, value = setting.split("=")
    program = f"import arrax as jax, arrax.numpy as jnp\n{code}"
    shown = {}
    for case, extra in (("default", {}), ("set", {variable: value})):
        environment = {k: v for k, v in os.environ.items() if k != variable}
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                              env={**environment, **extra}, timeout=100)
        shown[case] = done.stdout + done.stderr
    assert expected in shown["set"]
    assert expected not in shown["default"]


CACHE = ("enable_compilation_cache", "compilation_cache_dir",
         "persistent_cache_min_compile_time_secs", "persistent_cache_min_entry_size_bytes",
         "raise_persistent_cache_errors")


def test_flags_of_the_cache_on_disk(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARRAX_CACHE", raising=False)

    def written(part: str) -> int:
        object_cache.cached((part,), lambda: b"code")
        return sum(len(files) for _, _, files in os.walk(tmp_path))

    with config.compilation_cache_dir(str(tmp_path)):
        assert written("a") == 1
        with config.enable_compilation_cache(False):
            assert written("b") == 1
        with config.persistent_cache_min_compile_time_secs(1e6):
            assert written("c") == 1
        with config.persistent_cache_min_entry_size_bytes(1000):
            assert written("d") == 1
        assert written("e") == 2

        def full(*args: Any) -> None:
            raise OSError("the disk is full")
        monkeypatch.setattr(os, "replace", full)
        assert written("f") == 2
        with config.raise_persistent_cache_errors(True), pytest.raises(OSError, match="full"):
            written("g")
        assert sum(len(files) for _, _, files in os.walk(tmp_path)) == 2  # nothing is left behind


def test_dumps_go_to_a_folder(tmp_path: Any) -> None:
    with config.dump_ir_to(str(tmp_path)), config.debug(3):
        jax.jit(lambda x: jnp.sin(x) * 2)(jnp.ones(17))
    names = {path.name.split("-")[-1] for path in tmp_path.iterdir()}
    assert "simplify.txt" in names and len(names) > 3
    assert all(path.read_text().strip() for path in tmp_path.iterdir())


def test_most_optimizations_can_be_left_out() -> None:
    def program(x: Any) -> Any:
        return jnp.tanh(x) * jnp.exp(x) + jnp.sqrt(x) / (1 + x)

    plain = jax.jit(program)(jnp.linspace(0, 3, 100))
    usual = machine._machine_options()
    with config.disable_most_optimizations(True):
        assert machine._machine_options() != usual
        quick = jax.jit(program)(jnp.linspace(0, 3, 100))
    np.testing.assert_allclose(plain, quick, rtol=1e-6)


def test_arrays_live_on_the_default_device() -> None:
    with config.num_cpu_devices(3):
        device = jax.devices()[2]
        assert jnp.ones(2).devices() == {jax.devices()[0]}
        with config.default_device(device):
            assert jnp.ones(2).devices() == {device} == jax.jit(jnp.sin)(1.0).devices()
            assert not jnp.ones(2).committed
    with pytest.raises(ValueError, match="must be passed either a Device object"):
        config.default_device("moon")


OTHERS = {*CACHE, "default_device", "dump_ir_to", "disable_most_optimizations"}


def test_every_flag_is_seen_or_says_that_it_has_no_effect() -> None:
    assert set(config.flags) == {*OBSERVED, *IN_A_PROCESS, *OTHERS,
                                 *(f.name for f in config.flags.values() if f.no_effect)}
    for flag in config.flags.values():
        if flag.no_effect:
            assert flag.name not in OBSERVED and flag.name not in IN_A_PROCESS


def test_a_flag_without_effect_warns_once() -> None:
    flag = config.flags["use_magma"]
    flag._warned = False
    with pytest.warns(UserWarning, match="jax_use_magma='on' is accepted and has no effect: "):
        config.config.update("jax_use_magma", "on")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        config.config.update("jax_use_magma", "off")
        config.config.update("jax_use_magma", flag.default)
