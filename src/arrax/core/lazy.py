"""What modules show: their public names alone, and submodules that are imported when first used."""
from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable
from typing import Any

from arrax.core import absent


def listing(module: str) -> Callable[[], list[str]]:
    """`__dir__` for a public module: what its `__all__` names, so that completion shows no imports.

    Example (at the module's end):
      __all__ = ["f", "g"]
      __dir__ = listing(__name__)
    """
    def directory() -> list[str]:
        variables = vars(sys.modules[module])
        return sorted({*variables["__all__"], *filter(_is_special, variables)})
    return directory


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def submodules(package: str, hidden: tuple[str, ...] = ()
               ) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` for a package, by which its submodules are attributes; `hidden`
    ones are no part of the public API and are not shown.

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
        variables = vars(sys.modules[package])
        return sorted({*variables.get("__all__", ()), *filter(_is_special, variables),
                       *names()}.difference(hidden))
    return get, directory
