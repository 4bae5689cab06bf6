"""`stage`: a value as a value of the current trace."""
from __future__ import annotations


from arrax.core.array import Array
from arrax.core.primitive import Primitive
from arrax.core.lowering import Elementwise
from arrax.ops.arguments import operand
from arrax.ops.rules import batch_elementwise, linear_jvp, transpose_unary
from arrax.typing import ArrayLike

stage_p = Primitive(
    "stage", type_rule=lambda x: x, evaluate=lambda x: x, jvp=linear_jvp(),
    transpose=transpose_unary(lambda ct, x: ct), batch=batch_elementwise(),
    stage=lambda trace, args, params: trace.to_tracer(args[0]),
    lower=Elementwise(lambda b, x: x, 0), elementwise=True, native=lambda x: True,
    stablehlo=lambda b, x: x)


def stage(x: ArrayLike, /) -> Array:
    """`x` as an array, or inside a function that is being traced as a tracer.

    Example:
      >>> lax.stage(1.0)
      Array(1., dtype=float32, weak_type=True)
    """
    return stage_p.bind(operand(x, "stage"))
