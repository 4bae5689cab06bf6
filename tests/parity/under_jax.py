"""Loads a table of tests with JAX in arrax's place: the same rows, run by the reference."""
from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.ops.all_rows import named, rows_of, tables

TESTS = Path(__file__).parent.parent
PUBLIC = "lax|numpy|random|errors|grad|jit|vmap"

_CHANGES = [
    (r"^import arrax as jax$", "import jax, jax.numpy"),
    (r"^import arrax$", "import jax as arrax, jax.numpy"),
    (r"^import arrax\.numpy as jnp$", "import jax.numpy as jnp"),
    (rf"^from arrax import ((?:{PUBLIC})(?:, (?:{PUBLIC}))*)\b", r"from jax import \1"),
    (r"^from arrax\.lax import", "from jax.lax import"),
    (r"^from arrax\.transforms\.(?:api_\w+|jit) import", "from jax import"),
]


def table(path: str) -> ModuleType:
    """The module tests/`path` whose public imports of arrax are imports of JAX.

    What it imports from inside arrax (`arrax.core`, …) stays, so rows that use such things cannot
    be compared.
    """
    source = (TESTS / path).read_text()
    for pattern, replacement in _CHANGES:
        source = re.sub(pattern, replacement, source, flags=re.MULTILINE)
    module = ModuleType(f"under_jax.{path}")
    module.__file__ = str(TESTS / path)
    exec(compile(source, module.__file__, "exec"), module.__dict__)
    return module


def rows_under_jax() -> dict[str, Any]:
    """The rows of operations with JAX's functions, by the names that `all_rows` gives them.

    Tables that need arrax's inside are left out.
    """
    found: dict[str, Any] = {}
    for name, path in tables().items():
        try:
            module = table(path)
        except (ImportError, AttributeError):
            continue
        found.update(named(rows_of(module), name))
    return found
