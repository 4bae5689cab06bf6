"""The finder that answers `import jax` and `import jaxlib`, and how it is put in and taken out."""
from __future__ import annotations

import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

from arrax.as_jax import metadata, private_names
from arrax.as_jax.facade import Facade, PrivateModule, target_name


class Finder(importlib.metadata.DistributionFinder):
    """Finds `jax`, `jaxlib` and their submodules; a loader of facades too."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None,
                  target: ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in metadata.PACKAGES:
            return None
        if not private_names.is_table_module(fullname):
            if _is_private(fullname):
                return None
            try:
                if importlib.util.find_spec(target_name(fullname)) is None:
                    return None
            except ModuleNotFoundError:
                return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        if _is_private(spec.name) or private_names.is_table_module(spec.name):
            return PrivateModule(spec.name)
        return Facade(spec.name, importlib.import_module(target_name(spec.name)))

    def exec_module(self, module: ModuleType) -> None:
        """A facade is complete when it is made."""

    def find_distributions(self, context: Any = None) -> Iterable[importlib.metadata.Distribution]:
        return metadata.find(context or importlib.metadata.DistributionFinder.Context())


_finder = Finder()


def install() -> None:
    """Let `import jax` mean arrax in this process from now on; calling it again does nothing.

    Raises ImportError if JAX itself is imported already: its objects cannot be told from ours
    afterwards.
    """
    if is_installed():
        return
    for package in metadata.PACKAGES:
        found = sys.modules.get(package)
        if found is not None:
            raise ImportError(
                f"arrax.as_jax: {package} is already imported, from "
                f"{getattr(found, '__file__', None) or 'an unknown place'}. Call "
                "arrax.as_jax.install() before anything imports it, or run the program by "
                "`python -m arrax.as_jax program.py`.")
    sys.meta_path.insert(0, _finder)
    importlib.invalidate_caches()


def uninstall() -> None:
    """Undo `install`: the finder goes, and so do the modules that it made.

    Modules of libraries that imported them keep what they have.
    """
    if not is_installed():
        return
    sys.meta_path.remove(_finder)
    for name in [n for n in sys.modules if n.partition(".")[0] in metadata.PACKAGES]:
        del sys.modules[name]
    importlib.invalidate_caches()


def is_installed() -> bool:
    """Whether `import jax` means arrax in this process."""
    return _finder in sys.meta_path


def _is_private(name: str) -> bool:
    return name.startswith("jaxlib") or any(p.startswith("_") for p in name.split("."))
