"""Promotion: all pairs of dtypes and of kinds of scalars, in all modes, as JAX promotes them."""
from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np
import pytest

pytest.importorskip("jax", reason="compares with JAX; `make parity` runs it")

import jax

import arrax

DTYPES = ["bool", "int2", "int4", "int8", "int16", "int32", "int64", "uint2", "uint4", "uint8",
          "uint16", "uint32", "uint64", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz",
          "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
          "float4_e2m1fn", "float16", "bfloat16", "float32", "float64", "complex64", "complex128"]
SCALARS: list[Any] = [True, 1, 1.0, 1j, np.float64(1), np.int64(1), np.float32(1), np.bool_(True)]
WEAK = ["int", "float", "complex"]  # weakly typed arrays
KINDS: list[Any] = [*DTYPES, *SCALARS, *(f"weak {kind}" for kind in WEAK)]


def value(library: Any, kind: Any) -> Any:
    """An operand of a kind, made by a library."""
    if not isinstance(kind, str):
        return kind
    if kind.startswith("weak "):
        return library.numpy.asarray({"int": 1, "float": 1.0, "complex": 1j}[kind[5:]])
    dtype = np.dtype(getattr(ml_dtypes, kind, kind))
    return library.numpy.asarray(np.ones((), np.float32).astype(dtype))


def outcome(function: Any, *args: Any) -> Any:
    try:
        found = function(*args)
    except Exception as error:
        return type(error).__name__
    if isinstance(found, np.dtype):
        return str(found)
    return str(found.dtype), bool(getattr(found, "weak_type", found.aval.weak_type
                                          if hasattr(found, "aval") else False))


@contextmanager
def mode(x64: bool, promotion: str) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (jax.enable_x64(x64), arrax.enable_x64(x64), jax.numpy_dtype_promotion(promotion),
              arrax.numpy_dtype_promotion(promotion)):
            yield


@pytest.mark.parametrize("promotion", ["standard", "strict"])
@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("first", KINDS, ids=str)
def test_result_type(first: Any, x64: bool, promotion: str) -> None:
    wrong = {}
    with mode(x64, promotion):
        for second in KINDS:
            ours, theirs = (outcome(lib.numpy.result_type, value(lib, first), value(lib, second))
                            for lib in (arrax, jax))
            if ours != theirs:
                wrong[second] = ours, theirs
    assert not wrong


BINARY = ["add", "divide", "maximum", "arctan2", "equal", "logical_and", "floor_divide", "power",
          "hypot", "fmod", "subtract", "bitwise_and", "left_shift", "where", "concatenate", "dot",
          "clip", "logaddexp", "copysign", "isclose", "nextafter", "remainder", "heaviside", "gcd"]
USUAL = ["bool", "int8", "uint8", "int32", "uint32", "float16", "bfloat16", "float32", "complex64",
         True, 1, 1.0, 1j, "weak int", "weak float", "weak complex", np.float32(1), np.int64(1)]


def call(library: Any, name: str, x: Any, y: Any) -> Any:
    module = library.numpy
    if name == "where":
        return module.where(module.bool_(True), x, y)
    if name == "concatenate":
        return module.concatenate([module.atleast_1d(x), module.atleast_1d(y)])
    return getattr(module, name)(x, y)


def accepted(name: str, ours: Any, theirs: Any) -> bool:
    """Known differences: JAX's logic keeps weak types that a bool has no use for, its `hypot` of
    scalars keeps them though that of arrays does not, and its `dot` fails when it meets weakly
    typed integers (it multiplies before it promotes)."""
    return (name in ("logical_and", "hypot") and ours[0] == theirs[0]) or \
        (name == "dot" and theirs == "TypeError")


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two(name: str) -> None:
    """Results' dtypes and weak types, and the classes of errors."""
    wrong = {}
    with mode(False, "standard"):
        for first, second in itertools.product(USUAL, USUAL):
            ours = outcome(call, arrax, name, value(arrax, first), value(arrax, second))
            known = partial(call, jax, name, value(jax, first), value(jax, second))
            theirs = outcome(jax.eval_shape, known)
            if ours != theirs and not accepted(name, ours, theirs):
                wrong[str(first), str(second)] = ours, theirs
    assert not wrong


def test_rank_promotion() -> None:
    for library in (arrax, jax):
        with library.numpy_rank_promotion("raise"):
            for name in ("add", "maximum", "hypot", "logical_and", "power", "equal", "isclose"):
                with pytest.raises(ValueError, match="jax_numpy_rank_promotion='raise'"):
                    call(library, name, library.numpy.ones((2, 3)), library.numpy.ones(3))
                call(library, name, library.numpy.ones((2, 3)), 1)
        with library.numpy_rank_promotion("warn"), pytest.warns(UserWarning, match="rank"):
            library.numpy.add(library.numpy.ones((2, 3)), library.numpy.ones(3))
