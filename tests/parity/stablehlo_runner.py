"""Reads StableHLO text with JAX's MLIR parser, verifies it, and runs it on XLA's CPU client."""
from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np


def bytecode(text: str) -> bytes:
    """The module of a text, parsed and verified by MLIR, as bytecode."""
    import jax.interpreters.mlir as jax_mlir
    from jaxlib.mlir import ir
    context = jax_mlir.make_ir_context()
    with context:
        module = ir.Module.parse(text)
        assert module.operation.verify()
        buffer = io.BytesIO()
        module.operation.write_bytecode(buffer)
    return buffer.getvalue()


def run(text: str, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The results of the public function `main` on `arrays`."""
    import jax
    from jax.extend import backend
    from jaxlib import _jax
    client = backend.get_backend("cpu")
    devices = _jax.DeviceList(tuple(client.local_devices()[:1]))
    with jax.enable_x64(True):  # arrays keep their dtypes
        executable = client.compile_and_load(bytecode(text), devices, _jax.CompileOptions())
        operands = [jax.device_put(np.asarray(a), client.local_devices()[0]) for a in arrays]
        results = executable.execute_sharded(operands)
        return [np.asarray(r[0]) for r in results.disassemble_into_single_device_arrays()]
