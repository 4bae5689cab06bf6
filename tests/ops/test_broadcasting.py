"""Elementwise operations repeat sizes of 1: every operation of several operands, all its checks."""
from __future__ import annotations

import numpy as np
import pytest
from arrax import lax
from arrax.core.aval import ShapedArray
from arrax.core.primitive import Primitive, registry
from arrax.transforms.api_ad import grad
from arrax.transforms.api_trace import make_jaxpr
from arrax.transforms.api_vmap import vmap

from tests.ops.rows import CHECKS, Row, checks, real, whole

# What takes equal shapes only, as in JAX, or is bound by transformations on equal shapes.
EQUAL_SHAPES = {"select_n", "clamp", "add_any", "threefry2x32", "threefry2x32_word",
                "threefry2x32_xor"}

X, Y = real(4, 1, low=0.2, high=0.8), real(1, 5, low=0.2, high=0.8, seed=1)
M, N = whole(4, 1, low=1, high=5), whole(1, 5, low=0, high=5, seed=1)

SMOOTH = {
    "add": lax.add, "sub": lax.sub, "mul": lax.mul, "div": lax.div, "rem": lax.rem,
    "max": lax.max, "min": lax.min, "pow": lax.pow, "atan2": lax.atan2,
    "complex": lax.complex}
SPECIAL = {"igamma": (lax.igamma, 0), "igammac": (lax.igammac, 0), "zeta": (lax.zeta, 0),
           "nextafter": (lax.nextafter, 0), "igamma_grad_a": (lax.igamma_grad_a, 0),
           "random_gamma_grad": (lax.random_gamma_grad, 0)}
INTEGERS = {
    "and": lax.bitwise_and, "or": lax.bitwise_or, "xor": lax.bitwise_xor,
    "shift_left": lax.shift_left, "shift_right_logical": lax.shift_right_logical,
    "shift_right_arithmetic": lax.shift_right_arithmetic, "mulhi": lax.mulhi}
COMPARISONS = {"eq": lax.eq, "ne": lax.ne, "lt": lax.lt, "le": lax.le, "gt": lax.gt, "ge": lax.ge}
# Total orders share the block of comparisons; betainc has a row of its own; polygamma is zeta's.
OTHERS = {"eq_to", "le_to", "lt_to", "regularized_incomplete_beta", "polygamma"}

ROWS = [
    *(Row(name, function, (X, Y)) for name, function in SMOOTH.items()),
    *(Row(name, function, (X, Y), order=order)
      for name, (function, order) in SPECIAL.items()),
    *(Row(name, function, (M, N), order=0) for name, function in (INTEGERS | COMPARISONS).items()),
    Row("betainc", lax.betainc, (X, Y, real(4, 5, low=0.2, high=0.8)), active=(2,),
        derivative_tolerance=1e-5),
    Row("integer exponent", lax.pow, (X, N)),
]
test_rows = checks(ROWS, [kind for kind in CHECKS if kind not in ("dtypes", "shapes")])


def test_every_operation_of_several_operands_is_covered() -> None:
    covered = {*SMOOTH, *SPECIAL, *INTEGERS, *COMPARISONS, *OTHERS, *EQUAL_SHAPES}
    several = {name for name, p in registry.items() if p.elementwise and _takes_two(p)}
    assert several <= covered, sorted(several - covered)


def _takes_two(primitive: Primitive) -> bool:
    """Whether the type rule takes two operands."""
    for dtype in (np.float32, np.int32, np.complex64, np.uint32):
        for count in (2, 3, 4):
            try:
                primitive.type_rule(*[ShapedArray((2,), dtype)] * count)
            except (TypeError, ValueError, KeyError):
                continue
            return True
    return False


def test_no_broadcast_is_written() -> None:
    """As JAX writes it: the operation itself repeats sizes of 1."""
    text = str(make_jaxpr(lambda x, y: x - y)(X, Y))
    assert "broadcast_in_dim" not in text
    text = str(make_jaxpr(vmap(lambda x, y: x * y, (0, None)))(X, Y[0]))
    assert text.count("broadcast_in_dim") == 1
    assert "f32[1,5] = broadcast_in_dim[broadcast_dimensions=(1,)]" in text


def test_cotangents_are_summed_once() -> None:
    text = str(make_jaxpr(grad(lambda x, y: (x * y).sum()))(X, np.ones((4, 5), np.float32)))
    assert text.count("reduce_sum") == 2  # the function's own, and that of the cotangent


@pytest.mark.parametrize("shapes", [((4, 5), (4, 3)), ((2, 1, 3), (2, 2, 2)), ((0, 2), (3, 2))])
def test_other_sizes_are_refused(shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(TypeError, match="add got incompatible shapes for broadcasting"):
        lax.add(*(np.ones(shape, np.float32) for shape in shapes))
