"""Writes the signatures of JAX's public functions; run by `python -m tests.parity.signatures`."""
from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import jax
import jax.nn.initializers

from tests.numpy.test_signatures import MODULES, TABLE, plain


def public_functions(module: object) -> list[str]:
    """The names of a module's public functions, `jax.numpy`'s ufuncs included."""
    return sorted(n for n, v in vars(module).items() if not n.startswith("_") and callable(v)
                  and (inspect.isfunction(v) or hasattr(v, "__wrapped__")
                       or isinstance(v, jax.numpy.ufunc)))


def main() -> None:
    lines = []
    for name in MODULES:
        module = importlib.import_module(f"jax.{name}")
        lines += [f"{name}\t{function}\t{plain(getattr(module, function))}\n"
                  for function in public_functions(module)]
    Path(TABLE).write_text("".join(lines))


if __name__ == "__main__":
    main()
