"""Evaluation warns of nothing: overflow, NaN and division by zero have values, in every rule."""
from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import arrax as jax
import arrax.numpy as jnp
from arrax.core import dtypes
from tests.ops.all_rows import all_rows

# Functions of users' own, whose warnings are theirs.
ROWS = {name: row for name, row in all_rows().items() if "callback" not in name}


def _extreme(x: Any, specials: bool) -> Any:
    """An operand of a row with numbers whose sums and products overflow, or special values."""
    x = np.asarray(x)
    if not x.ndim or not dtypes.issubdtype(x.dtype, dtypes.inexact):
        return x
    most = float(jnp.finfo(x.dtype).max)
    pool = [most, -most, np.inf, -np.inf, np.nan, 0.0, -0.0] if specials else [0.9 * most]
    with np.errstate(all="ignore"):
        return np.resize(np.array(pool, np.float64).astype(x.dtype), x.shape)


@pytest.mark.parametrize("specials", [False, True])
@pytest.mark.parametrize("family", sorted({name.split(":")[0] for name in ROWS}))
def test_rows_of_extreme_operands_warn_of_nothing(family: str, specials: bool) -> None:
    leaks = []
    for name, row in ROWS.items():
        if name.split(":")[0] != family:
            continue
        operands = [jnp.asarray(_extreme(x, specials)) for x in row.operands]
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            try:
                jax.block_until_ready(row.function(*operands))
            except RuntimeWarning as warning:
                leaks.append(f"{name}: {warning}")
            except (TypeError, ValueError, NotImplementedError, np.linalg.LinAlgError):
                pass  # what such numbers cannot be: indices, sizes, a matrix with eigenvalues
    assert not leaks


def test_short_floats_overflow_in_silence() -> None:
    x = jnp.full(100, 60000, "float16")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert jnp.sum(x) == jnp.cumsum(x)[-1] == np.inf
        assert jnp.mean(x) == 60000
        assert jnp.linalg.svd(jnp.full((5, 5), 3e38))[1].shape == (5,)
