"""Every public function, given what it cannot mean, raises an error of a user's class.

The classes are those of Python's own functions and of JAX. An AttributeError, KeyError or
AssertionError of ours would say that the function looked inside of the value without asking first.
"""
from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import arrax as jax
import arrax.numpy as jnp
from arrax import lax, nn, random, tree, tree_util
from tests.tools import public

ROOMS = {"numpy": jnp, "numpy.linalg": jnp.linalg, "numpy.fft": jnp.fft, "lax": lax,
         "lax.linalg": lax.linalg, "random": random, "nn": nn, "tree": tree,
         "tree_util": tree_util, "scipy.special": jax.scipy.special,
         "scipy.linalg": jax.scipy.linalg, "scipy.signal": jax.scipy.signal}
# AxisError is a ValueError; NameError: an axis name that no vmap binds.
USER_ERRORS = (TypeError, ValueError, IndexError, NotImplementedError, OverflowError, NameError,
               ZeroDivisionError, FileNotFoundError, BufferError)
# What JAX raises there too, by the start of the message.
SAME_AS_JAX = ("treedef must be", "outer_treedef must be", "inner_treedef must be",
               "glu: axis size must be divisible", "Unrecognized padding type",
               "'str' object has no attribute 'tree_flatten",
               "'NoneType' object has no attribute 'tree_flatten",
               "'Odd' object has no attribute 'tree_flatten",
               "'int' object has no attribute 'tree_flatten",
               "'list' object has no attribute 'tree_flatten",
               "'dict' object has no attribute 'tree_flatten")
CHANGE_STATE = {"set_printoptions", "printoptions"}


class Odd:
    """What no function has a use for."""


VALUES: dict[str, Any] = {"text": "abc", "None": None, "odd": Odd(), "dict": {"a": 1},
                          "ragged": [[1, 2], [3]], "negative": -1}


def has_signature(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function)
    except (ValueError, TypeError):  # of C++
        return False
    return True


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    for room, module in ROOMS.items():
        for name in public.names(module):
            function = getattr(module, name)
            if callable(function) and not inspect.isclass(function) \
                    and name not in CHANGE_STATE and has_signature(function):
                yield f"{room}.{name}", function


def calls(function: Callable[..., Any]) -> Iterator[tuple[list[Any], dict[str, Any]]]:
    """Arguments: all bad, one bad among matrices, one option bad."""
    parameters = inspect.signature(function).parameters.values()
    required = [p for p in parameters if p.default is p.empty
                and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    named = {p.name: 1 for p in parameters if p.default is p.empty and p.kind == p.KEYWORD_ONLY}
    options = [p.name for p in parameters if p.default is not p.empty and p.kind not in (
        p.POSITIONAL_ONLY, p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    matrix = jnp.ones((2, 3))
    for value in VALUES.values():
        yield [value] * len(required), dict.fromkeys(named, value)
        for i in range(len(required)):
            yield [value if i == j else matrix for j in range(len(required))], named
        for option in options:
            yield [matrix] * len(required), {**named, option: value}


@pytest.mark.parametrize("name, function", [pytest.param(n, f, id=n) for n, f in functions()])
def test_a_bad_argument_is_a_users_error(name: str, function: Callable[..., Any]) -> None:
    wrong = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for args, named in calls(function):
            try:
                function(*args, **named)
            except USER_ERRORS:
                continue
            except Exception as error:
                if not str(error).startswith(SAME_AS_JAX):
                    wrong.append(f"{args} {named}: {type(error).__name__}: {error}"[:200])
    assert not wrong, "\n".join(wrong)
