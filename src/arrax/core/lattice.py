"""The type promotion lattice: which dtype holds the values of two others.

Nodes are dtypes and the weak kinds `int`, `float`, `complex` (Python scalars, and arrays that came
from them). An edge a → b says that a's values are taken as b's. Two nodes promote to their least
upper bound; without one there is no implicit promotion. The picture is in JAX's documentation,
"Type promotion semantics"; floats under 16 bits and integers under 8 bits are dead ends.

    bool → int* → every integer;  u8 → u16 → u32 → u64 → float*;  i8 → i16 → i32 → i64 → float*
    u8 → i16, u16 → i32, u32 → i64;  float* → complex*, small floats, bf16, f16
    bf16, f16 → f32 → f64, c64;  f64, complex* → … → c128
"""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax.core.scalar_types import all_dtypes, bfloat16, small_floats, small_integers

Node = Any  # an np.dtype, or one of the types int, float, complex


def _dtypes(text: str) -> list[Node]:
    return [np.dtype(name) for name in text.split()]


def _edges() -> dict[Node, list[Node]]:
    d = np.dtype
    bf16 = bfloat16.dtype
    edges: dict[Node, list[Node]] = {dtype: [] for dtype in all_dtypes}
    edges |= {
        d("bool"): [int],
        int: [*_dtypes("uint8 int8"), *small_integers],
        d("uint8"): _dtypes("uint16 int16"), d("uint16"): _dtypes("uint32 int32"),
        d("uint32"): _dtypes("uint64 int64"), d("uint64"): [float],
        d("int8"): [d("int16")], d("int16"): [d("int32")], d("int32"): [d("int64")],
        d("int64"): [float],
        float: [complex, bf16, d("float16"), *small_floats],
        bf16: [d("float32")], d("float16"): [d("float32")],
        d("float32"): _dtypes("float64 complex64"), d("float64"): [d("complex128")],
        complex: [d("complex64")], d("complex64"): [d("complex128")],
    }
    return edges


def _reachable(edges: dict[Node, list[Node]]) -> dict[Node, frozenset[Node]]:
    """For each node, itself and what it may become."""
    above: dict[Node, frozenset[Node]] = {}

    def visit(node: Node) -> frozenset[Node]:
        if node not in above:
            above[node] = frozenset({node}).union(*(visit(n) for n in edges[node]))
        return above[node]

    for node in edges:
        visit(node)
    return above


_above = _reachable(_edges())
_joins: dict[frozenset[Node], Node | None] = {}


def is_node(node: Node) -> bool:
    """Whether `node` takes part in promotion."""
    return node in _above


def join(nodes: frozenset[Node]) -> Node | None:
    """The least upper bound of `nodes`; None when they do not promote."""
    try:
        return _joins[nodes]
    except KeyError:
        pass
    bounds = frozenset.intersection(*(_above[n] for n in nodes))
    least = [n for n in bounds if all(other in _above[n] for other in bounds)]
    result = _joins[nodes] = least[0] if least else None
    return result


_STRICT_ORDER = {int: 0, float: 1, complex: 2}


def strict_join(nodes: frozenset[Node]) -> Node | None:
    """As `join`, but only weak kinds give way: to each other, and to a dtype that is not lower."""
    dtypes = [n for n in nodes if n not in _STRICT_ORDER]
    weak = [n for n in nodes if n in _STRICT_ORDER]
    if len(dtypes) > 1:
        return None
    top = max(weak, key=_STRICT_ORDER.__getitem__, default=None)
    if not dtypes:
        return top
    if top is None or (top in _above and dtypes[0] in _above[top]):
        return dtypes[0]
    return None
