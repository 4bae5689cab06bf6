"""Primitives whose meaning is a program of other primitives.

`rules_of(expand)` gives every rule that follows from `expand(*operands, **params)`, which returns
the list of results: evaluation runs it, the JVP and the batching rule transform it, and the
compiler puts it in the equation's place. A primitive that has a better rule declares that instead.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.core.ad_values import Zero, tangent_aval
from arrax.core.array import array_of, from_numpy
from arrax.core.aval import aval_of
from arrax.core.evaluate import EVAL
from arrax.core.jaxpr import ClosedJaxpr, eval_jaxpr, jaxpr_as_fun
from arrax.core.trace import use
from arrax.core.lowering import Expand
from arrax.ops.rules import move_axis
from arrax.transforms.batching import batch_jaxpr
from arrax.transforms.jvp import jvp_jaxpr
from arrax.transforms.staging import trace_to_jaxpr

Program = Callable[..., list[Any]]


def rules_of(expand: Program) -> dict[str, Any]:
    """The rules `evaluate`, `jvp`, `batch`, `lower` and `stablehlo` of a primitive with several
    results."""
    def program(operands: Sequence[Any], params: dict[str, Any]) -> ClosedJaxpr:
        return trace_to_jaxpr(lambda *xs: expand(*xs, **params), [aval_of(x) for x in operands])

    def evaluate(*operands: np.ndarray, **params: Any) -> list[np.ndarray]:
        with use(EVAL):
            return [array_of(x).data for x in expand(*map(from_numpy, operands), **params)]

    def jvp(primals: Any, tangents: Any, **params: Any) -> Any:
        nonzeros = [type(t) is not Zero for t in tangents]
        closed, out_nonzeros = jvp_jaxpr(program(primals, params), nonzeros, False)
        present = [t for t in tangents if type(t) is not Zero]
        results = eval_jaxpr(closed.jaxpr, closed.consts, *primals, *present)
        count = len(out_nonzeros)
        moved = iter(results[count:])
        return results[:count], [next(moved) if nonzero else Zero(tangent_aval(aval_of(x)))
                                 for nonzero, x in zip(out_nonzeros, results, strict=False)]

    def batch(axis: Any, operands: Any, dims: Any, **params: Any) -> Any:
        single = trace_to_jaxpr(lambda *xs: expand(*xs, **params), [
            _unbatched(aval_of(x), d) for x, d in zip(operands, dims, strict=True)])
        closed, batched = batch_jaxpr(single, axis, [d is not None for d in dims])
        moved = [x if d is None else move_axis(x, d, 0)
                 for x, d in zip(operands, dims, strict=True)]
        return jaxpr_as_fun(closed)(*moved), [0 if b else None for b in batched]

    return {"evaluate": evaluate, "jvp": jvp, "batch": batch, "lower": Expand(expand),
            "stablehlo": lambda b, *operands, **params: expand(*operands, **params)}


def _unbatched(aval: Any, dim: int | None) -> Any:
    return aval if dim is None else aval.update(shape=aval.shape[:dim] + aval.shape[dim + 1:])
