"""Evaluation without NumPy's floating-point warnings: overflow and 0/0 have values, no messages.

`numpy.errstate` costs about 1 µs a use. NumPy 2 keeps the error state in a context variable;
`_native.Quiet` runs functions in a context where it is silent. `numpy.errstate` is the fallback.
"""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from arrax import _native


def _with_errstate(fn: Callable[..., Any], careful: Any = None) -> Callable[..., Any]:
    fn = careful or fn

    @functools.wraps(fn)
    def run(*args: Any, **params: Any) -> Any:
        with np.errstate(all="ignore"):
            return fn(*args, **params)
    return run


# quiet(fn, careful=fn): `careful` is called where the first operand is of a dtype of ml_dtypes.
quiet: Callable[..., Callable[..., Any]] = _with_errstate
try:
    from numpy._core import umath as _umath
    _native.set_error_state(_umath._extobj_contextvar,
                            _umath._make_extobj(all="ignore"))
    quiet = _native.Quiet
except (ImportError, AttributeError, TypeError):
    pass
