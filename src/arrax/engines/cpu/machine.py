"""LLVM text to machine code in memory, for this machine's CPU.

One target machine and one JIT serve all programs; equal modules are compiled once and share their
code as long as a program uses it.
"""
from __future__ import annotations

import functools
import itertools
import weakref
from typing import Any

import llvmlite
from llvmlite import binding

from arrax import _native
from arrax.engines.cpu import object_cache

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


def compile_module(module: Any, entry: str = "entry") -> MachineCode:
    """Clean up (the code is vectorized already), compile and load a module."""
    text = str(module)
    code = _known.get(text)
    if code is None:
        machine, _, jit = _compiler()
        image = object_cache.cached((text, *_identity()),
                                    lambda: bytes(machine.emit_object(_cleaned(text))))
        code = _known[text] = _load(image, module, entry, jit)
    return code


def assembly(module: Any) -> str:
    """The machine code of a module as assembly text."""
    return str(_compiler()[0].emit_assembly(_cleaned(str(module))))


def _cleaned(text: str) -> Any:
    """A module, parsed and optimized lightly."""
    machine, passes, _ = _compiler()
    parsed = binding.parse_assembly(text)
    parsed.triple = machine.triple
    parsed.data_layout = str(machine.target_data)
    _optimize(parsed, passes)
    return parsed


@functools.lru_cache(maxsize=1)
def _identity() -> tuple[str, ...]:
    """What object code depends on beside the program: the CPU, and who compiles."""
    return (binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten(),
            str(binding.llvm_version_info), llvmlite.__version__)


def _load(image: bytes, module: Any, entry: str, jit: Any) -> MachineCode:
    """Link an object file with the runtime's functions."""
    library = binding.JITLibraryBuilder().add_object_img(image).export_symbol(entry)
    library.add_current_process()
    for name, address in _native.symbols().items():
        if name in module.globals:
            library.import_symbol(name, address)
    tracker = library.link(jit, f"program_{next(_numbers)}")
    return MachineCode(tracker[entry], tracker)


def _optimize(parsed: Any, passes: Any) -> None:
    """The few passes that pay: stack slots to registers, simpler branches."""
    manager = binding.create_new_function_pass_manager()
    manager.add_sroa_pass()
    manager.add_simplify_cfg_pass()
    for function in parsed.functions:
        if not function.is_declaration:
            manager.run(function, passes)
