"""`custom_vmap`: functions with a batching rule of the user's; `sequential_vmap`."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from arrax.control.scan import map as sequential_map
from arrax.core import pytree
from arrax.core.ad_values import Zero, tangent_aval
from arrax.core.aval import aval_of
from arrax.core.jaxpr import ClosedJaxpr, eval_jaxpr
from arrax.core.primitive import BY_TYPES, Primitive
from arrax.core.printer import ALWAYS
from arrax.core.lowering import Inline
from arrax.ops.rules import batch_at, instantiate, move_axis
from arrax.transforms import calls
from arrax.transforms.custom_rules import (as_arrays, copy_attributes, positional_arguments)
from arrax.transforms.jvp import jvp_flat, jvp_jaxpr
from arrax.transforms.staged import flat_operands, stage_function


class custom_vmap:
    """A function whose batching is given by a rule of the user's.

    Example:
      >>> @custom_vmap
      ... def f(x, y):
      ...     return x + y
      >>> @f.def_vmap
      ... def rule(axis_size, in_batched, x, y):
      ...     return x + y, True
    """

    fun: Callable[..., Any]

    def __init__(self, fun: Callable[..., Any]):
        copy_attributes(self, fun)
        self.fun = fun
        self.vmap_rule: Callable[..., Any] | None = None

    def def_vmap(self, vmap_rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the rule: `rule(axis_size, in_batched, *args)` → (result, out_batched).

        `in_batched` tells for each leaf of the arguments whether it has a leading batch axis,
        `out_batched` does so for the result.
        """
        self.vmap_rule = vmap_rule
        return vmap_rule

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        name = calls.function_name(self.fun)
        args = positional_arguments(self.fun, "custom_vmap", args, kwargs)
        if self.vmap_rule is None:
            raise AttributeError(f"No batching rule defined for custom_vmap function {name} using "
                                 "def_vmap.")
        leaves, in_tree = flat_operands(args)
        staged = stage_function(self.fun, in_tree, [aval_of(x) for x in leaves], "custom_vmap")
        rule = _Rule(self.vmap_rule, in_tree, staged.out_tree)
        outs = custom_vmap_call_p.bind(*staged.consts, *leaves, call=staged.closed, rule=rule,
                                       num_consts=len(staged.consts), in_tree=in_tree,
                                       out_tree=staged.out_tree)
        return staged.out_tree.unflatten(outs)


class _Rule:
    """The user's rule on flat values: `rule(size, batched, *args)` → (results, batched)."""

    def __init__(self, rule: Callable[..., Any], in_tree: Any, out_tree: Any):
        self.rule, self.in_tree, self.out_tree = rule, in_tree, out_tree
        self.__name__ = calls.function_name(rule)

    def __call__(self, size: int, batched: Sequence[bool], *leaves: Any) -> Any:
        pair = self.rule(size, list(self.in_tree.unflatten(batched)),
                         *self.in_tree.unflatten(leaves))
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"custom vmap rule ({self.__name__}) must return a pair (result, "
                            f"out_batched), got {pair}")
        outs, tree = pytree.tree_flatten(pair[0])
        flags, flags_tree = pytree.tree_flatten(pair[1])
        if tree != flags_tree:
            raise ValueError(
                "structure of output value and output batching specification returned by custom "
                f"vmap rule ({self.__name__}) do not match.\nOutput values: {tree}\nBatching spec: "
                f"{flags_tree}")
        if tree != self.out_tree:
            raise ValueError(
                "structure of output returned by custom vmap rule "
                f"({self.__name__}) does not match that of the custom_vmap function.\nRule output: "
                f"{tree}\nFunction output: {self.out_tree}")
        return outs, flags


class _JvpOfRule:
    """A rule for primals and tangents together: the JVP of the rule for primals."""

    def __init__(self, rule: Any, nonzeros: Sequence[bool], out_nonzeros: Sequence[bool]):
        self.rule, self.nonzeros, self.out_nonzeros = rule, nonzeros, out_nonzeros
        self.__name__ = rule.__name__

    def __call__(self, size: int, batched: Sequence[bool], *leaves: Any) -> Any:
        count = len(self.nonzeros)
        primals, given = list(leaves[:count]), iter(leaves[count:])
        tangent_batched = iter(batched[count:])
        flags, tangents = list(batched[:count]), []
        for i, nonzero in enumerate(self.nonzeros):
            if not nonzero:
                tangents.append(Zero(tangent_aval(aval_of(primals[i]))))
                continue
            tangent, has_axis = next(given), next(tangent_batched)
            if has_axis or flags[i]:
                primals[i] = batch_at(primals[i], 0 if flags[i] else None, 0, size)
                tangent = batch_at(tangent, 0 if has_axis else None, 0, size)
                flags[i] = True
            tangents.append(tangent)
        out_batched: list[bool] = []

        def of_primals(*values: Any) -> list[Any]:
            outs, out_flags = self.rule(size, flags, *values)
            out_batched.extend(out_flags)
            return outs
        outs, dots = jvp_flat(of_primals, primals, tangents)
        kept = [(instantiate(d), b) for d, b, nz in zip(dots, out_batched, self.out_nonzeros,
                                                        strict=True) if nz]
        return [*outs, *(d for d, _ in kept)], [*out_batched, *(b for _, b in kept)]


def _jvp(primals: Any, tangents: Any, *, call: ClosedJaxpr, rule: Any, num_consts: int,
         **params: Any) -> Any:
    nonzeros = [type(t) is not Zero for t in tangents]
    new, out_nonzeros = jvp_jaxpr(call, nonzeros, False)
    if any(nonzeros[:num_consts]):  # what the rule does with values it closes over is not known
        outs = eval_jaxpr(new.jaxpr, new.consts, *primals,
                          *(t for t in tangents if type(t) is not Zero))
    else:
        outs = custom_vmap_call_p.bind(
            *primals, *(t for t in tangents if type(t) is not Zero), call=new,
            rule=_JvpOfRule(rule, nonzeros[num_consts:], out_nonzeros), num_consts=num_consts,
            **params)
    count = len(call.out_avals)
    rest = iter(outs[count:])
    return outs[:count], [next(rest) if nz else Zero(tangent_aval(a))
                          for nz, a in zip(out_nonzeros, call.out_avals, strict=True)]


def _batch(axis: Any, operands: Any, dims: Any, *, rule: Any, num_consts: int, **_: Any) -> Any:
    operands, dims = operands[num_consts:], dims[num_consts:]
    moved = [x if d is None else move_axis(x, d, 0) for x, d in zip(operands, dims, strict=True)]
    outs, batched = rule(axis.size, [d is not None for d in dims], *moved)
    return as_arrays(outs), [0 if b else None for b in batched]


def _partial_eval(trace: Any, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    """Reverse mode splits the function's own equations: no rule is known for their linear part."""
    call = params["call"]
    return eval_jaxpr(call.jaxpr, call.consts, *args)


custom_vmap_call_p = Primitive(
    "custom_vmap_call", multiple_results=True,
    type_rule=lambda *avals, call, **_: call.out_avals,
    execute=lambda *args, call, **_: as_arrays(eval_jaxpr(call.jaxpr, call.consts, *args)),
    jvp=_jvp, batch=_batch, partial_eval=_partial_eval, effects=lambda call, **_: call.effects,
    varying=BY_TYPES, hidden={"num_consts": ALWAYS}, lower=Inline(lambda params: params["call"]),
    stablehlo=lambda b, *args, call, **_: b.inline(call, args))


def sequential_vmap(f: Callable[..., Any]) -> custom_vmap:
    """`f`, such that `vmap` of it is a loop (`lax.map`) over the batch, not one big operation.

    Example:
      >>> vmap(sequential_vmap(lambda x: x + 1))(jnp.arange(3))
      Array([1, 2, 3], dtype=int32)
    """
    looped = custom_vmap(f)

    def rule(axis_size: int, in_batched: Any, *args: Any) -> Any:
        leaves, tree = pytree.tree_flatten(args)
        flags = pytree.tree_leaves(in_batched)

        def one(batched: Any) -> Any:
            values = iter(batched)
            full = [next(values) if b else x for x, b in zip(leaves, flags, strict=True)]
            return looped(*tree.unflatten(full))
        out = sequential_map(one, [x for x, b in zip(leaves, flags, strict=True) if b])
        return out, pytree.tree_map(lambda _: True, out)
    looped.def_vmap(rule)
    return looped
