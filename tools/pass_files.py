"""Write test files for the compiler's passes: `tests/engines/cpu/passes/PASS/NAME.txt`.

    python tools/pass_files.py NAME 'lambda x, y: (x * y).sum(0)' 'f32[20,6]' 'f32[6]'
    python tools/pass_files.py --random FIRST COUNT

Each pass that changes the program gets a file, its text before and after, which
`pytest tests/engines/cpu/test_pass_files.py` compares from then on. `--random` draws programs as
`test_random_programs.py` does. Look at what is written before it is committed.
"""
from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

import arrax  # noqa: F401  (names in the programs that are given)
import arrax.numpy as jnp  # noqa: F401
from arrax import lax, nn  # noqa: F401
from arrax.core.array import array_of
from arrax.core.aval import ShapedArray
from arrax.core.parser import parse_closed_jaxpr
from arrax.engines.cpu.loop_parser import parse_region
from arrax.engines.cpu.loop_text import region_text
from arrax.engines.cpu.pipeline import PIPELINE, Compilation
from arrax.transforms.staging import trace_to_jaxpr
from arrax.tree_util import tree_leaves

FOLDER = Path(__file__).parent.parent / "tests/engines/cpu/passes"
LONGEST = 60  # lines of a file worth reading


def write_files(name: str, closed: Any) -> int:
    """Write the files of one program; gives how many passes changed it."""
    compilation, count = Compilation(closed, name), 0
    before = str(closed)
    for entry in PIPELINE:
        if entry.name == "code":
            break
        # What was printed is what the test will read: names start anew.
        if compilation.region is None:
            compilation.closed = parse_closed_jaxpr(before)
        else:
            compilation.region = parse_region(before)
        entry.function(compilation)
        after = str(compilation.closed) if compilation.region is None \
            else region_text(compilation.region)
        if after != before and not entry.name == "donate":
            text = f"{before}\n==>\n{after}\n"
            if text.count("\n") <= LONGEST:
                path = FOLDER / entry.name / f"{name}.txt"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
                count += 1
        before = after
    return count


def given_program(text: str, types: list[str]) -> Any:
    """The program of a lambda at avals such as `f32[20,6]`."""
    names = {"f32": np.float32, "f64": np.float64, "i32": np.int32, "bool": np.bool_,
             "c64": np.complex64, "u8": np.uint8}
    avals = []
    for each in types:
        found = re.fullmatch(r"(\w+)\[([\d,]*)\]", each)
        if found is None:
            sys.exit(f"a type such as f32[20,6] was expected, got {each}")
        avals.append(ShapedArray([int(n) for n in found[2].split(",") if n], names[found[1]]))
    function = eval(text)
    return trace_to_jaxpr(lambda *args: tree_leaves(function(*args)), avals)


def random_program(seed: int) -> Any:
    """The program that the tests of random programs draw."""
    sys.path.insert(0, str(FOLDER.parents[3]))
    from tests.engines.cpu.test_random_programs import Program
    draw = np.random.default_rng(seed)
    shape = tuple(int(n) for n in draw.integers(1, 22, draw.integers(1, 4)))
    aval = array_of(np.zeros(shape, np.float32)).aval
    return trace_to_jaxpr(Program(seed), [aval, aval])


if __name__ == "__main__":
    if sys.argv[1] == "--random":
        first, programs = map(int, sys.argv[2:4])
        for number in range(first, first + programs):
            write_files(f"random_{number}", random_program(number))
    else:
        print(write_files(sys.argv[1], given_program(sys.argv[2], sys.argv[3:])))
