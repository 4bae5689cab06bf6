"""`platform_dependent`: a branch chosen by where a program runs."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from arrax.control import messages
from arrax.control.cond import common_consts
from arrax.control.cond_rules import cond_p, position_of
from arrax.control.running import avals_of
from arrax.core.aval import ShapedArray
from arrax.core.primitive import NotApplicable, Primitive
from arrax.core.lowering import Expand
from arrax.ops.rules import zero_jvp
from arrax.transforms.staged import flat_operands, stage_function

Platforms = tuple[tuple[str, ...] | None, ...]

platform_index_p = Primitive(
    "platform_index", weak_type="none", jvp=zero_jvp(),
    type_rule=lambda *, platforms: ShapedArray((), np.int32),
    evaluate=lambda *, platforms: np.asarray(position_of(platforms, "cpu"), np.int32),
    transpose=NotApplicable("has no operands"), batch=NotApplicable("has no operands"),
    lower=Expand(lambda *, platforms: np.int32(position_of(platforms, "cpu"))),
    stablehlo=lambda b, *, platforms: b.constant(position_of(platforms, b.platform), np.int32))


def platform_dependent(*args: Any, default: Callable[..., Any] | None = None,
                       **per_platform: Callable[..., Any]) -> Any:
    """Apply the function given for the platform that the program runs on.

    All functions are traced, for a traced program may be compiled for several platforms.

    Args:
      args: pytrees of arrays for the chosen function.
      default: function for the platforms that are not named.
      per_platform: functions by the name of their platform: `cpu=`, `cuda=`, `tpu=`, …

    Raises:
      TypeError: results of different structures or types.
      NotImplementedError: when the program is compiled or run, for a platform without a function.

    Example:
      >>> lax.platform_dependent(2.0, cpu=lambda x: x + 1, default=lambda x: x - 1)
      Array(3., dtype=float32, weak_type=True)
    """
    functions: dict[int, tuple[list[str], Callable[..., Any]]] = {}
    for platform, function in per_platform.items():
        functions.setdefault(id(function), ([], function))[0].append(platform)
    platforms: list[tuple[str, ...] | None] = [tuple(names) for names, _ in functions.values()]
    branches = [function for _, function in functions.values()]
    if default is not None:
        platforms.append(None)
        branches.append(default)
    if not branches:
        raise ValueError("platform_dependent requires a function: a platform's or a default")
    return _branch(tuple(platforms), branches, args)


def _branch(platforms: Platforms, branches: list[Callable[..., Any]], args: Any) -> Any:
    flat, tree = flat_operands(args)
    staged = [stage_function(fun, tree, avals_of(flat), "switch") for fun in branches]
    named = [("branch 0" if i == 0 else f"branch{i}", f) for i, f in enumerate(branches)]
    messages.check_branches("switch", named, [s.output() for s in staged])
    consts, jaxprs = common_consts(staged)
    index = platform_index_p.bind(platforms=platforms)
    outs = cond_p.bind(index, *consts, *flat, branches=tuple(jaxprs),
                       branches_platforms=platforms)
    return staged[0].out_tree.unflatten(outs)
