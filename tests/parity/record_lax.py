"""Writes the names and signatures of `jax.lax`; run by `python -m tests.parity.record_lax`."""
from __future__ import annotations

import importlib
import inspect
import types

import jax.lax.linalg  # noqa: F401  (makes the module known)

from tests.lax.test_names import MODULES, SENTINEL, TABLE
from tests.numpy.test_signatures import plain


def signature_of(value: object) -> str:
    """The signature of a function; nothing for primitives, classes and types."""
    is_function = inspect.isfunction(value) or hasattr(value, "__wrapped__")
    return SENTINEL.sub("<object>", plain(value)) if is_function else ""


def table() -> str:
    """A line for each public name: module, name, signature."""
    rows = []
    for name in MODULES:
        module = importlib.import_module(f"jax.{name}")
        rows += [f"{name}\t{key}\t{signature_of(value)}\n"
                 for key, value in sorted(vars(module).items())
                 if not key.startswith("_") and not isinstance(value, types.ModuleType)]
    return "".join(rows)


if __name__ == "__main__":
    TABLE.write_text(table())
