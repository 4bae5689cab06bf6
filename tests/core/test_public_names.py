"""Public modules show their public names, and arrays the members that type checkers know of."""
from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import types
from pathlib import Path

import pytest

import arrax as jax
from arrax.core.array import Array
from tests import typed_program

ROOMS = ("lax", "nn", "numpy", "random", "scipy", "interpreters", "extend", "experimental",
         "example_libraries")


def public_modules() -> list[str]:
    """The modules of the public API: those beside the package's `__init__`, and its rooms."""
    found = []
    for module in pkgutil.walk_packages(jax.__path__, "arrax."):
        room = module.name.split(".")[1]
        if not module.ispkg and module.name.count(".") == 1 or room in ROOMS:
            found.append(module.name)
    return [name for name in found if not any(part.startswith("_") for part in name.split("."))]


def named() -> list[str]:
    """Those of them that say what they hold."""
    return [name for name in public_modules()
            if hasattr(importlib.import_module(name), "__all__")]


def test_the_rooms_that_users_import_from_say_what_they_hold() -> None:
    assert {"arrax.numpy", "arrax.lax", "arrax.random", "arrax.nn", "arrax.numpy.linalg",
            "arrax.numpy.fft", "arrax.scipy.special", "arrax.scipy.stats.norm", "arrax.tree",
            "arrax.nn.initializers", "arrax.debug", "arrax.tree_util"} <= set(named())


@pytest.mark.parametrize("name", [*named(), "arrax", "arrax.ops"])
def test_dir_shows_public_names_alone(name: str) -> None:
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__)
    shown = {n for n in dir(module) if not n.startswith("_")}
    assert set(module.__all__) <= shown
    for extra in shown.difference(module.__all__):  # nothing but submodules
        assert isinstance(getattr(module, extra), types.ModuleType), extra
        assert getattr(module, extra).__name__ == f"{name}.{extra}"
    for member in module.__all__:
        assert getattr(module, member, None) is not None or member in vars(module), member


def stub() -> dict[str, ast.FunctionDef]:
    path = Path(inspect.getfile(Array)).parent / "array_members.pyi"
    members, = (node for node in ast.parse(path.read_text()).body
                if isinstance(node, ast.ClassDef) and node.name == "ArrayMembers")
    return {node.name: node for node in members.body if isinstance(node, ast.FunctionDef)}


def test_type_checkers_know_the_members_of_arrays() -> None:
    special = {*dir(object), "__copy__", "__deepcopy__", "__reduce__", "__format__"}
    known = {n for n, member in vars(Array).items()
             if n[:1] != "_" or n[:2] == "__" and callable(member)} - special
    assert known == set(stub()).difference(dir(object))


@pytest.mark.parametrize("name", [n for n, node in stub().items() if not node.decorator_list
                                  and inspect.isfunction(inspect.unwrap(getattr(Array, n)))])
def test_members_have_the_parameters_that_type_checkers_know(name: str) -> None:
    arguments = stub()[name].args
    told = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    if arguments.vararg:
        told.insert(1, arguments.vararg.arg)
    real = list(inspect.signature(getattr(Array, name)).parameters)
    assert told[1:] == real[1:]


def test_the_typed_program_runs() -> None:
    assert typed_program.main() > 0
