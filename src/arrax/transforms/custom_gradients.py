"""`custom_gradient`, `closure_convert` and `linear_call`."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from arrax.core import dtypes, pytree
from arrax.core.ad_values import UndefinedPrimal, Zero, tangent_aval
from arrax.core.aval import aval_of
from arrax.core.jaxpr import ClosedJaxpr, eval_jaxpr
from arrax.core.primitive import BY_TYPES, Primitive
from arrax.core.printer import ALWAYS
from arrax.core.trace import Tracer
from arrax.core.lowering import Inline
from arrax.ops.rules import add_tangents, batch_at, instantiate
from arrax.transforms import calls
from arrax.transforms.batching import batch_flat, batch_jaxpr, to_dim
from arrax.transforms.custom_rules import as_arrays, copy_attributes
from arrax.transforms.custom_vjp import custom_vjp
from arrax.transforms.jvp import jvp_jaxpr
from arrax.transforms.staged import flat_operands, stage_function
from arrax.transforms.staging import trace_to_jaxpr


def custom_gradient(fun: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose gradient comes with its value.

    Args:
      fun: function that returns (value, rule), where rule maps the cotangent of the value to the
        cotangent(s) of the arguments (a tuple if there are several). The rule may use values of the
        function.

    Example:
      >>> @custom_gradient
      ... def f(x):
      ...     return x ** 2, lambda g: (g * x,)
      >>> grad(f)(3.0)
      Array(3., dtype=float32, weak_type=True)
    """
    def wrapped_fun(*args: Any, **kwargs: Any) -> Any:
        return _value_and_rule(fun, args, kwargs)[0]

    wrapped_fun.__wrapped__ = fun  # type: ignore[attr-defined]  # its signature

    def fwd(*args: Any) -> Any:
        value, rule = _value_and_rule(fun, args, {})
        leaves, tree = pytree.tree_flatten(value)
        cotangents = tree.unflatten([_Struct(tangent_aval(calls.checked_aval(x))) for x in leaves])
        converted, consts = closure_convert(rule, cotangents)
        return value, pytree.Partial(converted, *consts)

    def bwd(rule: Any, cotangent: Any) -> Any:
        found = rule.func(cotangent, *rule.args)
        return found if isinstance(found, (tuple, list)) else (found,)

    wrapped = custom_vjp(wrapped_fun)
    wrapped.defvjp(fwd, bwd)
    copy_attributes(wrapped, fun)
    return wrapped


def _value_and_rule(fun: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    pair = fun(*args, **kwargs)
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise TypeError(f"custom_gradient: {calls.function_name(fun)} must return a pair (value, "
                        f"rule), got {pair}")
    return pair


class _Struct:
    """A shape and dtype to trace at."""

    __slots__ = ("aval",)

    def __init__(self, aval: Any):
        self.aval = aval


# ---- closure_convert -----------------------------------------------------------------------------

def closure_convert(fun: Callable[..., Any], *example_args: Any) -> tuple[Callable[..., Any],
                                                                       list[Any]]:
    """Turn what `fun` closes over and what may be differentiated into arguments.

    Args:
      fun: a function of arrays; it is traced at the types of the example arguments.
      example_args: arguments as it will get them.

    Returns:
      (converted, values): `converted(*args, *values)` means `fun(*args)`; the values are tracers of
      floating dtype that `fun` closes over. Pass them through a custom rule as arguments.
    """
    leaves, in_tree = pytree.tree_flatten(example_args)
    avals = [x.aval if isinstance(x, _Struct) else calls.shaped(x) for x in leaves]
    flat = calls.FlatArgs(fun, in_tree)
    closed = trace_to_jaxpr(flat, avals)
    hoisted = [_may_be_differentiated(c) for c in closed.consts]
    values = [c for c, h in zip(closed.consts, hoisted, strict=True) if h]
    fixed = [None if h else c for c, h in zip(closed.consts, hoisted, strict=True)]
    out_tree, count = flat.out_tree, len(values)
    jaxpr = closed.jaxpr

    def converted_fun(*args_and_values: Any) -> Any:
        num_args = len(args_and_values) - count
        args, given = args_and_values[:num_args], iter(args_and_values[num_args:])
        flat_args, tree = pytree.tree_flatten(tuple(args))
        if tree != in_tree:
            raise TypeError(
                "The inputs to the closure produced by closure_convert must have the same Pytree "
                "structure as the example arguments passed when closure_convert was called. "
                f"Expected {in_tree}, but got {tree}")
        consts = [next(given) if h else c for c, h in zip(fixed, hoisted, strict=True)]
        return out_tree.unflatten(eval_jaxpr(jaxpr, consts, *flat_args))
    return converted_fun, values


def _may_be_differentiated(value: Any) -> bool:
    return isinstance(value, Tracer) and dtypes.issubdtype(value.dtype, dtypes.inexact)


# ---- linear_call ---------------------------------------------------------------------------------

def linear_call(fun: Callable[..., Any], fun_transpose: Callable[..., Any], residual_args: Any,
                linear_args: Any) -> Any:
    """Call `fun(residual_args, linear_args)`, linear in the second, with its transpose by hand.

    Args:
      fun: function (residuals, x) → y, linear in x.
      fun_transpose: function (residuals, ct of y) → ct of x.
      residual_args, linear_args: pytrees of arrays.

    Example:
      >>> linear_call(lambda r, x: x / r, lambda r, t: t / r, 2.0, 8.0)
      Array(4., dtype=float32, weak_type=True)
    """
    residuals, residual_tree = flat_operands(residual_args)
    linear, linear_tree = flat_operands(linear_args)
    avals = [aval_of(x) for x in (*residuals, *linear)]
    staged = stage_function(fun, pytree.treedef_tuple((residual_tree, linear_tree)), avals,
                            "linear_call")
    out_tree = staged.out_tree

    def transposed(flat_residuals: Sequence[Any], flat_cts: Sequence[Any]) -> list[Any]:
        found = fun_transpose(residual_tree.unflatten(flat_residuals),
                              out_tree.unflatten(flat_cts))
        leaves, tree = pytree.tree_flatten(found)
        if tree != linear_tree:
            raise TypeError("linear_call: transpose output pytree structure must match that of "
                            f"linear inputs, got output structure {tree} and input structure "
                            f"{linear_tree}.")
        return leaves
    outs = linear_call_p.bind(
        *staged.consts, *residuals, *linear, callee=staged.closed, transpose_thunk=transposed,
        num_callee_consts=len(staged.consts), num_res=len(residuals))
    return out_tree.unflatten(outs)


def _linear_jvp(primals: Any, tangents: Any, *, callee: ClosedJaxpr, num_callee_consts: int,
                num_res: int, **params: Any) -> Any:
    """Linear in the linear operands; the residuals are differentiated through the function."""
    params = {**params, "callee": callee, "num_callee_consts": num_callee_consts,
              "num_res": num_res}
    outs = linear_call_p.bind(*primals, **params)
    count = num_callee_consts + num_res
    dots: list[Any] = [Zero(tangent_aval(aval_of(o))) for o in outs]
    if any(type(t) is not Zero for t in tangents[count:]):
        dots = linear_call_p.bind(*primals[:count], *map(instantiate, tangents[count:]), **params)
    given = [type(t) is not Zero for t in tangents[:count]]
    if any(given):
        flags = given + [False] * (len(primals) - count)
        moved, _ = jvp_jaxpr(callee, flags, True)
        more = eval_jaxpr(moved.jaxpr, moved.consts, *primals,
                          *(t for t in tangents[:count] if type(t) is not Zero))
        dots = [add_tangents(a, b) for a, b in zip(dots, more[len(outs):], strict=True)]
    return outs, dots


def _linear_transpose(cotangents: Any, *operands: Any, num_callee_consts: int, num_res: int,
                      transpose_thunk: Any, **_: Any) -> list[Any]:
    count = num_callee_consts + num_res
    residuals = operands[num_callee_consts:count]
    found = transpose_thunk(residuals, [instantiate(c) for c in cotangents])
    return [None] * count + [f if type(x) is UndefinedPrimal else None
                             for f, x in zip(found, operands[count:], strict=True)]


def _linear_batch(axis: Any, operands: Any, dims: Any, *, callee: ClosedJaxpr, transpose_thunk: Any,
                  num_callee_consts: int, num_res: int) -> Any:
    count = num_callee_consts + num_res
    moved = [x if d is None and i < count else batch_at(x, d, 0, axis.size)
             for i, (x, d) in enumerate(zip(operands, dims, strict=True))]
    flags = [d is not None or i >= count for i, d in enumerate(dims)]
    new, _ = batch_jaxpr(callee, axis, flags, True)
    residual_dims = [0 if f else None for f in flags[num_callee_consts:count]]

    def transposed(residuals: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        outs, out_dims = batch_flat(
            lambda *xs: transpose_thunk(xs[:num_res], xs[num_res:]), axis, [*residuals, *cts],
            [*residual_dims, *(0 for _ in cts)])
        return [to_dim(o, d, 0, axis) for o, d in zip(outs, out_dims, strict=True)]
    outs = linear_call_p.bind(*moved, callee=new, transpose_thunk=transposed,
                              num_callee_consts=num_callee_consts, num_res=num_res)
    return outs, [0] * len(outs)


linear_call_p = Primitive(
    "linear_call", multiple_results=True, type_rule=lambda *avals, callee, **_: callee.out_avals,
    execute=lambda *args, callee, **_: as_arrays(eval_jaxpr(callee.jaxpr, callee.consts, *args)),
    jvp=_linear_jvp, transpose=_linear_transpose, batch=_linear_batch,
    effects=lambda callee, **_: callee.effects, hidden={"transpose_thunk": ALWAYS},
    varying=BY_TYPES, lower=Inline(lambda params: params["callee"]),
    stablehlo=lambda b, *args, callee, **_: b.inline(callee, args))
