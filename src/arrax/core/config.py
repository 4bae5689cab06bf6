"""Flags: one table, one row a flag. `core.flag` says what a flag is.

Read a flag with `config.enable_x64.value`, override it with `with config.enable_x64(True):`.
"""
from __future__ import annotations

import enum
import logging
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from arrax import _native
from arrax.core.flag import (
    Change,
    ContextKey,
    Flag,
    Override,
    UserContext,
    anything,
    boolean,
    by_name,
    choice,
    context_key,
    declare,
    flags,
    integer,
    make_user_context,
    number,
    on_change,
    path,
    string,
)

__all__ = ["Change", "ContextKey", "Flag", "UserContext", "config", "context_key",
           "make_user_context", "on_change"]


class NumpyDtypePromotion(enum.StrEnum):
    """The kinds of implicit dtype promotion."""

    STANDARD = "standard"
    STRICT = "strict"


class LegacyPrngKeyState(enum.StrEnum):
    """What happens when a raw uint32 array is used as a random key."""

    ALLOW = "allow"
    WARN = "warn"
    ERROR = "error"


class ExplicitX64Mode(enum.StrEnum):
    """What an explicit 64-bit dtype means while `enable_x64` is off."""

    WARN = "warn"
    ERROR = "error"
    ALLOW = "allow"


class DefaultDtypeBits(enum.StrEnum):
    """How wide the dtypes are that a program does not say."""

    BITS_32 = "32"
    BITS_64 = "64"


def _default_bits(value: Any) -> DefaultDtypeBits:
    return DefaultDtypeBits(str(value))


def _device(value: Any) -> Any:
    if value is None or value == "cpu" or hasattr(value, "device_kind"):
        return value
    raise ValueError("jax.default_device must be passed either a Device object (e.g. "
                     "`jax.devices('cpu')[0]`) or a platform name string like 'cpu' or 'gpu', "
                     f"got: {value}")


_GUARDS = choice("allow", "log", "disallow", "log_explicit", "disallow_explicit", optional=True)
MATMUL_PRECISIONS = (
    "default", "high", "highest", "bfloat16", "tensorfloat32", "float32", "ANY_F8_ANY_F8_F32",
    "ANY_F8_ANY_F8_F32_FAST_ACCUM", "ANY_F8_ANY_F8_ANY", "ANY_F8_ANY_F8_ANY_FAST_ACCUM",
    "F16_F16_F16", "F16_F16_F32", "BF16_BF16_BF16", "BF16_BF16_F32", "BF16_BF16_F32_X3",
    "BF16_BF16_F32_X6", "BF16_BF16_F32_X9", "TF32_TF32_F32", "TF32_TF32_F32_X3", "F32_F32_F32",
    "F64_F64_F64")

# --- What programs mean -----------------------------------------------------------------------
enable_x64 = declare("enable_x64", False, boolean,
                   "64-bit dtypes exist; off, they become 32-bit ones.", in_key=True)
explicit_x64_dtypes = declare(
    "explicit_x64_dtypes", ExplicitX64Mode.WARN, ExplicitX64Mode,
    "Explicit 64-bit dtypes without enable_x64: warn and truncate, raise, or allow.", in_key=True)
numpy_default_dtype_bits = declare(
    "numpy_default_dtype_bits", DefaultDtypeBits.BITS_64, _default_bits,
    "Width of default dtypes; '64' means 32 unless enable_x64.", in_key=True)
numpy_dtype_promotion = declare(
    "numpy_dtype_promotion", NumpyDtypePromotion.STANDARD, NumpyDtypePromotion,
    "'strict' refuses implicit promotion between different dtypes.", in_key=True)
numpy_rank_promotion = declare(
    "numpy_rank_promotion", "allow", choice("allow", "warn", "raise"),
    "What broadcasting of arrays of different ranks does.", in_key=True)
default_matmul_precision = declare(
    "default_matmul_precision", None, choice(*MATMUL_PRECISIONS, optional=True),
    "Precision of matrix products and convolutions that do not say one.", in_key=True)
default_prng_impl = declare(
    "default_prng_impl", "threefry2x32",
    choice("threefry2x32", "threefry4x32", "rbg", "unsafe_rbg", "philox2x32", "philox4x32"),
    "Random bit generator of keys that do not say one.", in_key=True)
threefry_partitionable = declare("threefry_partitionable", True, boolean,
                               "Random bits do not depend on how they are sharded.", in_key=True)
random_seed_offset = declare("random_seed_offset", 0, integer,
                           "Added to every random seed.", in_key=True)
high_dynamic_range_gumbel = declare("high_dynamic_range_gumbel", False, boolean,
                                  "Gumbel samples reach further into the tails.", in_key=True)
legacy_prng_key = declare("legacy_prng_key", LegacyPrngKeyState.ALLOW, LegacyPrngKeyState,
                        "What using raw uint32 arrays as random keys does.")
enable_custom_prng = declare("enable_custom_prng", False, boolean,
                           "random.PRNGKey makes typed keys.", in_key=True)
softmax_custom_jvp = declare("softmax_custom_jvp", False, boolean,
                           "nn.softmax differentiates by its own, more stable rule.", in_key=True,
    no_effect="softmax has one derivative, that of its own operations")
default_device = declare("default_device", None, _device,
                       "Where uncommitted arrays live: a device or a platform name.", in_key=True)
allow_f16_reductions = declare("allow_f16_reductions", True, boolean,
                             "float16 and bfloat16 sums may keep their dtype.", in_key=True,
    no_effect="sums of float16 and bfloat16 are accumulated in float32 always")
disable_jit = declare("disable_jit", False, boolean,
                    "Run the functions under jit, scan, cond, … as Python.", in_key=True)
use_direct_linearize = declare("use_direct_linearize", True, boolean,
                             "Linearize in one pass.", in_key=True,
    no_effect="there is one way to linearize")
auto_pcast = declare("auto_pcast", True, boolean,
                   "Insert varying-ness casts in shard_map.", in_key=True,
    no_effect="casts of varying-ness are always inserted")
check_vma = declare("check_vma", False, boolean, "Check varying axes in shard_map.", in_key=True,
    no_effect="shard_map's own argument check_vma decides")
remove_size_one_mesh_axis_from_type = declare(
    "remove_size_one_mesh_axis_from_type", False, boolean,
    "Mesh axes of size one do not show in types.", in_key=True,
    no_effect="types name all axes of the mesh")
disable_bwd_checks = declare("disable_bwd_checks", False, boolean,
                           "Do not check what custom_vjp backward rules return.", in_key=True)

# --- Finding mistakes -------------------------------------------------------------------------
debug_nans = declare("debug_nans", False, boolean,
                   "Raise FloatingPointError when an operation makes a NaN.", in_key=True)
debug_infs = declare("debug_infs", False, boolean,
                   "Raise FloatingPointError when an operation makes an infinity.", in_key=True)
debug_key_reuse = declare("debug_key_reuse", False, boolean,
                        "Raise KeyReuseError when a random key is consumed twice.", in_key=True)
check_tracer_leaks = declare("check_tracer_leaks", False, boolean,
                           "Raise when a traced value outlives its trace.", in_key=True)
check_static_indices = declare("check_static_indices", False, boolean,
                             "Raise when a static index is out of bounds.", in_key=True)
enable_checks = declare("enable_checks", False, boolean,
                      "Check every jaxpr after every transformation.", in_key=True)
check = declare("check", False, boolean,
              "Check every access of compiled programs as they run (InternalError if one fails).",
              in_key=True)
mutable_array_checks = declare("mutable_array_checks", True, boolean,
                             "Check that mutable references are not aliased.", in_key=True,
    no_effect="references are always checked")
error_checking_behavior_nan = declare(
    "error_checking_behavior_nan", "ignore", choice("ignore", "raise"),
    "experimental.error_checking: NaNs.", in_key=True,
    no_effect="experimental.error_checking is not in this version; use checkify")
error_checking_behavior_divide = declare(
    "error_checking_behavior_divide", "ignore", choice("ignore", "raise"),
    "experimental.error_checking: division by zero.", in_key=True,
    no_effect="experimental.error_checking is not in this version; use checkify")
error_checking_behavior_oob = declare(
    "error_checking_behavior_oob", "ignore", choice("ignore", "raise"),
    "experimental.error_checking: indices out of bounds.", in_key=True,
    no_effect="experimental.error_checking is not in this version; use checkify")
no_tracing = declare("no_tracing", False, boolean, "Raise when jit would trace.")
no_execution = declare("no_execution", False, boolean, "Raise when a computation would run.",
    no_effect="this engine runs operations wherever they are called")
thread_guard = declare("thread_guard", False, boolean,
                     "Raise when devices of several processes are used from several threads.",
    no_effect="all devices belong to one process")
log_compiles = declare("log_compiles", False, boolean, "Log each trace and each compile.")
explain_cache_misses = declare("explain_cache_misses", False, boolean,
                             "Log why a call of a jit function traced again.")
log_checkpoint_residuals = declare("log_checkpoint_residuals", False, boolean,
                                 "Log what checkpoint saves.", in_key=True)
logging_level = declare("logging_level", "NOTSET", choice(
    "NOTSET", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"), "Level of the package's logger.")
debug_log_modules = declare("debug_log_modules", "", string, "Modules that log at level DEBUG.")
traceback_filtering = declare(
    "traceback_filtering", "auto", choice("off", "tracebackhide", "remove_frames",
                                           "quiet_remove_frames", "auto"),
    "How tracebacks hide frames of the library.")
transfer_guard_ = declare("transfer_guard", None, _GUARDS, "Implicit transfers of all kinds.",
    no_effect="arrays live in the host's memory, nothing is transferred")
transfer_guard_host_to_device = declare("transfer_guard_host_to_device", None, _GUARDS,
                                      "Implicit transfers from host to device.",
    no_effect="arrays live in the host's memory, nothing is transferred")
transfer_guard_device_to_device = declare("transfer_guard_device_to_device", None, _GUARDS,
                                        "Implicit transfers between devices.",
    no_effect="all devices share one memory, nothing is transferred")
transfer_guard_device_to_host = declare("transfer_guard_device_to_host", None, _GUARDS,
                                      "Implicit transfers from device to host.",
    no_effect="arrays live in the host's memory, nothing is transferred")
array_garbage_collection_guard = declare(
    "array_garbage_collection_guard", None, choice("allow", "log", "fatal", optional=True),
    "Arrays kept alive by reference cycles.",
    no_effect="memory is given back when an array's last reference goes; "
              "Python's collector is not watched")
debug = declare("debug", 0, integer,
              "What is dumped: 1 names of compiled programs and times, 2 the jaxpr of each pass, "
              "3 loop IR, 4 LLVM IR, 5 assembly.")
dump_ir_to = declare("dump_ir_to", "", path, "Folder of the dumps.")
captured_constants_warn_bytes = declare("captured_constants_warn_bytes", 2_000_000_000, integer,
                                      "Warn when a program captures more constant bytes.")

# --- Devices and compilation ------------------------------------------------------------------
platforms = declare("platforms", None, string, "Comma-separated platforms, the default one first.")
platform_name = declare("platform_name", "", string, "The default platform.")
num_cpu_devices = declare("num_cpu_devices", -1, integer, "Number of CPU devices; -1 means one.")
_in_xla_flags = re.search(r"--xla_force_host_platform_device_count=(\d+)",
                          os.environ.get("XLA_FLAGS", ""))
if _in_xla_flags and num_cpu_devices.value == -1:  # as programs for JAX ask for them
    num_cpu_devices._global = int(_in_xla_flags[1])
num_threads = declare("num_threads", -1, integer, "Threads of one computation; -1 means all cores.")
cpu_enable_async_dispatch = declare("cpu_enable_async_dispatch", True, boolean,
                                  "CPU computations may run behind the caller.",
    no_effect="computations run in the caller's thread, on all cores")
enable_compilation_cache = declare("enable_compilation_cache", True, boolean,
                                 "Use the compilation cache on disk.")
export_calling_convention_version = declare(
    "export_calling_convention_version", 10, integer,
    "The version that exported programs say they have; see export.")
compilation_cache_dir = declare("compilation_cache_dir", None, path,
                              "Folder of the compilation cache on disk; None turns it off.")
compilation_cache_max_size = declare("compilation_cache_max_size", -1, integer,
                                   "Bytes the cache on disk may take; -1 means any number.",
    no_effect="the cache on disk is bounded by its layout (320 MB)")
persistent_cache_min_compile_time_secs = declare(
    "persistent_cache_min_compile_time_secs", 0.0, number,
    "Programs that compile faster are not written to disk.")
persistent_cache_min_entry_size_bytes = declare(
    "persistent_cache_min_entry_size_bytes", 0, integer,
    "Smaller programs are not written to disk.")
raise_persistent_cache_errors = declare("raise_persistent_cache_errors", False, boolean,
                                      "Errors of the cache on disk raise instead of warn.")
pprint_use_color = declare("pprint_use_color", True, boolean, "Colours in printed programs.",
    no_effect="programs are printed without colours")
disable_most_optimizations = declare("disable_most_optimizations", False, boolean,
                                   "Compile fast, run slowly.", in_key=True)

# Flags of JAX that steer XLA or its own internals.
_FOREIGN: tuple[tuple[str, Any], ...] = (
    ("backend_target", ""), ("bcoo_cusparse_lowering", False), ("check_proxy_envs", True),
    ("captured_constants_report_frames", 0), ("compilation_cache_check_contents", False),
    ("compilation_cache_expect_pgle", False),
    ("compilation_cache_include_metadata_in_key", False),
    ("compiler_detailed_logging_min_ops", 10), ("compiler_enable_remat_pass", True),
    ("cpu_collectives_implementation", "gloo"), ("cuda_visible_devices", "all"),
    ("cpu_get_global_topology_timeout_minutes", 5), ("cpu_get_local_topology_timeout_minutes", 2),
    ("cross_host_transfer_socket_address", ""), ("custom_vjp3", False),
    ("debug_leaked_clients_on_clear_backends", False), ("disable_vmap_shmap_error", False),
    ("disallow_mesh_context_manager", False), ("distributed_debug", False),
    ("dump_ir_modes", "stablehlo"), ("eager_constant_folding", False),
    ("embedded_constants_max_bytes", 32), ("enable_pgle", False),
    ("enable_preemption_service", True), ("enable_recoverability", False),
    ("exec_time_optimization_effort", 0.0), ("experimental_unsafe_xla_runtime_errors", False),
    ("export_ignore_forward_compatibility", False),
    ("hlo_source_file_canonicalization_regex", None), ("include_debug_info_in_dumps", True),
    ("include_full_tracebacks_in_locations", True), ("jax2tf_associative_scan_reductions", False),
    ("jax2tf_default_native_serialization", True), ("memory_fitting_effort", 0.0),
    ("memory_fitting_level", "O2"), ("mosaic_allow_hlo", False),
    ("optimization_level", "UNKNOWN"), ("pallas_enable_debug_checks", False),
    ("pallas_poison_buffers", False), ("pallas_use_mosaic_gpu", True),
    ("pallas_verbose_errors", False), ("persistent_cache_enable_xla_caches", "none"),
    ("pgle_aggregation_percentile", 90), ("pgle_profiling_runs", 3),
    ("pjrt_client_create_options", None), ("ragged_dot_use_ragged_dot_instruction", True),
    ("refs_to_pins", False), ("remat3", False), ("rocm_visible_devices", "all"), ("scan3", False),
    ("remove_custom_partitioning_ptr_from_cache_key", False), ("serialization_version", 0),
    ("send_traceback_to_runtime", "off"), ("share_binary_between_hosts", False),
    ("share_binary_between_hosts_timeout_ms", 1_200_000),
    ("sort_devices_by_process_index", True), ("source_url_schema", None),
    ("threefry_gpu_kernel_lowering", False), ("traceback_in_locations_limit", 100),
    ("tracer_error_num_traceback_frames", 5), ("use_emit_pipeline_primitive", False),
    ("use_magma", "auto"), ("use_shardy_partitioner", True),
    ("use_simplified_jaxpr_constants", False), ("xla_backend", ""), ("xla_profile_version", 0),
)
for _name, _default in _FOREIGN:
    declare(_name, _default, anything, "A setting of XLA or of JAX's internals.",
            no_effect="it steers XLA or JAX's internals, which are not here")


def checking_leaks() -> Override:
    """A context manager in which a traced value that outlives its trace raises an error."""
    return check_tracer_leaks(True)


def disable_jit_context(disable: bool = True) -> Override:
    """A context manager in which `jit` functions (and `scan`, `cond`, …) run as plain Python."""
    return disable_jit(disable)


@contextmanager
def transfer_guard(new_val: str) -> Iterator[None]:
    """A context manager that sets the guard of implicit transfers in all directions.

    Args:
      new_val: 'allow', 'log', 'disallow', 'log_explicit' or 'disallow_explicit'.
    """
    with ExitStack() as stack:
        for flag in (transfer_guard_host_to_device, transfer_guard_device_to_device,
                     transfer_guard_device_to_host, transfer_guard_):
            stack.enter_context(flag(new_val))
        yield


class Config:
    """All flags by name, with or without the prefix `jax_` (or `arrax_`): `arrax.config`.

    Example:
      >>> arrax.config.update("jax_enable_x64", True)
      >>> arrax.config.jax_enable_x64
      True
    """

    def update(self, name: str, val: Any) -> None:
        """Set a flag for the whole process.

        Raises:
          AttributeError: there is no flag `name`.
          ValueError: the flag does not take the value `val`.
        """
        flag = by_name.get(name)
        if flag is None:
            raise AttributeError(f"Unrecognized config option: {name}")
        flag.set(val)
        if flag is transfer_guard_:
            for other in (transfer_guard_host_to_device, transfer_guard_device_to_device,
                          transfer_guard_device_to_host):
                other.set(val)

    def read(self, name: str) -> Any:
        """The value of the flag `name` in this thread; AttributeError when there is none."""
        flag = by_name.get(name)
        if flag is None:
            raise AttributeError(f"Unrecognized config option: {name}")
        return flag.value

    def __getattr__(self, name: str) -> Any:
        flag = by_name.get(name)
        if flag is None:
            raise AttributeError(f"'Config' object has no attribute '{name}'")
        return flag.value

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"Use config.update('{name}', {value!r}) to set a flag")

    @property
    def x64_enabled(self) -> bool:
        return enable_x64.value  # type: ignore[no-any-return]

    @property
    def values(self) -> dict[str, Any]:
        """All flags and their values in this thread."""
        return {f"jax_{name}": flag.value for name, flag in flags.items()}

    def config_with_absl(self) -> None:
        """Do nothing: flags are not absl flags here; set them by name or environment."""

    def parse_flags_with_absl(self) -> None:
        """Do nothing, as `config_with_absl`."""

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *self.values]

    def __repr__(self) -> str:
        changed = {name: flag.value for name, flag in flags.items()
                   if flag.value != flag.default}
        return f"Config({', '.join(f'{k}={v!r}' for k, v in changed.items())})"


config = Config()


def _set_levels(change: Change) -> None:
    """Levels of loggers: of the package's, and of single modules (comma-separated names)."""
    if change.flag is logging_level:
        logging.getLogger("arrax").setLevel(change.value or "NOTSET")
    elif change.flag is debug_log_modules:
        for name in filter(None, (change.value or "").split(",")):
            logging.getLogger(name).setLevel("DEBUG")


def _set_threads(change: Change) -> None:
    """The number of threads of the process: blocks in one thread change it for all."""
    if change.flag is num_threads:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        _native.set_num_threads(change.value if (change.value or -1) > 0 else cores or 1)


for _apply, _flags in ((_set_levels, (logging_level, debug_log_modules)),
                       (_set_threads, (num_threads,))):
    on_change(_apply)
    for _flag in _flags:
        if _flag.value != _flag.default:
            _apply(Change(_flag, _flag.value, True))

# The native call path keeps the key of each thread until it is told of a change.
_native.set_context_provider(context_key)
on_change(lambda change: _native.invalidate_context_key(change.everywhere))
