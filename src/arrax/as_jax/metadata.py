"""What `importlib.metadata` is told about the packages `jax` and `jaxlib`."""
from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import arrax

JAX_VERSION = "0.10.2"
PACKAGES = ("jax", "jaxlib")


class StandInDistribution(importlib.metadata.Distribution):
    """A distribution without files: its name, its version, and who stands in for it."""

    def __init__(self, package: str):
        self.package = package

    def read_text(self, filename: str) -> str | None:
        if filename != "METADATA":
            return None
        return (f"Metadata-Version: 2.1\nName: {self.package}\nVersion: {JAX_VERSION}\n"
                f"Summary: arrax {arrax.__version__} in place of {self.package} (arrax.as_jax)\n")

    def locate_file(self, path: str | os.PathLike[str]) -> Any:
        return Path(arrax.__file__).parent / path


def find(context: Any) -> Iterable[importlib.metadata.Distribution]:
    """The distributions that match `context`, a `DistributionFinder.Context`."""
    wanted = context.name
    return [StandInDistribution(p) for p in PACKAGES if wanted is None or wanted.lower() == p]
