"""`custom_jvp`: functions with a forward derivative of the user's.

A call is an equation of `custom_jvp_call` whose parameters are Python functions until a trace that
records it stages the function (`call_jaxpr`); the rule stays a function. So under `grad` without
`jit` the rule runs as Python on the values of the trace.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from arrax.core import pytree
from arrax.core.ad_values import Zero, tangent_aval
from arrax.core.aval import aval_of
from arrax.core.evaluate import EVAL
from arrax.core.jaxpr import ClosedJaxpr
from arrax.core.trace import current
from arrax.core.tracebacks import filter_error
from arrax.ops.rules import instantiate, move_axis
from arrax.transforms import calls
from arrax.transforms.batching import batch_flat, batch_jaxpr, to_dim
from arrax.transforms.custom_rules import (FlatFunction, OutTree, SymbolicZero, batched,
                                           call_primitive, copy_attributes, eager_result,
                                           is_symbolic, is_unmapped_call, is_zero_tangent,
                                           nondiff_positions, positional_arguments,
                                           same_shape_and_dtype, split_nondiff, unbatched,
                                           with_nondiff)


class CustomJVPException(Exception):
    """A custom_jvp function was differentiated with respect to a value it closes over."""

    def __init__(self) -> None:
        super().__init__(
            "Detected differentiation of a custom_jvp function with respect to a closed-over "
            "value. That isn't supported because the custom JVP rule only specifies how to "
            "differentiate the custom_jvp function with respect to explicit input parameters. Try "
            "passing the closed-over value into the custom_jvp function as an argument, and "
            "adapting the custom_jvp rule.")


class custom_jvp:
    """A function whose JVP is given by a rule of the user's.

    Args:
      fun: the function, of positional or keyword arguments (arrays or pytrees of arrays).
      nondiff_argnums, nondiff_argnames: arguments that are not differentiated and may be anything,
        such as functions; rules get them first.

    Example:
      >>> @custom_jvp
      ... def f(x, y):
      ...     return jnp.sin(x) * y
      >>> @f.defjvp
      ... def f_jvp(primals, tangents):
      ...     (x, y), (x_dot, y_dot) = primals, tangents
      ...     return f(x, y), jnp.cos(x) * x_dot * y + jnp.sin(x) * y_dot
    """

    fun: Callable[..., Any]
    jvp: Callable[..., Any] | None

    def __init__(self, fun: Callable[..., Any], nondiff_argnums: Sequence[int] = (),
                 nondiff_argnames: Sequence[str] = ()):
        copy_attributes(self, fun)
        self.fun = fun
        self.nondiff_argnums = nondiff_positions(fun, nondiff_argnums, nondiff_argnames)
        self.jvp = None
        self.symbolic_zeros = False

    def defjvp(self, jvp: Callable[..., Any], symbolic_zeros: bool = False) -> Callable[..., Any]:
        """Set the rule: `jvp(*nondiff, primals, tangents)` → (primal out, tangent out).

        With `symbolic_zeros`, tangents that are known to be zero are `SymbolicZero` objects.
        """
        self.jvp = jvp
        self.symbolic_zeros = symbolic_zeros
        return jvp

    def defjvps(self, *jvps: Callable[..., Any] | None) -> None:
        """Set one rule per argument, `jvp(tangent, primal_out, *primals)`, or None for zero.

        The tangent of the result is their sum. Not for functions with `nondiff_argnums`.
        """
        if self.nondiff_argnums:
            raise TypeError("Can't use ``defjvps`` with ``nondiff_argnums``.")

        def jvp(primals: Any, tangents: Any) -> Any:
            primal_out = self(*primals)
            parts = [rule(t, primal_out, *primals)
                     for rule, t in zip(jvps, tangents, strict=True)
                     if rule is not None and not is_zero_tangent(t)]
            if not parts:
                return primal_out, pytree.tree_map(_zero_like, primal_out)
            total = parts[0]
            for part in parts[1:]:
                total = pytree.tree_map(lambda a, b: a + b, total, part)
            return primal_out, total
        self.defjvp(jvp)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if current() is EVAL and not kwargs and self.jvp is not None:
                return eager_result(self.fun(*args))
            return self._bound(args, kwargs)
        except Exception as error:
            filter_error(error)
            raise

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The call as an equation."""
        if self.jvp is None:
            raise AttributeError("No JVP defined for custom_jvp function "
                                 f"{calls.function_name(self.fun)} using defjvp.")
        args = positional_arguments(self.fun, "custom_jvp", args, kwargs)
        positions = self.nondiff_argnums
        dynamic, nondiff = split_nondiff(args, positions)
        function = self.fun if not positions else \
            lambda *dyn: self.fun(*with_nondiff(positions, len(args), dyn, nondiff))
        leaves, in_tree = pytree.tree_flatten(tuple(dynamic))
        if is_unmapped_call(leaves):
            return eager_result(self.fun(*args))
        out_tree, name = OutTree(), calls.function_name(self.fun)
        rule = JvpRule(self.jvp, nondiff, in_tree, out_tree, name)
        outs = custom_jvp_call_p.bind(
            *leaves, name=name, call_jaxpr=FlatFunction(function, in_tree, out_tree, name),
            jvp=rule, num_consts=0, symbolic_zeros=self.symbolic_zeros)
        return out_tree.value.unflatten(outs)

    def __getattr__(self, name: str) -> Any:
        if name == "fun":
            raise AttributeError(name)
        return getattr(self.fun, name)


def _zero_like(value: Any) -> Any:
    return instantiate(Zero(tangent_aval(aval_of(value))))


# ---- rules as flat functions ---------------------------------------------------------------------

class JvpRule:
    """The user's rule as a flat function (*primals, *tangents) → (*primals out, *tangents out).

    Tangents may be `Zero`s, going in (if the rule takes symbolic zeros) and coming out.
    """

    def __init__(self, rule: Callable[..., Any], nondiff: Sequence[Any], in_tree: Any,
                 out_tree: OutTree, function_name: str):
        self.rule, self.nondiff, self.in_tree, self.out_tree = rule, nondiff, in_tree, out_tree
        self.function_name = function_name
        self.__name__ = calls.function_name(rule)

    def __call__(self, *args: Any) -> list[Any]:
        count = len(args) // 2
        primals = self.in_tree.unflatten(args[:count])
        tangents = self.in_tree.unflatten(
            [SymbolicZero(t.aval) if type(t) is Zero else t for t in args[count:]])
        result = self.rule(*self.nondiff, primals, tangents)
        who = f"Custom JVP rule {self.__name__} for function {self.function_name}"
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise TypeError(f"{who} must produce a pair (list or tuple of length two) representing "
                            f"primal and tangent outputs, but got {result}.")
        outs, tree = pytree.tree_flatten(result[0])
        dots, dots_tree = pytree.tree_flatten(result[1], is_leaf=is_symbolic)
        if tree != dots_tree:
            raise TypeError(f"{who} must produce primal and tangent outputs with equal container "
                            f"(pytree) structures, but got {tree} and {dots_tree} respectively.")
        self._check_tree(tree, who)
        return [*outs, *(_checked(o, d) for o, d in zip(outs, dots, strict=True))]

    def _check_tree(self, tree: Any, who: str) -> None:
        known = self.out_tree.value
        if known is None:
            self.out_tree.value = tree
        elif known != tree:
            raise TypeError(
                f"{who} must produce a pair (list or tuple of length two) where the first element "
                "represents the primal output (equal in value to the output of the custom_jvp-"
                f"decorated function {self.function_name}, and in particular of the same container/"
                "pytree structure), but instead the JVP rule output's first element had "
                f"container/pytree structure:\n    {tree}\nwhile the custom_jvp-decorated function "
                f"{self.function_name} had output container/pytree structure:\n    {known}.")


def _checked(out: Any, tangent: Any) -> Any:
    aval = calls.checked_aval(out)
    want = tangent_aval(aval)
    if is_symbolic(tangent):
        return Zero(want)
    got = calls.checked_aval(tangent)
    if not same_shape_and_dtype(want, got):
        raise TypeError(
            "Custom JVP rule must produce primal and tangent outputs with corresponding shapes and "
            f"dtypes. Expected {want.str_short()} (tangent type of {aval.str_short()}) but got "
            f"{got.str_short()}.")
    return Zero(want) if is_zero_tangent(tangent) else tangent


class BatchedJvpRule:
    """A rule over a batch: operand i has its batch axis at `dims[i]`, all results at 0.

    Without batched operands (an axis may be named inside) results need not be batched.
    """

    def __init__(self, rule: Any, axis: Any, dims: Sequence[int | None]):
        self.rule, self.axis, self.dims = rule, axis, tuple(dims)
        self.__name__ = rule.__name__

    def __call__(self, *args: Any) -> list[Any]:
        dims = self.dims + self.dims
        given = [type(a) is not Zero for a in args]

        def one(*values: Any) -> list[Any]:
            rest = iter(values)
            full = [next(rest) if g else unbatched(a, d)
                    for a, d, g in zip(args, dims, given, strict=True)]
            return self.rule(*full)  # type: ignore[no-any-return]
        outs, out_dims = batch_flat(one, self.axis,
                                    [a for a, g in zip(args, given, strict=True) if g],
                                    [d for d, g in zip(dims, given, strict=True) if g])
        if all(d is None for d in self.dims) and all(d is None for d in out_dims):
            return outs
        return [batched(o, 0, self.axis.size) if type(o) is Zero else to_dim(o, d, 0, self.axis)
                for o, d in zip(outs, out_dims, strict=True)]


class BatchedFunction:
    """A flat function over a batch, all results with the batch axis at 0."""

    def __init__(self, function: Any, axis: Any, dims: Sequence[int | None]):
        self.function, self.axis, self.dims = function, axis, dims

    def __call__(self, *args: Any) -> list[Any]:
        outs, dims = batch_flat(self.function, self.axis, args, self.dims)
        return [to_dim(o, d, 0, self.axis) for o, d in zip(outs, dims, strict=True)]


def batched_call(function: Any, axis: Any, operands: Sequence[Any], dims: Sequence[int | None],
                 ) -> tuple[Any, list[Any], list[int | None], list[int | None]]:
    """(the function over a batch, its operands, their dims, dims of the results or [] for all 0).

    Results are batched, all of them, unless no operand is and no result needs it.
    """
    if not isinstance(function, ClosedJaxpr):
        return BatchedFunction(function, axis, dims), list(operands), list(dims), []
    if all(d is None for d in dims):
        new, flags = batch_jaxpr(function, axis, [False] * len(dims))
        if not any(flags):
            return new, list(operands), list(dims), [None] * len(flags)
    moved = [x if d is None else move_axis(x, d, 0) for x, d in zip(operands, dims, strict=True)]
    fronts = [None if d is None else 0 for d in dims]
    new, _ = batch_jaxpr(function, axis, [d is not None for d in dims], True)
    return new, moved, fronts, []


# ---- the primitive -------------------------------------------------------------------------------

def _jvp(primals: Any, tangents: Any, *, jvp: Any, num_consts: int, symbolic_zeros: bool,
         **_: Any) -> Any:
    if any(type(t) is not Zero for t in tangents[:num_consts]):
        raise CustomJVPException()
    dots = tangents[num_consts:]
    if not symbolic_zeros:
        dots = [instantiate(t) for t in dots]
    outs = jvp(*primals[num_consts:], *dots)
    count = len(outs) // 2
    return outs[:count], outs[count:]


def _batch(axis: Any, operands: Any, dims: Any, *, call_jaxpr: Any, jvp: Any, num_consts: int,
           **params: Any) -> Any:
    function, operands, dims, out_dims = batched_call(call_jaxpr, axis, operands, dims)
    rule = BatchedJvpRule(jvp, axis, dims[num_consts:])
    outs = custom_jvp_call_p.bind(*operands, call_jaxpr=function, jvp=rule, num_consts=num_consts,
                                  **params)
    return outs, out_dims or [0] * len(outs)


custom_jvp_call_p = call_primitive("custom_jvp_call", "custom_jvp", _jvp, _batch)
