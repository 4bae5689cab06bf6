"""`composite`: a named group of operations that a backend may replace by one of its own."""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from arrax.control.running import avals_of, run_eagerly
from arrax.core import pytree
from arrax.core.jaxpr import ClosedJaxpr
from arrax.core.primitive import BY_TYPES, NotApplicable, Primitive
from arrax.core.lowering import Inline
from arrax.transforms.staged import flat_operands, stage_function


def _no_jvp(*_: Any, **__: Any) -> Any:
    raise ValueError("JVP rule for composite not implemented. You can use `jax.custom_jvp` to add "
                     "support. See "
                     "https://docs.jax.dev/en/latest/_autosummary/jax.custom_jvp.html")


_NO_BATCH = NotApplicable("what a composite's name promises holds for its operands as they are; "
                          "use `custom_batching.custom_vmap` around it")


def _stablehlo(b: Any, *operands: Any, attributes: Any, jaxpr: ClosedJaxpr, name: str,
               version: int) -> Any:
    fields = {key: structure.unflatten(leaves) for key, leaves, structure in attributes}
    return b.op("composite", *operands, results=b.outs, name=name, version=version,
                decomposition=b.function(name, jaxpr), composite_attributes=fields or None)


composite_p = Primitive(
    "composite", multiple_results=True, type_rule=lambda *avals, jaxpr, **_: jaxpr.out_avals,
    execute=lambda *args, jaxpr, **_: run_eagerly(jaxpr, args),
    jvp=_no_jvp, transpose=NotApplicable("not linear"), batch=_NO_BATCH,
    effects=lambda jaxpr, **_: jaxpr.effects, varying=BY_TYPES,
    lower=Inline(lambda params: params["jaxpr"]),
    stablehlo=_stablehlo)


def composite(decomposition: Callable[..., Any], name: str, version: int = 0) -> Callable[..., Any]:
    """`decomposition` as one operation `name` of a traced program.

    A backend that knows the name and version may run its own implementation; others run the
    decomposition. It has no derivative and no batching rule: use `custom_jvp` or `custom_vjp` and
    `custom_vmap` around it.

    Args:
      decomposition: function of arrays (positional), and of attributes (by keyword), which are
        part of the operation and not traced.
      name: usually with a name space, `"my.op"`.
      version: counts incompatible changes of what the name means.

    Returns:
      A function of the same arguments.

    Example:
      >>> tangent = lax.composite(lambda x: lax.sin(x) / lax.cos(x), "my.tangent")
      >>> tangent(0.0)
      Array(0., dtype=float32, weak_type=True)
    """
    @functools.wraps(decomposition)
    def call(*args: Any, **attributes: Any) -> Any:
        operands, tree = flat_operands(args)
        function = functools.partial(decomposition, **attributes) if attributes else decomposition
        staged = stage_function(function, tree, avals_of(operands), "composite")
        described = tuple((key, tuple(leaves), structure) for key, (leaves, structure) in
                          ((k, pytree.tree_flatten(v)) for k, v in attributes.items()))
        closed: ClosedJaxpr = staged.closed
        outs = composite_p.bind(*staged.consts, *operands, attributes=described, jaxpr=closed,
                                name=name, version=version)
        return staged.out_tree.unflatten(outs)
    return call
