"""`python -m arrax.as_jax program.py …` and `python -m arrax.as_jax -m module …`."""
from __future__ import annotations

import os
import runpy
import sys

from arrax.as_jax import install

USAGE = """usage: python -m arrax.as_jax program.py [argument …]
       python -m arrax.as_jax -m module [argument …]
       python -m arrax.as_jax -c code [argument …]

Runs a program written for JAX on arrax."""


def main() -> None:
    """Run what the command line names, with `jax` answered by arrax."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        sys.exit(0 if arguments else 2)
    install()
    first = arguments[0]
    if first in ("-m", "-c"):
        if len(arguments) < 2:
            sys.exit(f"arrax.as_jax: {first} expects a value\n\n{USAGE}")
        what, sys.argv = arguments[1], [first, *arguments[2:]]
        sys.path[0] = "" if first == "-c" else os.getcwd()
        if first == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            exec(compile(what, "<string>", "exec"), {"__name__": "__main__", "__builtins__":
                                                     __builtins__})
    elif first.startswith("-"):
        sys.exit(f"arrax.as_jax: unknown option {first}\n\n{USAGE}")
    else:
        sys.argv = arguments
        sys.path[0] = os.path.dirname(os.path.abspath(first))
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    main()
