"""Remembered functions: eager calls that come again cost what their NumPy calls cost.

A function of `arrax.numpy` spends most of an eager call on a small array in Python: arguments are
checked, dtypes promoted, each primitive bound by itself. All that depends only on the call's
*signature*: the avals of its arrays, the values of all other arguments, the flags. A function
decorated with `remembered` counts signatures; one that comes for the third time is traced and
recorded (`transforms.recording`) as the sequence of NumPy evaluations that its primitives make,
and from then on C++ runs those alone (`native/remembered.cpp`, `native/steps.cpp`). Results are the
same to the bit, which recording checks, errors and warnings too: a call that fails, or whose
arguments are unusual, runs the function.

Fit for functions of arrays whose results are arrays. One that looks at the values of its operands
(`unique`) cannot be traced, and runs as Python every time; it gains nothing from the decorator.
"""
from __future__ import annotations

import enum
import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from arrax import _native
from arrax.core.caching import on_clear
from arrax.core.scalar_types import ScalarType

F = TypeVar("F", bound=Callable[..., Any])


def remembered(function: F) -> F:
    """A decorator: repeated eager calls of `function` run without its Python code."""
    wrapper = _native.Remembered(function)
    functools.update_wrapper(wrapper, function)
    on_clear(wrapper.forget)
    return cast(F, wrapper)


_native.set_address_types((ScalarType, enum.Enum))
