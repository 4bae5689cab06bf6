"""Records what the programs print with JAX itself: `python -m tests.ecosystem.record [program …]`,
in an environment that has JAX and the libraries."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
VALUES = FOLDER / "values.json"


def programs() -> list[str]:
    """The names of the programs."""
    return sorted(p.stem for p in (FOLDER / "programs").glob("*.py") if p.stem != "show")


def results(command: list[str]) -> dict[str, dict[str, object]]:
    """What a program printed by `show`, by name; RuntimeError with its stderr if it failed."""
    out = subprocess.run(command, capture_output=True, text=True, timeout=600,
                         env={**os.environ, "KERAS_BACKEND": "jax"})
    if out.returncode:
        raise RuntimeError(out.stderr[-3000:])
    lines = [json.loads(line) for line in out.stdout.splitlines() if line.startswith('{"name"')]
    return {line.pop("name"): line for line in lines}


def main() -> None:
    """Run the programs named on the command line, or all, and keep their values."""
    known = json.loads(VALUES.read_text()) if VALUES.exists() else {}
    for name in sys.argv[1:] or programs():
        found = results([sys.executable, str(FOLDER / "programs" / f"{name}.py")])
        for result in found.values():
            result["values"] = [float(f"{x:.7g}") for x in result["values"]]  # type: ignore
        known[name] = found
    rows = ",\n".join(f'"{name}": {{\n' + ",\n".join(
        f' "{key}": {json.dumps(value)}' for key, value in found.items()) + "}"
        for name, found in sorted(known.items()))
    VALUES.write_text("{" + rows + "}\n")


if __name__ == "__main__":
    main()
