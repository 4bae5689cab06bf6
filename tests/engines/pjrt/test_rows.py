"""Every operation of the tables in `tests/ops` can be written as StableHLO."""
from __future__ import annotations

import subprocess
import sys

import arrax
import numpy as np
import pytest
from arrax.core import config
from arrax.core.primitive import NotApplicable, registry
from arrax.engines.pjrt.stablehlo import module_text
from arrax.transforms.api_trace import make_jaxpr

from tests.ops.all_rows import all_rows
from tests.ops.rows import doubled


def has_form(primitive: str) -> bool:
    """Whether a primitive has a StableHLO form; `test_rules_present` asks for reasons."""
    rule = registry[primitive].stablehlo
    return not (rule is None or isinstance(rule, NotApplicable))


@pytest.mark.parametrize("name", all_rows())
def test_row(name: str) -> None:
    """The builder checks names, operands, attributes and types of results as it writes."""
    row = all_rows()[name]
    closed = make_jaxpr(row.function)(*row.operands)
    if not all(has_form(eqn.primitive.name) for eqn in closed.eqns):
        with pytest.raises(NotImplementedError, match="StableHLO rule for '.*' not implemented: "):
            module_text(closed)
        return
    assert "func.func public @main" in module_text(closed)
    with config.enable_x64(True):
        operands = [doubled(x) for x in row.operands]
        module_text(make_jaxpr(row.function)(*operands))


def test_primitives_without_a_form_are_named() -> None:
    with pytest.raises(NotImplementedError, match="StableHLO rule for 'debug_callback' not "
                                                  "implemented: it calls back"):
        arrax.jit(lambda x: arrax.debug.print("{x}", x=x)).lower(1.0).as_text()


def test_jax_is_not_imported() -> None:
    program = ("import arrax, sys; arrax.jit(lambda x: x + 1).lower(1.0).as_text(); "
               "print('jax' in sys.modules, 'jaxlib' in sys.modules)")
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert out.stdout.decode().split() == ["False", "False"]


def test_written_twice_the_text_is_the_same() -> None:
    row = all_rows()["cumulative: cumsum 0 False"]
    closed = make_jaxpr(row.function)(np.asarray(row.operands[0]))
    assert module_text(closed) == module_text(closed)
