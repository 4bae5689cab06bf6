"""Packages whose submodules are imported when first used."""
from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable
from typing import Any

from arrax.core import absent


def submodules(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` for a package, by which its submodules are attributes.

    Example (in the package's `__init__.py`):
      __getattr__, __dir__ = submodules(__name__)
    """
    def names() -> list[str]:
        path = sys.modules[package].__path__
        return [m.name for m in pkgutil.iter_modules(path) if not m.name.startswith("_")]

    def get(name: str) -> Any:
        if not name.startswith("_") and name in names():
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(absent.message(package, name))

    def directory() -> list[str]:
        return sorted({*vars(sys.modules[package]), *names()})
    return get, directory
