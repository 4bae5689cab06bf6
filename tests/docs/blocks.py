"""The code that documentation shows."""
from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def python_blocks(page: str) -> list[str]:
    """The Python code blocks of a page of the repository, in order."""
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
