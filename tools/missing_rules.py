"""Writes docs/missing-rules.md: the rules that primitives lack on purpose, with the reasons.

    python tools/missing_rules.py
"""
from __future__ import annotations

import functools
import importlib
from collections import defaultdict
from pathlib import Path
from typing import Any

from arrax.core.primitive import NOT_LINEAR, NotApplicable, Primitive, registry
from arrax.core.lowering import HostCall

PAGE = Path(__file__).parent.parent / "docs" / "missing-rules.md"
FAMILIES = ("arrax", "arrax.random", "arrax.nn", "arrax.ad_checkpoint", "arrax.custom_batching",
            "arrax.custom_derivatives", "arrax.extend.core.primitives")
RULES = {
    "jvp": "Without a derivative",
    "transpose": "Without a transpose",
    "batch": "Without batching",
    "lower": "Run by NumPy in compiled programs",
    "stablehlo": "Without a StableHLO form",
}
HEAD = """# Missing rules

What primitives cannot do, on purpose, and why. Made by `python tools/missing_rules.py`; a test
compares it with the primitives. Operations that are not linear have no transpose either: their
derivatives consist of operations that have one.
"""


@functools.cache
def primitives() -> list[Primitive]:
    """All primitives of the package, by name; those declared later, by tests, don't count."""
    for name in FAMILIES:
        importlib.import_module(name)
    return [p for _, p in sorted(registry.items())]


def holes(rule: str) -> dict[str, list[str]]:
    """The names of primitives without a rule, by the reason given."""
    found: dict[str, list[str]] = defaultdict(list)
    for primitive in primitives():
        value: Any = getattr(primitive, rule)
        if isinstance(value, (NotApplicable, HostCall)) and value != NOT_LINEAR:
            found[value.reason].append(primitive.name)
    return found


def page() -> str:
    """The text of the page."""
    parts = [HEAD]
    for rule, title in RULES.items():
        rows = [f"| {', '.join(f'`{n}`' for n in names)} | {reason} |\n"
                for reason, names in sorted(holes(rule).items())]
        parts.append(f"\n## {title} (`{rule}`)\n\n| primitives | reason |\n| --- | --- |\n"
                     + "".join(rows) if rows else f"\n## {title} (`{rule}`)\n\nNone.\n")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
