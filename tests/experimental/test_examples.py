"""The examples in the docstrings of `arrax.experimental` run and give what they say."""
from __future__ import annotations

import doctest
import importlib
import pkgutil

import arrax.experimental
import pytest
from arrax import numpy as jnp
from arrax.experimental import sparse

MODULES = [m.name for m in pkgutil.walk_packages(arrax.experimental.__path__,
                                                 "arrax.experimental.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    room = importlib.import_module(name)
    names = {"jax": arrax, "jnp": jnp, "BCOO": sparse.BCOO, **vars(room)}
    for test in doctest.DocTestFinder().find(room, globs=names):
        runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
        assert runner.run(test).failed == 0
