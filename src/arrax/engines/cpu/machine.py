"""LLVM modules to machine code in memory, for this machine's CPU.

One target machine and one JIT serve all programs. Code is found by the text of the loop IR that it
came from, in memory as long as a program uses it, then on disk: what is known is not emitted again.
"""
from __future__ import annotations

import functools
import hashlib
import itertools
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
from llvmlite import binding

from arrax import _native
from arrax.core.errors import InternalError
from arrax.engines.cpu import object_cache
from arrax.version import __version__

_numbers = itertools.count()


class MachineCode:
    """Code in memory; it lives as long as this object."""

    __slots__ = ("address", "owner", "__weakref__")

    def __init__(self, address: int, owner: Any):
        self.address = address
        self.owner = owner


_known: weakref.WeakValueDictionary[str, MachineCode] = weakref.WeakValueDictionary()


@functools.lru_cache(maxsize=1)
def _compiler() -> tuple[Any, Any, Any]:
    """The target machine with all features of this CPU, the passes' settings, the JIT."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_default_triple()
    features = binding.get_host_cpu_features().flatten()

    def machine() -> Any:
        return target.create_target_machine(cpu=binding.get_host_cpu_name(), features=features,
                                            opt=2, reloc="pic", codemodel="jitdefault", jit=True)

    own = machine()
    passes = binding.create_pass_builder(
        own, binding.create_pipeline_tuning_options(speed_level=1))
    return own, passes, binding.create_lljit_compiler(machine())


def code_of(source: str, module: Callable[[], Any], entry: str = "entry") -> MachineCode:
    """The code of the program whose loop IR reads `source`; `module()` emits its LLVM module where
    the object code is not known."""
    code = _known.get(source)
    if code is None:
        image = object_cache.cached((source, *_identity()), lambda: _compiled(module()))
        code = _known[source] = _load(image, entry)
    return code


def _compiled(module: Any) -> bytes:
    """Clean up (the code is vectorized already) and compile a module."""
    return bytes(_compiler()[0].emit_object(_cleaned(str(module), module.name)))


def assembly(module: Any) -> str:
    """The machine code of a module as assembly text."""
    return str(_compiler()[0].emit_assembly(_cleaned(str(module), module.name)))


def _cleaned(text: str, name: str) -> Any:
    """A module, parsed, verified and optimized lightly. LLVM aborts the process where it meets
    code that its verifier refuses."""
    machine, passes, _ = _compiler()
    try:
        parsed = binding.parse_assembly(text)
        parsed.verify()
    except RuntimeError as error:
        raise InternalError(f"LLVM refuses the code of program {name!r}: {error}") from error
    parsed.triple = machine.triple
    parsed.data_layout = str(machine.target_data)
    _optimize(parsed, passes)
    return parsed


@functools.lru_cache(maxsize=1)
def _identity() -> tuple[str, ...]:
    """What object code depends on beside the loop IR: the CPU, and who compiles."""
    return (binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten(),
            str(binding.llvm_version_info), llvmlite.__version__, __version__, _sources())


def _sources() -> str:
    """A digest of the paths, sizes and times of the files that say what the loop IR's text means:
    the compiler and the operations. Where one is edited, no object code is known."""
    files = []
    package = Path(__file__).parents[2]
    for folder in ("core", "ops", "control", "transforms", "engines/cpu"):
        for path in sorted((package / folder).rglob("*.py")):
            status = path.stat()
            files.append(f"{path}:{status.st_size}:{status.st_mtime_ns}")
    return hashlib.sha256("\n".join(files).encode()).hexdigest()


def _load(image: bytes, entry: str) -> MachineCode:
    """Link an object file with the runtime's functions."""
    library = binding.JITLibraryBuilder().add_object_img(image).export_symbol(entry)
    library.add_current_process()
    for name, address in _native.symbols().items():
        if name.encode() in image:  # among the names of its symbols
            library.import_symbol(name, address)
    tracker = library.link(_compiler()[2], f"program_{next(_numbers)}")
    return MachineCode(tracker[entry], tracker)


def _optimize(parsed: Any, passes: Any) -> None:
    """The few passes that pay: stack slots to registers, simpler branches."""
    manager = binding.create_new_function_pass_manager()
    manager.add_sroa_pass()
    manager.add_simplify_cfg_pass()
    for function in parsed.functions:
        if not function.is_declaration:
            manager.run(function, passes)
