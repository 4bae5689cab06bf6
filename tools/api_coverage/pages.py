"""The texts of docs/api-coverage.md and of src/arrax/core/absent_names.txt."""
from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs" / "api-coverage.md"
ABSENT = ROOT / "src" / "arrax" / "core" / "absent_names.txt"


class Row(NamedTuple):
    """One public name of JAX."""

    module: str
    name: str
    signature: str

    @property
    def full(self) -> str:
        return f"{self.module}.{self.name}"


def rows() -> list[Row]:
    """All public names of JAX."""
    lines = (HERE / "names.tsv").read_text().splitlines()[1:]
    fields = [line.split("\t") for line in lines]
    return [Row(f[0], f[1], f[3] if len(f) > 3 else "") for f in fields]


@functools.cache
def found(module: str) -> Any:
    """arrax's module for a module of JAX, or None."""
    try:
        return importlib.import_module("arrax" + module.removeprefix("jax"))
    except ModuleNotFoundError:
        return None


def is_present(row: Row) -> bool:
    module = found(row.module)
    return module is not None and hasattr(module, row.name)


# ---- signatures ----------------------------------------------------------------------------------

def jax_parameters(signature: str) -> list[str] | None:
    """Names of parameters as JAX has them, with stars and `/`; None if the text is none."""
    text = re.sub(r"<[^<>]*(?:<[^<>]*>[^<>]*)*>", "None", signature)
    try:
        arguments = ast.parse(f"def f{text}: pass").body[0].args  # type: ignore[attr-defined]
    except SyntaxError:
        return None
    names = [*(a.arg for a in arguments.posonlyargs), *(a.arg for a in arguments.args)]
    if arguments.vararg:
        names.append("*" + arguments.vararg.arg)
    names += sorted(f"{a.arg}=" for a in arguments.kwonlyargs)
    return names + (["**" + arguments.kwarg.arg] if arguments.kwarg else [])


def our_parameters(value: Any) -> list[str] | None:
    """Names of parameters as arrax has them, in the same form."""
    try:
        parameters = inspect.signature(value).parameters.values()
    except (ValueError, TypeError):
        return None
    kinds = inspect.Parameter
    names = [p.name for p in parameters if p.kind in (kinds.POSITIONAL_ONLY,
                                                      kinds.POSITIONAL_OR_KEYWORD)]
    names += [f"*{p.name}" for p in parameters if p.kind is kinds.VAR_POSITIONAL]
    names += sorted(f"{p.name}=" for p in parameters if p.kind is kinds.KEYWORD_ONLY)
    return names + [f"**{p.name}" for p in parameters if p.kind is kinds.VAR_KEYWORD]


def differs(row: Row) -> bool:
    """Whether both have a signature, with other parameters."""
    theirs = jax_parameters(row.signature) if row.signature else None
    ours = our_parameters(getattr(found(row.module), row.name))
    return theirs is not None and ours is not None and theirs != ours


# ---- reasons -------------------------------------------------------------------------------------

@functools.cache
def _reasons() -> dict[str, str]:
    lines = (HERE / "reasons.txt").read_text().splitlines()
    return dict(line.split(" : ", 1) for line in lines if line)  # type: ignore[arg-type]


def reason(row: Row) -> str:
    """Why a name is absent, by the longest line that matches."""
    name = row.full
    while name:
        if name in _reasons():
            return _reasons()[name]
        name = name.rpartition(".")[0]
    raise KeyError(f"tools/api_coverage/reasons.txt says nothing of {row.full}")


# ---- the texts -----------------------------------------------------------------------------------

def _by_module(chosen: list[Row]) -> dict[str, list[Row]]:
    table: dict[str, list[Row]] = defaultdict(list)
    for row in chosen:
        table[row.module].append(row)
    return table


@functools.cache
def page() -> str:
    """docs/api-coverage.md."""
    every = rows()
    present = [r for r in every if is_present(r)]
    absent = [r for r in every if not is_present(r)]
    other = [r for r in present if differs(r)]
    lines = [
        "# Coverage of JAX's API", "",
        f"Of {len(every)} public names of JAX 0.10.2, arrax has {len(present)}; {len(other)} of "
        f"these have other parameters. {len(absent)} are absent. "
        "`python -m tools.api_coverage` writes this page from `tools/api_coverage`; a test "
        "compares it with the code.", "",
        "| module | names | present | other parameters |", "| --- | --- | --- | --- |"]
    here, apart = _by_module(present), _by_module(other)
    for module, names in sorted(_by_module(every).items()):
        lines.append(f"| `{module}` | {len(names)} | {len(here.get(module, ()))} | "
                     f"{', '.join(f'`{r.name}`' for r in apart.get(module, ()))} |")
    lines += ["", "## Absent", "", "| module | names | why |", "| --- | --- | --- |"]
    for module, names in sorted(_by_module(absent).items()):
        reasons: dict[str, list[str]] = defaultdict(list)
        for row in names:
            reasons[reason(row)].append(f"`{row.name}`")
        lines += [f"| `{module}` | {', '.join(group)} | {why} |" for why, group in reasons.items()]
    return "\n".join(lines) + "\n"


@functools.cache
def absent_names() -> str:
    """The list that arrax ships: a module of JAX, its absent names and why, a line each."""
    lines = [f"{r.module} {r.name} {reason(r)}" for r in rows() if not is_present(r)]
    return "\n".join(sorted(lines)) + "\n"


FILES: dict[Path, Callable[[], str]] = {PAGE: page, ABSENT: absent_names}
