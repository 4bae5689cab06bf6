"""Modules that show arrax's objects under JAX's names.

A facade holds what its target holds, looks up what comes late when it is first asked for, and keeps
what it found, so that later accesses cost what those of any module cost. A
submodule of arrax becomes a facade in turn.
"""
from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from arrax.as_jax import private_names
from arrax.as_jax.metadata import JAX_VERSION
from arrax.core import absent

_VERSION = {"__version__": JAX_VERSION,
            "__version_info__": tuple(map(int, JAX_VERSION.split(".")))}
_OWN: dict[str, dict[str, Any]] = {"jax": _VERSION, "jax.version": _VERSION}


class _Missing:
    pass


_MISSING = _Missing()


class Facade(ModuleType):
    """The public module `jax.X`, over `arrax.X`."""

    def __init__(self, name: str, target: ModuleType):
        super().__init__(name, target.__doc__)
        fields = vars(self)
        fields["_arrax_target"] = target
        fields["__path__"] = []  # `import jax.X.Y` asks the finder
        fields["__file__"] = getattr(target, "__file__", None)
        fields["__all__"] = _exported(target)
        for member in fields["__all__"]:  # for programs that read `vars(jax.numpy)`
            value = vars(target).get(member, _MISSING)
            if value is not _MISSING and not isinstance(value, ModuleType):
                fields[member] = value
        fields.update(_OWN.get(name, {}))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if name.startswith("_"):
            value = self._private(name)
        else:
            value = self._public(name)
        vars(self)[name] = value
        return value

    def _public(self, name: str) -> Any:
        value = getattr(self._arrax_target, name, _MISSING)
        if isinstance(value, ModuleType) and value.__name__.startswith("arrax."):
            return importlib.import_module("jax" + value.__name__.removeprefix("arrax"))
        if value is not _MISSING:
            return value
        if private_names.is_table_module(f"{self.__name__}.{name}"):
            return importlib.import_module(f"{self.__name__}.{name}")
        extra = private_names.lookup(self.__name__, name)
        if extra is not None:
            return extra.value()
        raise AttributeError(absent.message(self.__name__, name))

    def _private(self, name: str) -> Any:
        full = f"{self.__name__}.{name}"
        if private_names.is_table_module(full):
            return importlib.import_module(full)
        return private_names.resolve(self.__name__, name)

    def __dir__(self) -> list[str]:
        return sorted({*vars(self), *dir(self._arrax_target)})

    def __repr__(self) -> str:
        return f"<module {self.__name__!r} (arrax.as_jax: {self._arrax_target.__name__})>"


class PrivateModule(ModuleType):
    """A module below `jax._src` or `jaxlib`, answered from the table of private names."""

    def __init__(self, name: str):
        super().__init__(name, f"What arrax.as_jax answers of {name}.")
        vars(self)["__path__"] = []

    def __getattr__(self, name: str) -> Any:
        full = f"{self.__name__}.{name}"
        if private_names.is_table_module(full):
            return importlib.import_module(full)
        if name.startswith("__") and private_names.lookup(self.__name__, name) is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = private_names.resolve(self.__name__, name)
        vars(self)[name] = value
        return value

    def __repr__(self) -> str:
        return f"<module {self.__name__!r} (arrax.as_jax)>"


def _exported(target: ModuleType) -> list[str]:
    """What `from jax.X import *` gives: the target's `__all__`, or its public names."""
    names = getattr(target, "__all__", None)
    if names is None:
        names = [n for n in dir(target) if not n.startswith("_")]
    return list(names)


def target_name(name: str) -> str:
    """The module of arrax that stands behind the public module `name` of JAX."""
    return "arrax" + name.removeprefix("jax")
