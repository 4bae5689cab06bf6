"""Measures the errors of elementwise functions and writes docs/accuracy.md.

    python -m tools.accuracy measure [--all] [--dtypes float32,...] [--engines ...] [names ...]
    python -m tools.accuracy write

`measure` puts what it finds into `measured.json`; `write` makes the page from that file alone, so
that JAX, which an environment of its own holds, is measured once:

    PYTHONPATH=src .venv-parity/bin/python -m tools.accuracy measure --engines jax

| file | holds |
| --- | --- |
| `functions.py` | the functions: where libraries have them, what they are exactly |
| `points.py` | the points at which they are measured |
| `ulp.py` | exact values and errors in units of the last place |
| `measure.py` | the largest error of a function, engine and dtype |
| `document.py` | the page |
"""
