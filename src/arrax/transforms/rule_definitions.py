"""Ways to define rules of primitives in a line, in the conventions of `interpreters.ad` and
`.batching`."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arrax.core.ad_values import UndefinedPrimal, Zero
from arrax.core.array import array_of
from arrax.core.aval import aval_of
from arrax.ops.arithmetic import add_any_p
from arrax.ops.rules import (batch_at, by_operand, instantiate, linear_jvp, move_axis, zeros)
from arrax.transforms.rule_tables import (fancy_primitive_batchers, primitive_jvps,
                                          primitive_transposes)

# ---- derivatives ---------------------------------------------------------------------------------


def defjvp(primitive: Any, *jvprules: Callable[..., Any] | None) -> None:
    """One rule per operand, `rule(tangent, *primals, **params)`, or None for a zero derivative."""
    defjvp2(primitive, *(None if rule is None else _without_result(rule) for rule in jvprules))


def _without_result(rule: Callable[..., Any]) -> Callable[..., Any]:
    return lambda tangent, out, *primals, **params: rule(tangent, *primals, **params)


def defjvp2(primitive: Any, *jvprules: Callable[..., Any] | None) -> None:
    """As `defjvp`, for rules `rule(tangent, result, *primals, **params)`."""
    primitive_jvps[primitive] = by_operand(*jvprules).attach(primitive)


def deflinear(primitive: Any, transpose_rule: Callable[..., Any]) -> None:
    """Declare a primitive linear in all operands together.

    Args:
      transpose_rule: `rule(cotangent, **params)` gives one cotangent per operand, or None.
    """
    def transpose(cotangent: Any, *operands: Any, **params: Any) -> Any:
        if type(cotangent) is Zero:
            return [Zero(x.aval) for x in operands]
        return transpose_rule(cotangent, **params)
    primitive_jvps[primitive] = linear_jvp().attach(primitive)
    primitive_transposes[primitive] = transpose


def deflinear2(primitive: Any, transpose_rule: Callable[..., Any]) -> None:
    """As `deflinear`, for `rule(cotangent, *operands, **params)` with `UndefinedPrimal`s."""
    primitive_jvps[primitive] = linear_jvp().attach(primitive)
    primitive_transposes[primitive] = transpose_rule


def defbilinear(prim: Any, lhs_rule: Callable[..., Any], rhs_rule: Callable[..., Any]) -> None:
    """Declare a primitive of two operands linear in each.

    Args:
      lhs_rule, rhs_rule: `rule(cotangent, x, y, **params)` gives the cotangent of the first
        operand, or of the second.
    """
    def transpose(cotangent: Any, x: Any, y: Any, **params: Any) -> list[Any]:
        left, right = type(x) is UndefinedPrimal, type(y) is UndefinedPrimal
        if left == right:
            raise ValueError(f"transpose of {prim}: one of two operands must be linear")
        linear = x if left else y
        if type(cotangent) is Zero:
            out: Any = Zero(linear.aval)
        else:
            out = (lhs_rule if left else rhs_rule)(cotangent, x, y, **params)
        return [out, None] if left else [None, out]
    defjvp(prim, lambda t, x, y, **params: prim.bind(t, y, **params),
           lambda t, x, y, **params: prim.bind(x, t, **params))
    primitive_transposes[prim] = transpose


def get_primitive_transpose(p: Any) -> Callable[..., Any]:
    """The transposition rule of a primitive; NotImplementedError if it has none."""
    try:
        return primitive_transposes[p]
    except KeyError:
        raise NotImplementedError(f"Transpose rule for '{p}' not implemented") from None


def instantiate_zeros(tangent: Any) -> Any:
    """`tangent`, as an array of zeros if it is a symbolic zero."""
    return instantiate(tangent)


def zeros_like_aval(aval: Any) -> Any:
    """An array of zeros of the given aval."""
    return array_of(zeros(aval))


def add_jaxvals(x: Any, y: Any) -> Any:
    """The sum of two values of one type, as cotangents are added."""
    return add_any_p.bind(x, y)


# ---- batches -------------------------------------------------------------------------------------

def defvectorized(prim: Any) -> None:
    """Declare that a primitive does to a batch what it does to each element, at any axis."""
    def rule(axis: Any, operands: Any, dims: Any, **params: Any) -> Any:
        first = next((d for d in dims if d is not None), None)
        moved = [x if d is None or d == first or first is None else move_axis(x, d, first)
                 for x, d in zip(operands, dims, strict=True)]
        return _same_dims(prim, prim.bind(*moved, **params), first)
    fancy_primitive_batchers[prim] = rule


def defbroadcasting(prim: Any) -> None:
    """As `defvectorized`, for a primitive that broadcasts operands of different shapes."""
    def rule(axis: Any, operands: Any, dims: Any, **params: Any) -> Any:
        rank = max(aval_of(x).ndim - (d is not None) for x, d in zip(operands, dims, strict=True))
        moved = []
        for x, d in zip(operands, dims, strict=True):
            own = aval_of(x).ndim - (d is not None)
            if d is None and own == 0:
                moved.append(x)
                continue
            front = batch_at(x, d, 0, axis.size)
            for _ in range(rank - own):
                front = batch_at(front, None, 1, 1)
            moved.append(front)
        return _same_dims(prim, prim.bind(*moved, **params), 0)
    fancy_primitive_batchers[prim] = rule


def defreducer(prim: Any) -> None:
    """Declare a primitive of one operand that folds the axes in its param `axes`."""
    def rule(axis: Any, operands: Any, dims: Any, *, axes: Any, **params: Any) -> Any:
        (x,), (dim,) = operands, dims
        if dim is None:
            return _same_dims(prim, prim.bind(x, axes=axes, **params), None)
        moved = tuple(a + (a >= dim) for a in axes)
        out = prim.bind(x, axes=moved, **params)
        return _same_dims(prim, out, dim - sum(a < dim for a in moved))
    fancy_primitive_batchers[prim] = rule


def _same_dims(prim: Any, out: Any, dim: int | None) -> Any:
    return (out, [dim] * len(out)) if prim.multiple_results else (out, dim)


def moveaxis(x: Any, src: int, dst: int) -> Any:
    """`x` with its axis `src` at position `dst`."""
    return move_axis(x, src, dst)


def broadcast(x: Any, sz: int, axis: int, mesh_axis: Any = None) -> Any:
    """`x`, repeated `sz` times along a new axis at position `axis`."""
    if mesh_axis is not None:
        raise NotImplementedError("broadcast: mesh_axis needs explicit sharding, which is not in "
                                  "this version")
    return batch_at(x, None, axis % (aval_of(x).ndim + 1), sz)


def bdim_at_front(x: Any, bdim: int | None, size: int, mesh_axis: Any = None) -> Any:
    """`x` with its batch axis in front; one without a batch axis is repeated `size` times."""
    return broadcast(x, size, 0, mesh_axis) if bdim is None else move_axis(x, bdim, 0)
