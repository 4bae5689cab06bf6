"""Print the requirements of pyproject.toml: the run-time ones and those of the named extras.

usage: dependencies.py [--missing | --lowest] [EXTRA ...]     (`build` names the build requirements)
With --missing only those that the running interpreter's environment does not satisfy; with --lowest
the lowest versions that they allow.
"""
from __future__ import annotations

import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path


def requirements(extras: list[str]) -> list[str]:
    """The requirement lines of the project, of its build and of `extras`."""
    table = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
    lines = list(table["project"]["dependencies"])
    for extra in extras:
        lines += (table["build-system"]["requires"] if extra == "build"
                  else table["project"]["optional-dependencies"][extra])
    return lines


def satisfied(requirement: str) -> bool:
    """Whether the installed version fulfils a `name>=1.2` or `name==1.2` line."""
    name, relation, wanted = re.fullmatch(r"([\w.-]+)(?:([=>]=)([\d.]+))?", requirement).groups()
    try:
        installed = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    numbers = lambda text: [int(n) for n in re.findall(r"\d+", text)][:3]
    if relation is None:
        return True
    return (numbers(installed) >= numbers(wanted) if relation == ">="
            else numbers(installed) == numbers(wanted))


if __name__ == "__main__":
    names = [a for a in sys.argv[1:] if not a.startswith("--")]
    lines = requirements(names)
    if "--missing" in sys.argv[1:]:
        lines = [line for line in lines if not satisfied(line)]
    if "--lowest" in sys.argv[1:]:
        lines = [line.replace(">=", "==") for line in lines]
    print("\n".join(lines), end="\n" if lines else "")
