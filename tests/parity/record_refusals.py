"""Writes the outcomes of JAX for all cases of tests/numpy/refusals.py (10 minutes); run by
`python -m tests.parity.record_refusals`."""
from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from tests.numpy import refusals
from tests.numpy.calls.outcomes import compress


def outcome_in_jax(call: refusals.Call, *operands: Any) -> str:
    """The outcome of a call: abstractly where that is enough, for it is faster."""
    if all(isinstance(x, jax.Array) for x in operands):
        try:
            found = jax.eval_shape(call, *operands)
        except (jax.errors.JAXTypeError, jax.errors.JAXIndexError):
            return refusals.result(call, *operands)
        except Exception as error:
            return f"!{type(error).__name__}"
        leaves = jax.tree.leaves(found)
        if leaves and all(hasattr(leaf, "dtype") for leaf in leaves):
            return refusals.outcome(found).replace(" ", "")
    return refusals.result(call, *operands)


def main() -> None:
    text = ""
    for line in refusals.lines(jax, jnp):
        found = {name: outcome_in_jax(line.call, *values) for name, values in line.operands.items()}
        text += f"{line.text}\t{compress(found)}\n"
    refusals.TABLE.write_text(text)


if __name__ == "__main__":
    main()
