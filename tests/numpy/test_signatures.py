"""The public functions of numpy, numpy.linalg, numpy.fft, nn and nn.initializers take the arguments
that JAX's take: names, kinds and defaults.

`signatures.tsv` holds JAX 0.10.2's; `python -m tests.parity.signatures` writes it.
"""
from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MODULES = ("numpy", "numpy.linalg", "numpy.fft", "nn", "nn.initializers")
TABLE = Path(__file__).with_name("signatures.tsv")
ABSENT = {  # what arrax does not have, and why
    ("nn", "scaled_dot_general"): "block-scaled products are made for one family of accelerators",
    ("nn", "get_scaled_dot_general_config"): "see scaled_dot_general"}
WIDER = {  # functions that say more than JAX's
    ("numpy", "set_printoptions"): "the options are spelled out",
    ("numpy", "result_type"): "takes return_weak_type_flag, as the one in jax.dtypes"}
ROWS = [tuple(line.split("\t")) for line in TABLE.read_text().splitlines()] \
    if TABLE.exists() else []


def plain(function: Callable[..., Any]) -> str:
    """A signature without annotations; positional-only names, which nobody can use, are counted.
    """
    parts = []
    signature = inspect.signature(function)
    for number, parameter in enumerate(signature.parameters.values()):
        default = parameter.default
        if callable(default) and not isinstance(default, type) and default is not parameter.empty:
            default = Named(default.__name__)
        name = f"_{number}" if parameter.kind is parameter.POSITIONAL_ONLY else parameter.name
        parts.append(parameter.replace(annotation=parameter.empty, default=default, name=name))
    return str(signature.replace(parameters=parts, return_annotation=signature.empty))


class Named:
    """A default that is shown by its name."""

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return self.name


@pytest.mark.parametrize(("module", "name", "signature"), ROWS,
                         ids=[f"{module}.{name}" for module, name, _ in ROWS])
def test_signature(module: str, name: str, signature: str) -> None:
    if (module, name) in ABSENT:
        return
    function = getattr(importlib.import_module(f"arrax.{module}"), name)
    if (module, name) not in WIDER:
        assert plain(function) == signature


def test_absent_names_are_absent() -> None:
    """So that no name stays in the list of absences after it has come."""
    for module, name in ABSENT:
        assert not hasattr(importlib.import_module(f"arrax.{module}"), name)
