"""`arrax.interpreters.batching`: how primitives are vectorized.

A rule is `rule(operands, dims, **params)` → (result, its batch dimension), lists of them for
several results; a dimension is an int, or `not_mapped` (None). Those in `axis_primitive_batchers`
get size and name of the axis and None first, those in `fancy_primitive_batchers` the axis itself.
"""
from arrax.core.lazy import listing as _listing
from arrax.transforms.rule_definitions import (bdim_at_front, broadcast, defbroadcasting,
                                               defreducer, defvectorized, moveaxis)
from arrax.transforms.rule_tables import (axis_primitive_batchers, fancy_primitive_batchers,
                                          primitive_batchers)

not_mapped = None

__all__ = ["axis_primitive_batchers", "bdim_at_front", "broadcast", "defbroadcasting", "defreducer",
           "defvectorized", "fancy_primitive_batchers", "moveaxis", "not_mapped",
           "primitive_batchers"]

__dir__ = _listing(__name__)
