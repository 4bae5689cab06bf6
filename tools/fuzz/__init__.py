"""The fuzzer: random programs, each computed in several ways that must agree.

`python -m tools.fuzz --help`; docs/testing.md says how to use it. From the bottom:

    program.py     what a program is: steps as Python text, functions nested in steps
    arguments.py   values for the arguments of programs, determined by shape, dtype and fill
    rows.py        the rows of the tests, as names in programs
    reference.py   runs programs operation by operation, exactly or with noise in every value
    drawing.py     the state of a drawing: scopes, picks, steps that are run as they are drawn
    operations_*.py  the operations, one function each
    generate.py    seed -> program
    compare.py     whether two results agree, given how the program answers to noise
    ways.py        the ways to compute a program, and the verdict on one
    worker.py      a process that judges programs it is sent
    runner.py      seeds for workers, until the time is up; crashes and hangs cost one program
    reduce.py      a failing program made small
    files.py       a failing program as a Python file of its own
"""
