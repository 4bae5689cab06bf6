"""No silent holes among the rows: each primitive is bound by some row, each public function called.

What no row can reach is named here with the reason; a name that a row reaches must not be.
"""
from __future__ import annotations

import functools

from arrax import lax
from arrax.lax import linalg
from tests.ops import reach
from tests.ops.all_rows import all_rows
from tools import missing_rules

_ELSEWHERE = ": tests/ops/test_without_rows.py"
_EFFECT = "has an effect and no result to compare" + _ELSEWHERE
_TOKENS = "orders communication and holds nothing" + _ELSEWHERE
_SHAPES = "is about shapes, not arrays" + _ELSEWHERE
_DEVICES = "exchanges messages between devices, of which the CPU engine has one"
PRIMITIVES = {
    "after_all": _TOKENS, "create_token": _TOKENS, "psend": _DEVICES, "precv": _DEVICES,
    **dict.fromkeys(("call", "closed_call"), "is for programs that bind it: tests/extend"),
    "custom_lin": "is gone once a custom_vjp function's linear part is transposed",
    "dce_sink": "has no result: tests/ops/test_constraints.py",
    "debug_callback": _EFFECT, "io_callback": _EFFECT,
    "dim_as_value": "has a value once a symbolic dimension is known: tests/export",
    "device_put": "changes where an array is, not its values" + _ELSEWHERE,
    "empty": "has undefined contents" + _ELSEWHERE,
    **dict.fromkeys(("psum_invariant", "pvary", "shard_map"),
                    "works on parts of arrays: tests/transforms/test_shard_map.py"),
    "reshard": "changes where an array is: tests/transforms/test_placement.py",
    "ragged_all_to_all": "has six operands of its own kind" + _ELSEWHERE,
    "random_gamma_of": "what `random_gamma` of such keys is compiled to: tests/random",
    "rng_uniform": "gives other numbers at each call: tests/ops/test_random.py",
    "sharding_constraint": "changes a label, not values: tests/ops/test_constraints.py",
    "threefry2x32_word": "a part that `random_split` is compiled to",
    "threefry2x32_xor": "a part that `random_bits` is compiled to",
}
FUNCTIONS = {
    **{f"lax.{name}": PRIMITIVES[name] for name in (
        "after_all", "create_token", "psend", "precv", "dce_sink", "empty", "ragged_all_to_all",
        "rng_uniform")},
    "lax.pcast": PRIMITIVES["pvary"],
    "lax.with_sharding_constraint": PRIMITIVES["sharding_constraint"],
    "lax.broadcast_shapes": "is about shapes, not arrays: tests/ops/test_shape.py",
    "lax.conv_general_shape_tuple": _SHAPES, "lax.conv_transpose_shape_tuple": _SHAPES,
    "lax.shape_as_value": _SHAPES, "lax.dtype": _SHAPES,
}


@functools.cache
def reached() -> tuple[set[str], set[str]]:
    """The primitives and public functions that all rows together reach."""
    functions = reach.public_functions(lax, linalg)
    in_jaxprs: set[str] = set()
    rows = all_rows().values()  # importing their tables calls functions too
    with reach.primitives_bound() as bound, reach.functions_called(functions) as called:
        for row in rows:
            for closed in reach.trace(row):
                in_jaxprs.update(reach.primitives_in(closed.jaxpr))
    return bound | in_jaxprs, called


def test_every_primitive_is_bound_by_a_row() -> None:
    everything = {primitive.name for primitive in missing_rules.primitives()}
    assert everything - reached()[0] == set(PRIMITIVES)


def test_every_public_function_is_called_by_a_row() -> None:
    everything = set(reach.public_functions(lax, linalg))
    assert everything - reached()[1] == set(FUNCTIONS)
