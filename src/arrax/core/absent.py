"""Names of JAX that are not here: what is said when a program asks for one.

`absent_names.txt`, written by `tools.api_coverage`, has a line for each: module, name, reason.
"""
from __future__ import annotations

import functools
from pathlib import Path

_LIST = Path(__file__).with_name("absent_names.txt")


@functools.cache
def _absent() -> dict[tuple[str, str], str]:
    lines = (line.split(" ", 2) for line in _LIST.read_text(encoding="utf-8").splitlines())
    return {(module, name): reason for module, name, reason in lines}


def message(module: str, name: str) -> str:
    """The text of the AttributeError for `name` in arrax's (or JAX's) module `module`."""
    of_jax = "jax" + module.removeprefix("arrax") if module.startswith("arrax") else module
    reason = _absent().get((of_jax, name))
    plain = f"module {module!r} has no attribute {name!r}"
    return plain if reason is None else (
        f"{plain}: a name of JAX that is not in this version of arrax ({reason}); see "
        "docs/api-coverage.md")
