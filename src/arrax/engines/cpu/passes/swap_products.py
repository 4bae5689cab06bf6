"""Swap products: a transposed contraction is the contraction of swapped operands.

    a:f32[m,n] = dot_general x y;  b:f32[n,m] = transpose a    →    b = dot_general y x

The result of `dot_general` has batch axes, then the free axes of the left operand, then those of
the right one. A transpose that keeps the batch axes and exchanges the two groups, as gradients of
products by their right operand have it, moves every element for nothing.

After: no such transpose of a contraction that nothing else uses.
Known limits: transposes that mix the groups, or reorder axes inside one, stay.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from arrax.core.jaxpr import Eqn, Literal, Var
from arrax.core.lowering import Product
from arrax.ops.p import transpose_p


def swap_products(eqns: list[Eqn], outvars: Sequence[Any]) -> list[Eqn]:
    """The whole pass; products that lost their use are left for the removal of dead equations."""
    uses: Counter[Any] = Counter(atom for eqn in eqns for atom in eqn.invars
                                 if type(atom) is not Literal)
    uses.update(atom for atom in outvars if type(atom) is not Literal)
    products = {eqn.outvars[0]: eqn for eqn in eqns if type(eqn.primitive.lower) is Product}
    return [_swapped(eqn, products, uses) or eqn for eqn in eqns]


def _swapped(eqn: Eqn, products: dict[Var, Eqn], uses: Counter[Any]) -> Eqn | None:
    """The product that a transpose stands for, or None."""
    if eqn.primitive is not transpose_p or type(eqn.invars[0]) is Literal:
        return None
    product = products.get(eqn.invars[0])
    if product is None or uses[eqn.invars[0]] != 1 or "dimension_numbers" not in product.params:
        return None
    (left, right), (left_batch, right_batch) = product.params["dimension_numbers"]
    batch, free = len(left_batch), product.invars[0].aval.ndim - len(left) - len(left_batch)
    rank = eqn.outvars[0].aval.ndim
    exchanged = (*range(batch), *range(batch + free, rank), *range(batch, batch + free))
    if tuple(eqn.params["permutation"]) != exchanged:
        return None
    params = {**product.params,
              "dimension_numbers": ((right, left), (right_batch, left_batch))}
    precision = params.get("precision")
    if isinstance(precision, tuple) and len(precision) == 2:
        params["precision"] = precision[::-1]
    return Eqn(product.primitive, product.invars[::-1], eqn.outvars, params, product.effects,
               product.source_info)
