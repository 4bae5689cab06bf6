"""What private names of JAX mean where arrax has no such thing: each harmless, or a clear error."""
from __future__ import annotations

import inspect
from collections.abc import MutableSet
from types import TracebackType
from typing import Any

import numpy as np

from arrax.core import source_info
from arrax.core.dtypes import ExtendedDType
from arrax.core.tree_registry import registry
from arrax.core.engine import engines

# ---- values and types ----------------------------------------------------------------------------


class NoSuchValue:
    """A type without instances: what JAX wraps in it is a plain value here."""

    def __init__(self) -> None:
        raise TypeError("arrax has no values of this type")


class EArray(NoSuchValue):
    """Arrays of extended dtypes that libraries define; see `ExtendedDType` for those there are."""


DType = np.dtype | ExtendedDType


class UnspecifiedValue:
    """The type of `UNSPECIFIED`."""

    def __repr__(self) -> str:
        return "UnspecifiedValue"


UNSPECIFIED = UnspecifiedValue()
result_handlers: dict[Any, Any] = {}


def identity(value: Any) -> Any:
    return value


def infer_argnums_and_argnames(sig: inspect.Signature, argnums: Any, argnames: Any
                               ) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Positions and names of the same arguments of a signature, where one of them is given."""
    named = {p.name: i for i, p in enumerate(sig.parameters.values())
             if p.kind is p.POSITIONAL_OR_KEYWORD}
    by_position = {i: name for name, i in named.items()}
    numbers = None if argnums is None else tuple(np.atleast_1d(argnums).tolist())
    names = None if argnames is None else (
        (argnames,) if isinstance(argnames, str) else tuple(argnames))
    if names is None:
        names = tuple(by_position[i] for i in numbers or () if i in by_position)
    if numbers is None:
        numbers = tuple(named[n] for n in names if n in named)
    return numbers, names


def physical_aval(aval: Any) -> Any:
    """The aval of the storage: itself for dtypes of NumPy."""
    if isinstance(aval.dtype, ExtendedDType):
        raise TypeError(f"physical_aval: arrays of {aval.dtype} show no storage; use "
                        "jax.random.key_data")
    return aval


def supports_inf(dtype: Any) -> bool:
    """Whether a floating dtype has infinities."""
    with np.errstate(all="ignore"):
        return bool(np.isinf(np.asarray(np.inf).astype(dtype).astype(np.float64)))


# ---- what libraries hook into --------------------------------------------------------------------

def backend_compile_and_load(*args: Any, **kwargs: Any) -> Any:
    """JAX's call of its compiler, which libraries wrap; arrax compiles elsewhere."""
    raise NotImplementedError("arrax does not compile through backend_compile_and_load")


def register_vmappable(data_type: type, *args: Any, **kwargs: Any) -> None:
    """JAX's registration of containers that `vmap` maps over; `vmap` refuses values of `data_type`
    here, as it does those of any type that is no pytree."""
    if not isinstance(data_type, type):
        raise TypeError(f"register_vmappable: expected a type, got {data_type!r}")


def no_cudnn(*args: Any, **kwargs: Any) -> Any:
    """Answers libraries that ask for cuDNN's attention."""
    raise NotImplementedError("cuDNN's attention is not available with arrax")


def no_mlir(*args: Any, **kwargs: Any) -> Any:
    """Answers libraries that build MLIR."""
    raise NotImplementedError("arrax has no MLIR; give a lowering by mlir.lower_fun")


class _Backends:
    """The platforms that are there, as a mapping that libraries ask for its length or names."""

    def __len__(self) -> int:
        return len(engines())

    def __iter__(self) -> Any:
        return iter(engines())

    def __contains__(self, name: object) -> bool:
        return name in engines()


backends = _Backends()


class _GlobalState:
    """JAX's state of the distributed runtime, of one process."""

    process_id = 0
    num_processes = 1
    client = None
    service = None
    coordinator_address = None
    preemption_sync_manager = None


global_state = _GlobalState()


# ---- tracebacks ----------------------------------------------------------------------------------

class _ExcludedPaths(MutableSet[str]):
    """The files whose frames are not the user's, as the list that libraries edit."""

    def __contains__(self, path: object) -> bool:
        return path in source_info.registered_files()

    def __iter__(self) -> Any:
        return iter(source_info.registered_files())

    def __len__(self) -> int:
        return len(source_info.registered_files())

    def add(self, path: str) -> None:
        source_info.register_internal_file(path)

    append = add

    def discard(self, path: str) -> None:
        source_info.unregister_internal_file(path)


exclude_paths = _ExcludedPaths()


def include_frame(frame: Any) -> bool:
    """Whether a frame of a traceback is the user's."""
    found = frame.tb_frame if isinstance(frame, TracebackType) else frame
    return not source_info.is_internal(found.f_code.co_filename)


# ---- pytrees -------------------------------------------------------------------------------------

class _TreeRegistry:
    """Which types are pytrees; JAX's is a dict, and libraries ask `type in registry`."""

    def __contains__(self, kind: object) -> bool:
        return isinstance(kind, type) and (
            kind in registry or (issubclass(kind, tuple) and hasattr(kind, "_fields")))

    def __getitem__(self, kind: type) -> Any:
        if kind not in self:
            raise KeyError(kind)
        return registry.get(kind)


tree_registry = _TreeRegistry()
