"""Run programs that say `import jax` on arrax, unchanged.

    python -m arrax.as_jax program.py arguments…     a program
    python -m arrax.as_jax -m pytest tests           a module
    arrax.as_jax.install()                           in a process, before anything imports jax
    %load_ext arrax.as_jax                           in a notebook

From then on, in this process only, `import jax`, `from jax.X import …` and `import jaxlib` give
facades over arrax, and `importlib.metadata.version("jax")` says which JAX arrax stands for.

How it works. One finder (`finder.Finder`) stands in front of `sys.meta_path`. `jax.X` becomes a
`facade.Facade` over `arrax.X`: its attributes are arrax's own objects, so `jax.numpy.sin is
arrax.numpy.sin`. Names below `jax._src` and `jaxlib`, which are nobody's API but which libraries
use, come from one table (`private_names`), one reason a line; any other private name raises an
AttributeError that says what to report. `metadata` holds what `importlib.metadata` is told.

Invariants: arrax's modules are never changed by a facade (what a program assigns to an attribute
of `jax.X` stays in the facade); the real JAX is never imported; `uninstall()` leaves nothing.
"""
from __future__ import annotations

from typing import Any

from arrax.as_jax.finder import install, is_installed, uninstall
from arrax.as_jax.metadata import JAX_VERSION

__all__ = ["JAX_VERSION", "install", "is_installed", "load_ipython_extension", "uninstall",
           "unload_ipython_extension"]


def load_ipython_extension(ipython: Any) -> None:
    """What `%load_ext arrax.as_jax` calls: `install()`."""
    install()


def unload_ipython_extension(ipython: Any) -> None:
    """What `%unload_ext arrax.as_jax` calls: `uninstall()`."""
    uninstall()
