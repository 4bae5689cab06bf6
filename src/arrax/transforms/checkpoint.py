"""`checkpoint` (`remat`): save little on the way forward, compute it again on the way back.

A call is an equation `remat2` over the jaxpr of the function. When a derivative splits it in known
and unknown work, the known part runs as it is, and the staged part is a `remat2` that starts with
the arguments (and what the policy lets be saved) and computes the residuals again.
"""
from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ParamSpec, TypeVar, overload

from arrax.core import config, pytree
from arrax.core.aliases import alias
from arrax.core.ad_values import UndefinedPrimal, Zero, tangent_aval
from arrax.core.aval import aval_of
from arrax.core.caching import memoize_on_jaxpr
from arrax.core.errors import ConcretizationTypeError, TracerBoolConversionError
from arrax.core.jaxpr import (ClosedJaxpr, DropVar, Eqn, Jaxpr, Literal, Var, eval_jaxpr,
                              no_debug_info)
from arrax.core.primitive import Primitive
from arrax.core.tracebacks import transforming
from arrax.core.trace import use
from arrax.core.lowering import Inline
from arrax.ops.rules import move_axis
from arrax.transforms import calls
from arrax.transforms.batching import axes_in, batch_jaxpr
from arrax.transforms.checkpoint_policies import Policy, may_save
from arrax.transforms.custom_rules import as_arrays
from arrax.transforms.jit import jit_p
from arrax.transforms.jvp import jvp_jaxpr
from arrax.transforms.partial_eval import dce_closed, dce_jaxpr, partial_eval_jaxpr
from arrax.transforms.refs import call_with_refs
from arrax.transforms.staged import flat_operands, stage_function
from arrax.transforms.staging import trace_to_jaxpr
from arrax.transforms.transpose import transpose_jaxpr

_unset = object()
_P = ParamSpec("_P")
_R = TypeVar("_R")


@overload
def checkpoint(fun: Callable[_P, _R], *, prevent_cse: bool | Sequence[bool] = True,
               policy: Policy | None = None, static_argnums: int | Sequence[int] = (),
               static_argnames: str | Iterable[str] = (), concrete: Any = _unset
               ) -> Callable[_P, _R]: ...
@overload
def checkpoint(fun: None = None, *, prevent_cse: bool | Sequence[bool] = True,
               policy: Policy | None = None, static_argnums: int | Sequence[int] = (),
               static_argnames: str | Iterable[str] = (), concrete: Any = _unset
               ) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]: ...
def checkpoint(fun: Callable[..., Any] | None = None, *,
               prevent_cse: bool | Sequence[bool] = True, policy: Policy | None = None,
               static_argnums: int | Sequence[int] = (),
               static_argnames: str | Iterable[str] = (),
               concrete: Any = _unset) -> Any:
    """Make `fun` recompute its intermediate values when it is differentiated, to save memory.

    Args:
      fun: the function; without it, a decorator is returned.
      prevent_cse: keep the recomputation apart from the first computation.
      policy: which intermediate values may be saved all the same (`checkpoint_policies`).
      static_argnums, static_argnames: arguments that are passed as they are; they may be used in
        Python control flow.

    Raises:
      NotImplementedError: for `concrete`, which is gone; use `static_argnums`.
      ValueError: for `static_argnums` out of range.

    Example:
      >>> grad(checkpoint(lambda x: jnp.sin(jnp.sin(x))))(1.0)
      Array(0.36003423, dtype=float32, weak_type=True)
    """
    if concrete is not _unset:
        raise NotImplementedError(
            "The `concrete` option to `jax.checkpoint` is gone. In its place please use "
            "`static_argnums`; for details refer to "
            "https://docs.jax.dev/en/latest/jep/11830-new-remat-checkpoint.html.")
    positions = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
    names = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    if fun is None:
        return functools.partial(checkpoint, prevent_cse=prevent_cse, policy=policy,
                                 static_argnums=positions, static_argnames=names)

    @transforming(fun)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        return call_with_refs(*_dynamic_part(fun, positions, names, args, kwargs), staged_call)

    def staged_call(call: Any, dynamic: tuple[Any, ...]) -> Any:
        leaves, in_tree = flat_operands(dynamic)
        try:
            staged = stage_function(call, in_tree, [aval_of(x) for x in leaves],
                                    "checkpoint / remat")
        except (ConcretizationTypeError, TracerBoolConversionError) as error:
            error.args = (f"{error.args[0]}\n\n{_STATIC_HINT}\n", *error.args[1:])
            raise
        outs = remat_p.bind(*staged.consts, *leaves, jaxpr=staged.closed, policy=policy,
                            prevent_cse=prevent_cse, differentiated=False)
        return staged.out_tree.unflatten(outs)
    return checkpointed


_STATIC_HINT = (
    "Consider using the `static_argnums` parameter for `jax.remat` or `jax.checkpoint`. See the "
    "`jax.checkpoint` docstring and its example involving `static_argnums`:\n"
    "https://docs.jax.dev/en/latest/_autosummary/jax.checkpoint.html")
remat = alias(checkpoint, "remat")


def _dynamic_part(fun: Callable[..., Any], positions: Sequence[int], names: Sequence[str],
                  args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
    """A function of positional arguments to trace, and these arguments."""
    if any(not -len(args) <= i < len(args) for i in positions):
        raise ValueError(
            "the `static_argnums` argument to `jax.checkpoint` / `jax.remat` can only take integer "
            "values greater than or equal to `-len(args)` and less than `len(args)`, but got "
            f"{tuple(positions)}, while `len(args)` = {len(args)}")
    if not positions and not kwargs:
        return fun, args
    static = {i % len(args) for i in positions}
    fixed = {k: v for k, v in kwargs.items() if k in names}
    rest = {k: v for k, v in kwargs.items() if k not in names}

    @transforming(fun)
    def call(named: dict[str, Any], *dynamic: Any) -> Any:
        values = iter(dynamic)
        return fun(*(a if i in static else next(values) for i, a in enumerate(args)),
                   **fixed, **named)
    return call, (rest, *(a for i, a in enumerate(args) if i not in static))


# ---- the primitive -------------------------------------------------------------------------------

def _jvp(primals: Any, tangents: Any, *, jaxpr: ClosedJaxpr, **params: Any) -> Any:
    new, out_nonzeros = jvp_jaxpr(jaxpr, [type(t) is not Zero for t in tangents], False)
    outs = remat_p.bind(*primals, *(t for t in tangents if type(t) is not Zero), jaxpr=new,
                        **params)
    count = len(jaxpr.out_avals)
    rest = iter(outs[count:])
    return outs[:count], [next(rest) if nz else Zero(tangent_aval(a))
                          for nz, a in zip(out_nonzeros, jaxpr.out_avals, strict=True)]


def _transpose(cotangents: Any, *operands: Any, jaxpr: ClosedJaxpr, **params: Any) -> list[Any]:
    linear = [type(x) is UndefinedPrimal for x in operands]
    new, nonzeros = transpose_jaxpr(jaxpr, linear, [type(c) is not Zero for c in cotangents])
    outs = iter(remat_p.bind(
        *(x for x, lin in zip(operands, linear, strict=True) if not lin),
        *(c for c in cotangents if type(c) is not Zero), jaxpr=new, **params))
    flags = iter(nonzeros)
    return [(next(outs) if next(flags) else Zero(tangent_aval(x.aval))) if lin else None
            for x, lin in zip(operands, linear, strict=True)]


def _batch(axis: Any, operands: Any, dims: Any, *, jaxpr: ClosedJaxpr, **params: Any) -> Any:
    new, batched = batch_jaxpr(jaxpr, axis, [d is not None for d in dims])
    moved = [x if d is None else move_axis(x, d, 0) for x, d in zip(operands, dims, strict=True)]
    return remat_p.bind(*moved, jaxpr=new, **params), [0 if b else None for b in batched]


def _dce(used_outputs: Sequence[bool], eqn: Eqn) -> tuple[list[bool], Eqn | None]:
    new, used = dce_closed(eqn.params["jaxpr"], used_outputs)
    if not new.eqns and not new.jaxpr.outvars:
        return [False] * len(eqn.invars), None
    return used, eqn.replace(
        invars=[v for v, u in zip(eqn.invars, used, strict=True) if u],
        outvars=[v for v, u in zip(eqn.outvars, used_outputs, strict=True) if u],
        params={**eqn.params, "jaxpr": new}, effects=new.effects)


def _partial_eval(trace: Any, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    unknowns = tuple(trace.owns(a) for a in args)
    known, staged, out_unknowns, used_known = _split(params["jaxpr"], unknowns, params["policy"])
    known_args = [a for a, u in zip(args, unknowns, strict=True) if not u]
    with use(trace.parent):
        known_outs = eval_jaxpr(known.jaxpr, known.consts, *known_args)
    count = len(out_unknowns) - sum(out_unknowns)
    operands = [*known_outs[count:],
                *(a for a, used in zip(known_args, used_known, strict=True) if used),
                *(a for a, u in zip(args, unknowns, strict=True) if u)]
    outs = iter(trace.record(remat_p, operands,
                             {**params, "jaxpr": staged, "differentiated": True})
                if staged.out_avals else [])
    known_iter = iter(known_outs[:count])
    return [next(outs) if u else next(known_iter) for u in out_unknowns]


@memoize_on_jaxpr
def _split(jaxpr: ClosedJaxpr, unknowns: tuple[bool, ...], policy: Policy | None) -> Any:
    """(known, staged, which outputs are unknown, which known inputs the staged part reads).

    known: known inputs → (known outputs, saved values);
    staged: (saved values, known inputs it reads, unknown inputs) → unknown outputs; it computes the
    residuals again from its known inputs and the saved values.
    """
    full, tangent_part, out_unknowns, residual_avals = partial_eval_jaxpr(jaxpr, unknowns)
    full = _inlined(full)
    body = full.jaxpr
    count = len(body.outvars) - len(residual_avals)
    residuals = body.outvars[count:]
    saved = _needed_saved(body, residuals, policy)
    if config.log_checkpoint_residuals.value:
        _log_residuals(body, saved)
    again = Jaxpr(body.constvars, [*saved, *body.invars], residuals,
                  [_without(e, saved) for e in body.eqns if not e.effects],
                  debug_info=no_debug_info)
    again, used = dce_jaxpr(again, [True] * len(residuals), keep_inputs=True)
    used_known = used[len(saved):]
    again = again.replace(invars=[*saved, *(v for v, u in zip(body.invars, used_known, strict=True)
                                            if u)])

    def recompute(*args: Any) -> list[Any]:
        found = eval_jaxpr(again, full.consts, *args[:len(again.invars)])
        return eval_jaxpr(tangent_part.jaxpr, tangent_part.consts, *found,
                          *args[len(again.invars):])
    unknown_avals = [a for a, u in zip(jaxpr.in_avals, unknowns, strict=True) if u]
    staged = trace_to_jaxpr(recompute, [*(v.aval for v in again.invars), *unknown_avals],
                            jaxpr.jaxpr.debug_info)
    known = ClosedJaxpr(body.replace(outvars=[*body.outvars[:count], *saved]), full.consts)
    live, _ = dce_jaxpr(known.jaxpr, [True] * len(known.jaxpr.outvars), keep_inputs=True)
    return ClosedJaxpr(live, full.consts), staged, out_unknowns, used_known


def _log_residuals(body: Jaxpr, saved: Sequence[Var]) -> None:
    made_by = {v: eqn for eqn in body.eqns for v in eqn.outvars}
    lines = [f"  {v.aval.str_short(True)} output of {made_by[v].primitive.name} from "
             f"{made_by[v].source_info}" for v in saved]
    logging.getLogger("arrax").warning(
        "checkpoint saves %d values and its arguments:\n%s", len(saved), "\n".join(lines))


def _without(eqn: Eqn, saved: Sequence[Var]) -> Eqn:
    """The equation with the results that are saved, and so given, dropped."""
    if not any(v in saved for v in eqn.outvars):
        return eqn
    return eqn.replace(outvars=[DropVar(v.aval) if v in saved else v for v in eqn.outvars])


def _needed_saved(body: Jaxpr, residuals: Sequence[Any], policy: Policy | None) -> list[Var]:
    """The variables to save: those on the way back from the residuals where the policy says so."""
    made_by = {v: eqn for eqn in body.eqns for v in eqn.outvars}
    saved: dict[Var, None] = {}
    stack = [v for v in residuals if type(v) is not Literal]
    seen: set[Var] = set()
    while stack:
        var = stack.pop()
        eqn = made_by.get(var)
        if var in seen or eqn is None:
            continue
        seen.add(var)
        if eqn.effects or _saveable(policy, eqn, var):
            saved[var] = None
        else:
            stack.extend(v for v in eqn.invars if type(v) is not Literal)
    return list(saved)


def _saveable(policy: Policy | None, eqn: Eqn, var: Var) -> bool:
    """Whether the policy saves `var`; a stacked output of a scan is judged by what makes it."""
    if policy is None:
        return False
    if eqn.primitive.inside is not None:
        source, inner = eqn.primitive.inside(eqn, eqn.outvars.index(var))
        return any(_saveable(policy, e, source) for e in inner.eqns if source in e.outvars)
    return may_save(policy, eqn)


@memoize_on_jaxpr
def _inlined(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The jaxpr with `jit` calls replaced by their equations, so that policies see these."""
    if not any(eqn.primitive is jit_p for eqn in closed.eqns):
        return closed

    def evaluate(jaxpr: Jaxpr, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
        env: dict[Var, Any] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args],
                                       strict=True))
        for eqn in jaxpr.eqns:
            operands = [v.val if type(v) is Literal else env[v] for v in eqn.invars]
            if eqn.primitive is jit_p:
                inner = eqn.params["jaxpr"]
                outs = evaluate(inner.jaxpr, inner.consts, operands)
            else:
                out = eqn.primitive.bind(*operands, **eqn.params)
                outs = out if eqn.primitive.multiple_results else [out]
            env.update(zip(eqn.outvars, outs, strict=True))
        return [v.val if type(v) is Literal else env[v] for v in jaxpr.outvars]
    return trace_to_jaxpr(lambda *args: evaluate(closed.jaxpr, closed.consts, args),
                          closed.in_avals, closed.jaxpr.debug_info)


def _stablehlo(b: Any, *args: Any, jaxpr: ClosedJaxpr, prevent_cse: Any, differentiated: bool,
               **_: Any) -> Any:
    """The barrier keeps compilers from taking the values of the forward pass instead."""
    apart = any(prevent_cse) if isinstance(prevent_cse, Sequence) else prevent_cse
    return b.inline(jaxpr, b.barrier(args) if differentiated and apart else args)


remat_p = Primitive(
    "remat2", multiple_results=True,
    type_rule=lambda *avals, jaxpr, **_: jaxpr.out_avals,
    execute=lambda *args, jaxpr, **_: as_arrays(eval_jaxpr(jaxpr.jaxpr, jaxpr.consts, *args)),
    jvp=_jvp, transpose=_transpose, batch=_batch, partial_eval=_partial_eval, dce=_dce,
    effects=lambda jaxpr, **_: jaxpr.effects, named_axes=lambda jaxpr, **_: axes_in(jaxpr),
    lower=Inline(lambda params: params["jaxpr"]), stablehlo=_stablehlo)


# ---- looking at it -------------------------------------------------------------------------------

def saved_residuals(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> list[tuple[Any, str]]:
    """What differentiation of `fun` at these arguments keeps: (aval, where it comes from)."""
    leaves, tree = pytree.tree_flatten((args, kwargs))
    flat = calls.FlatCall(fun, tree)
    info = calls.debug_info("saved_residuals", fun, args, kwargs)
    closed = trace_to_jaxpr(flat, [calls.shaped(x) for x in leaves], info)
    count = len(closed.in_avals)
    differentiable = [tangent_aval(a).dtype == a.dtype for a in closed.in_avals]
    tangent_jaxpr, _ = jvp_jaxpr(closed, differentiable, False)
    known, _, _, residual_avals = partial_eval_jaxpr(
        tangent_jaxpr, [False] * count + [True] * sum(differentiable))
    body = known.jaxpr
    made_by = {v: eqn for eqn in body.eqns for v in eqn.outvars}
    found = []
    for var in body.outvars[len(body.outvars) - len(residual_avals):]:
        if type(var) is Literal:
            found.append((var.aval, "from a literal"))
        elif var in made_by:
            eqn = made_by[var]
            found.append((var.aval, f"output of {eqn.primitive.name} from {eqn.source_info}"))
        elif var in body.invars:
            found.append((var.aval,
                          f"from the argument {info.arg_name(body.invars.index(var))}"))
        else:
            found.append((var.aval, "from a constant"))
    return found


def print_saved_residuals(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Print what differentiation of `fun` at these arguments keeps, one value a line."""
    for aval, source in saved_residuals(fun, *args, **kwargs):
        print(f"{aval.str_short(True)} {source}")
