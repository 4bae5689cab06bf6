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
from llvmlite.binding import ffi

from arrax import _native
from arrax.core.errors import InternalError
from arrax.core.forking import fork_waits_for
from arrax.engines.cpu import object_cache

_numbers = itertools.count()
# How LLVM is to compile; part of the names of files on disk.
OPTIMIZATION: dict[str, Any] = {
    "machine": {"opt": 2, "reloc": "pic", "codemodel": "jitdefault"},
    "tuning": {"speed_level": 1},
    "passes": ("sroa", "simplify_cfg")}
# LLVM runs in one thread at a time, under llvmlite's lock.
fork_waits_for(ffi.lib._lock.__enter__, ffi.lib._lock.__exit__)


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
                                            jit=True, **OPTIMIZATION["machine"])

    own = machine()
    passes = binding.create_pass_builder(
        own, binding.create_pipeline_tuning_options(**OPTIMIZATION["tuning"]))
    return own, passes, binding.create_lljit_compiler(machine())


def code_of(source: str, module: Callable[[], Any], entry: str = "entry") -> MachineCode:
    """The code of the program whose loop IR reads `source`; `module()` emits its LLVM module where
    the object code is not known."""
    code = _known.get(source)
    if code is None:
        parts = (source, *_identity())
        image = object_cache.cached(parts, lambda: _compiled(module()), is_object)
        try:
            code = _load(image, entry)
        except RuntimeError:  # the file was no code of ours after all, or there is another reason
            object_cache.discard(parts)
            code = _load(_compiled(module()), entry)
        _known[source] = code
    return code


def compile_module(module: Any, entry: str = "entry") -> MachineCode:
    """The code of a module, shared with no other program."""
    return _load(_compiled(module), entry)


def _compiled(module: Any) -> bytes:
    """Clean up (the code is vectorized already) and compile a module."""
    return bytes(_compiler()[0].emit_object(_cleaned(str(module), module.name)))


_MACH_O = b"\xcf\xfa\xed\xfe"


def is_object(image: bytes) -> bool:
    """Whether these bytes are an object file for the linker of this machine."""
    if image[:4] == _MACH_O:
        return len(image) > 32
    return (image[:6] == b"\x7fELF\x02\x01" and len(image) > 64
            and image[16:18] == b"\x01\0")  # 64 bits, little-endian, relocatable


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
    """What object code depends on beside the loop IR: the CPU, and who compiles, and how."""
    return (str(OPTIMIZATION), binding.get_host_cpu_name(),
            binding.get_host_cpu_features().flatten(), str(binding.llvm_version_info),
            llvmlite.__version__, _sources())


def _sources() -> str:
    """A digest of the paths, sizes and times of the files that say what the loop IR's text means:
    the compiler, the operations and the runtime. Where one is edited, no object code is known."""
    package = Path(__file__).parents[2]
    paths = [Path(_native.__file__)]
    for folder in ("core", "ops", "control", "transforms", "engines/cpu"):
        paths += sorted((package / folder).rglob("*.py"))
    files = [f"{path}:{status.st_size}:{status.st_mtime_ns}"
             for path, status in ((path, path.stat()) for path in paths)]
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
    for name in OPTIMIZATION["passes"]:
        getattr(manager, f"add_{name}_pass")()
    for function in parsed.functions:
        if not function.is_declaration:
            manager.run(function, passes)
