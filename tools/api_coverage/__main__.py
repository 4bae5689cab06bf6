"""The command: see the package's docstring."""
from __future__ import annotations

import sys

from tools.api_coverage.pages import FILES


def main() -> None:
    """Write the files, or with `--check` compare them."""
    if "--check" in sys.argv[1:]:
        stale = [str(path) for path, text in FILES.items() if path.read_text() != text()]
        sys.exit(f"stale: {', '.join(stale)}; run python -m tools.api_coverage" if stale else 0)
    for path, text in FILES.items():
        path.write_text(text())


if __name__ == "__main__":
    main()
