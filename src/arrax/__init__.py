"""arrax: composable transformations of NumPy programs.

Differentiate (`grad`, `jvp`, `vjp`), vectorize (`vmap`), compile (`jit`) and parallelize (`pmap`)
functions written with `arrax.numpy`. The programming model and the names are JAX's.
"""
from __future__ import annotations

from arrax import numpy, lax
from arrax import debug, dtypes, errors, sharding, stages, tree, tree_util, typing
from arrax.core.array import Array
from arrax.core.caching import clear_caches
from arrax.core.config import (check_tracer_leaks, checking_leaks, config, debug_infs,
                               debug_key_reuse, debug_nans, default_device,
                               default_matmul_precision, default_prng_impl, enable_checks,
                               enable_custom_prng, enable_x64, explain_cache_misses,
                               legacy_prng_key, log_compiles, no_execution, no_tracing,
                               numpy_dtype_promotion, numpy_rank_promotion, softmax_custom_jvp,
                               threefry_partitionable, transfer_guard,
                               transfer_guard_device_to_device, transfer_guard_device_to_host,
                               transfer_guard_host_to_device)
from arrax.core.config import disable_jit_context as disable_jit
from arrax.core.device import Device
from arrax.core.shardings import NamedSharding, Shard
from arrax.core.shardings import PartitionSpec as P
from arrax.core.dtypes import float0
from arrax.core.evaluate import typeof
from arrax.core.lazy import submodules as _submodules
from arrax.core.primitive import check_declared as _check_declared
from arrax.core.tracebacks import install_hook as _install_hook
from arrax.ops.callback import pure_callback
from arrax.transforms.api_placement import (block_until_ready, copy_to_host_async, default_backend,
    device_count, device_get, device_put, devices, effects_barrier, local_device_count,
    local_devices, make_mesh, print_environment_info, process_count, process_index, process_indices)
from arrax.transforms.api_ad import grad, jvp, linear_transpose, linearize, value_and_grad, vjp
from arrax.transforms.api_jacobians import hessian, jacfwd, jacobian, jacrev
from arrax.sharding import reshard, set_mesh
from arrax.transforms.api_shards import (make_array_from_callback,
                                         make_array_from_process_local_data,
                                         make_array_from_single_device_arrays)
from arrax.transforms.api_shard_map import shard_map, smap
from arrax.transforms.api_trace import (ensure_compile_time_eval, eval_shape, make_jaxpr,
                                        named_call, named_scope)
from arrax.transforms.api_vmap import vmap
from arrax.transforms.checkpoint import checkpoint
from arrax.transforms.checkpoint import remat
from arrax.transforms.checkpoint_policies import checkpoint_policies
from arrax.transforms.custom_gradients import closure_convert, custom_gradient
from arrax.transforms.custom_jvp import custom_jvp
from arrax.transforms.custom_vjp import custom_vjp
from arrax import engines as _engines  # register themselves
from arrax.transforms import large_arrays as _large_arrays  # joins eager calls
from arrax.transforms import recording as _recording  # joins eager calls
from arrax.transforms.jit import jit
from arrax.transforms.parallel import pmap
from arrax.transforms.refs import Ref, empty_ref, free_ref, freeze, new_ref
from arrax.transforms.stages import ShapeDtypeStruct
from arrax.version import __version__

_check_declared()
_install_hook()

__all__ = [
    "Array", "Device", "NamedSharding", "P", "Ref", "ShapeDtypeStruct", "Shard",
    "block_until_ready", "check_tracer_leaks", "checking_leaks", "checkpoint",
    "checkpoint_policies", "clear_caches", "closure_convert", "config", "copy_to_host_async",
    "custom_gradient", "custom_jvp", "custom_vjp", "debug", "debug_infs", "debug_key_reuse",
    "debug_nans", "default_backend", "default_device", "default_matmul_precision",
    "default_prng_impl", "device_count", "device_get", "device_put", "devices", "disable_jit",
    "dtypes", "effects_barrier", "empty_ref", "enable_checks", "enable_custom_prng", "enable_x64",
    "ensure_compile_time_eval", "errors", "eval_shape", "explain_cache_misses", "float0",
    "free_ref", "freeze", "grad", "hessian", "jacfwd", "jacobian", "jacrev", "jit", "jvp", "lax",
    "legacy_prng_key", "linear_transpose", "linearize", "local_device_count", "local_devices",
    "log_compiles", "make_array_from_callback", "make_array_from_process_local_data",
    "make_array_from_single_device_arrays", "make_jaxpr", "make_mesh", "named_call", "named_scope",
    "new_ref", "no_execution", "no_tracing", "numpy", "numpy_dtype_promotion",
    "numpy_rank_promotion", "pmap", "print_environment_info", "process_count", "process_index",
    "process_indices", "pure_callback", "remat", "reshard", "set_mesh", "shard_map", "sharding",
    "smap", "softmax_custom_jvp", "stages", "threefry_partitionable", "transfer_guard",
    "transfer_guard_device_to_device", "transfer_guard_device_to_host",
    "transfer_guard_host_to_device", "tree", "tree_util", "typeof", "typing", "value_and_grad",
    "vjp", "vmap"]


__getattr__, __dir__ = _submodules(
    __name__, hidden=("control", "engines", "library", "transforms"))
