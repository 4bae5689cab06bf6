"""LLVM modules to machine code in memory, for this machine's CPU.

One target machine compiles all programs. Code is found by the text of the loop IR that it came
from, in memory as long as a program uses it, then on disk: what is known is not emitted again.

Code that no program uses any more leaves nothing behind. LLVM keeps constants and types as long as
their context, so each module has its own; what else of LLVM grows with use is `_Renewed`.
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
from arrax.core import config
from arrax.core.errors import InternalError
from arrax.core.forking import fork_lock, fork_waits_for
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


def _machine_options() -> dict[str, Any]:
    """With the flag `disable_most_optimizations` LLVM selects instructions without optimizing."""
    options = OPTIMIZATION["machine"]
    return {**options, "opt": 0} if config.disable_most_optimizations.value else options


def _target_machine() -> Any:
    """For this CPU, with all its features."""
    return _machine_with(**_machine_options())


@functools.lru_cache(maxsize=2)
def _machine_with(**options: Any) -> Any:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_default_triple()
    return target.create_target_machine(
        cpu=binding.get_host_cpu_name(), features=binding.get_host_cpu_features().flatten(),
        jit=True, **options)


class _Renewed:
    """An object that grows with each use: a new one takes its place after `uses`; the old one
    lives as long as what was made of it."""

    def __init__(self, make: Callable[[], Any], uses: int):
        self.make, self.uses = make, uses
        self.lock = fork_lock()
        self.current: Any = None
        self.left = 0

    def __call__(self) -> Any:
        with self.lock:
            if self.left == 0:
                self.current, self.left = self.make(), self.uses
            self.left -= 1
            return self.current


# A JIT keeps 9 KB of each library that was linked into it, a pass builder what each run registers
# (and 1.6 KB that llvmlite loses with it).
_linker = _Renewed(lambda: binding.create_lljit_compiler(_target_machine()), 16)
_pass_builder = _Renewed(
    lambda: binding.create_pass_builder(
        _target_machine(), binding.create_pipeline_tuning_options(**OPTIMIZATION["tuning"])), 64)


def code_of(source: str, module: Callable[[], Any], entry: str = "entry") -> MachineCode:
    """The code of the program whose loop IR reads `source`; `module()` emits its LLVM module where
    the object code is not known."""
    known = f"{_machine_options()['opt']} {source}"
    code = _known.get(known)
    if code is None:
        parts = (source, *_identity())
        image = object_cache.cached(parts, lambda: _compiled(module()), is_object)
        try:
            code = _load(image, entry)
        except RuntimeError:  # the file was no code of ours after all, or there is another reason
            object_cache.discard(parts)
            code = _load(_compiled(module()), entry)
        _known[known] = code
    return code


def compile_module(module: Any, entry: str = "entry") -> MachineCode:
    """The code of a module, shared with no other program."""
    return _load(_compiled(module), entry)


def _compiled(module: Any) -> bytes:
    """Clean up (the code is vectorized already) and compile a module."""
    return bytes(_target_machine().emit_object(_cleaned(str(module), module.name)))


_MACH_O = b"\xcf\xfa\xed\xfe"


def is_object(image: bytes) -> bool:
    """Whether these bytes are an object file for the linker of this machine."""
    if image[:4] == _MACH_O:
        return len(image) > 32
    return (image[:6] == b"\x7fELF\x02\x01" and len(image) > 64
            and image[16:18] == b"\x01\0")  # 64 bits, little-endian, relocatable


def assembly(module: Any) -> str:
    """The machine code of a module as assembly text."""
    return str(_target_machine().emit_assembly(_cleaned(str(module), module.name)))


def _cleaned(text: str, name: str) -> Any:
    """A module, parsed, verified and optimized lightly. LLVM aborts the process where it meets
    code that its verifier refuses."""
    machine = _target_machine()
    try:
        parsed = binding.parse_assembly(text, binding.create_context())
        parsed.verify()
    except RuntimeError as error:
        raise InternalError(f"LLVM refuses the code of program {name!r}: {error}") from error
    parsed.triple = machine.triple
    parsed.data_layout = str(machine.target_data)
    _optimize(parsed)
    return parsed


def _identity() -> tuple[str, ...]:
    """What object code depends on beside the loop IR: the CPU, and who compiles, and how."""
    return (str(OPTIMIZATION), str(_machine_options()["opt"]), *_compiler())


@functools.lru_cache(maxsize=1)
def _compiler() -> tuple[str, ...]:
    return (binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten(),
            str(binding.llvm_version_info), llvmlite.__version__, _sources())


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
    jit = _linker()
    tracker = library.link(jit, f"program_{next(_numbers)}")
    tracker.jit = jit  # which is to die after it
    return MachineCode(tracker[entry], tracker)


def _optimize(parsed: Any) -> None:
    """The few passes that pay: stack slots to registers, simpler branches."""
    manager = binding.create_new_module_pass_manager()
    for name in OPTIMIZATION["passes"]:
        getattr(manager, f"add_{name}_pass")()
    manager.run(parsed, _pass_builder())
