"""LLVM text to machine code in memory, for this machine's CPU."""
from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from llvmlite import binding

from arrax import _native


@dataclass(frozen=True, slots=True)
class MachineCode:
    """Code in memory; it lives as long as `owner`."""

    address: int
    owner: Any
    llvm: str


@functools.lru_cache(maxsize=1)
def _target() -> Any:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    for name, address in _native.symbols().items():
        binding.add_symbol(name, address)
    return binding.Target.from_default_triple()


def target_machine() -> Any:
    """A target machine with all features of this CPU."""
    target = _target()
    cpu, features = _host()
    return target.create_target_machine(cpu=cpu, features=features, opt=2, reloc="pic",
                                        codemodel="jitdefault", jit=True)


@functools.lru_cache(maxsize=1)
def _host() -> tuple[str, str]:
    return binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()


def compile_module(module: Any, entry: str = "entry") -> MachineCode:
    """Optimize lightly (the code is vectorized already), compile and load a module."""
    machine = target_machine()
    parsed = binding.parse_assembly(str(module))
    parsed.triple = machine.triple
    parsed.data_layout = str(machine.target_data)
    optimize(parsed, machine)
    text = str(parsed) if KEEP_TEXT else ""
    engine = binding.create_mcjit_compiler(parsed, machine)
    engine.finalize_object()
    return MachineCode(engine.get_function_address(entry), engine, text)


KEEP_TEXT = False


def optimize(parsed: Any, machine: Any) -> None:
    """The few passes that pay: stack slots to registers, local cleaning."""
    options = binding.create_pipeline_tuning_options(speed_level=1)
    builder = binding.create_pass_builder(machine, options)
    manager = binding.create_new_function_pass_manager()
    manager.add_sroa_pass()
    manager.add_simplify_cfg_pass()
    for function in parsed.functions:
        if not function.is_declaration:
            manager.run(function, builder)
