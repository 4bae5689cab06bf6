"""Elementwise operations in every dtype, special values included, through StableHLO and XLA."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import arrax  # noqa: E402
from arrax.core import config  # noqa: E402
from arrax.engines.pjrt.stablehlo import module_text  # noqa: E402

from tests.ops import matrix  # noqa: E402
from tests.ops.all_rows import all_rows  # noqa: E402
from tests.ops.rows import Row  # noqa: E402
from tests.parity.stablehlo_runner import run  # noqa: E402
from tests.parity.test_stablehlo import storage  # noqa: E402

# Steps of these are rounded to eight bits by StableHLO, but not by eager evaluation.
_ROUNDED_IN_BETWEEN = {"logistic", "integer_pow -3"}
# XLA counts the bits of the byte that holds a negative number.
_WRONG_IN_XLA = {("population_count", "int4"), ("population_count", "int2")}


@pytest.mark.parametrize("name", [name for name in all_rows() if name.startswith("elementwise: ")])
def test_dtypes(name: str) -> None:
    """Elementwise operations in every dtype that they accept, special values included: as one
    program, since compiling is slow."""
    row = all_rows()[name]
    with config.enable_x64(True):
        cases = list(_cases(row))
        if not cases:
            pytest.skip("takes no other dtypes")

        flat, tree = arrax.tree.flatten(cases)

        def everything(*values: Any) -> Any:
            return arrax.tree.leaves([row.function(*operands)
                                      for operands in arrax.tree.unflatten(tree, values)])
        text = module_text(arrax.make_jaxpr(everything)(*flat))
        outs = iter(run(text, storage(flat)))
        for operands in cases:
            for expected in storage(row.function(*operands)):
                _assert_close(next(outs), expected, f"{row.name} of {operands}")


def _cases(row: Row) -> Iterator[tuple[Any, ...]]:
    """The operands of a row in each dtype, special values with them."""
    for dtype, operands in matrix.variants(row):
        try:
            arrax.make_jaxpr(row.function)(*operands)
        except (TypeError, ValueError, NotImplementedError):
            continue
        if (row.name, dtype.name) in _WRONG_IN_XLA:
            continue
        narrow = dtype.itemsize == 1 and matrix.kind(dtype) == "f"
        yield operands if narrow and row.name in _ROUNDED_IN_BETWEEN else \
            matrix.with_special(row, dtype, operands)


def _assert_close(actual: np.ndarray, expected: np.ndarray, what: str) -> None:
    """Equal up to 64 units in the last place of each element."""
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype), what
    if matrix.kind(expected.dtype) in "biu":
        np.testing.assert_array_equal(actual, expected, what)
        return
    unit = absolute = 64 * float(matrix.ml_dtypes.finfo(expected.dtype).eps)
    if expected.dtype.kind == "c":  # a part may be small against the other
        absolute *= min(np.max(np.abs(expected[np.isfinite(expected)]), initial=1.0), 1e4)
    np.testing.assert_allclose(matrix.wide(actual), matrix.wide(expected), unit, absolute,
                               err_msg=what)
