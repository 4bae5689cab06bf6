"""What a program costs: arithmetic operations, and bytes that come in and go out."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from arrax.control.cond_rules import cond_p
from arrax.control.scan_rules import scan_p
from arrax.control.while_rules import while_p
from arrax.core.dtypes import storage_dtype
from arrax.core.jaxpr import ClosedJaxpr, Eqn, Jaxpr
from arrax.core.lowering import Elementwise, Reduce
from arrax.core.primitive import Primitive
from arrax.engines.cpu.op_lowerings import lowering_of
from arrax.ops.p import conv_general_dilated_p, dot_general_p


def cost_of(closed: ClosedJaxpr) -> dict[str, float]:
    """"flops" and "bytes accessed" of a simplified program.

    An elementwise operation counts 1 for each element, whatever it is; a product 2 for each
    multiplication with its addition; a fold 1 for each element of its operand; what only moves data
    nothing. A `while` counts as one turn, a `cond` as its costliest branch. Bytes are those of the
    arguments, captured arrays and results: what is fused is not stored.
    """
    jaxpr = closed.jaxpr
    atoms = [*jaxpr.invars, *jaxpr.constvars, *jaxpr.outvars]
    return {"flops": float(_flops(jaxpr)),
            "bytes accessed": float(sum(_nbytes(atom.aval) for atom in atoms))}


def _nbytes(aval: Any) -> int:
    """Bytes of a value; tokens and the like have none."""
    if not hasattr(aval, "dtype"):
        return 0
    return int(math.prod(aval.shape)) * int(storage_dtype(aval.dtype).itemsize)


def _flops(jaxpr: Jaxpr) -> int:
    return sum(_eqn_flops(eqn) for eqn in jaxpr.eqns)


def _eqn_flops(eqn: Eqn) -> int:
    count = _COUNTS.get(eqn.primitive)
    if count is not None:
        return count(eqn)
    lower = lowering_of(eqn)
    if type(lower) is Elementwise:
        return int(eqn.outvars[0].aval.size)
    return int(eqn.invars[0].aval.size) if type(lower) is Reduce else 0


def _product(eqn: Eqn) -> int:
    """2 m n k."""
    (contracted, _), _ = eqn.params["dimension_numbers"]
    shape = eqn.invars[0].aval.shape
    return 2 * int(eqn.outvars[0].aval.size) * int(
        math.prod(shape[axis] for axis in contracted))


def _convolution(eqn: Eqn) -> int:
    """2 for each result and element of the kernel that makes one output feature."""
    kernel = eqn.invars[1].aval
    features = kernel.shape[eqn.params["dimension_numbers"].rhs_spec[0]]
    return 2 * int(eqn.outvars[0].aval.size) * int(kernel.size) // max(int(features), 1)


_COUNTS: dict[Primitive, Callable[[Eqn], int]] = {
    dot_general_p: _product,
    conv_general_dilated_p: _convolution,
    scan_p: lambda eqn: eqn.params["length"] * _flops(eqn.params["jaxpr"].jaxpr),
    while_p: lambda eqn: _flops(eqn.params["cond_jaxpr"].jaxpr)
    + _flops(eqn.params["body_jaxpr"].jaxpr),
    cond_p: lambda eqn: max(_flops(branch.jaxpr) for branch in eqn.params["branches"]),
}
