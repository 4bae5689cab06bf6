"""`custom_linear_solve`: solve A x = b by the user's method, differentiated implicitly.

    solve(*consts, *b) = (*x, *aux)    where matvec(x) = b

The derivative solves again with the same method: A dx = db - dA x; the transpose solves with the
transposed matrix. Four jaxprs stand in the parameters, each with its own leading constants.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from arrax.control.jaxprs import split_at
from arrax.control.running import avals_of, run_eagerly, wrapped
from arrax.core import pytree
from arrax.core.ad_values import UndefinedPrimal, Zero, tangent_aval
from arrax.core.aval import aval_of
from arrax.core.caching import memoize_on_jaxpr
from arrax.core.jaxpr import ClosedJaxpr, Jaxpr, Var, eval_jaxpr, no_debug_info
from arrax.core.primitive import Primitive
from arrax.core.lowering import Inline
from arrax.core.tracebacks import filtered
from arrax.ops.p import neg_p, sub_p
from arrax.ops.rules import batch_at, instantiate, move_axis
from arrax.transforms.batching import axes_in, batch_jaxpr
from arrax.transforms.jvp import jvp_jaxpr
from arrax.transforms.staged import Staged, flat_operands, stage_function
from arrax.transforms.transpose import transpose_jaxpr_instantiated


class _LinearSolveTuple(NamedTuple):
    """One thing for each of the four functions; the names are those of the parameters' text."""

    matvec: Any
    vecmat: Any
    solve: Any
    transpose_solve: Any

    def transposed(self) -> _LinearSolveTuple:
        """The functions of the transposed system."""
        return _LinearSolveTuple(self.vecmat, self.matvec, self.transpose_solve, self.solve)


@filtered
def custom_linear_solve(matvec: Callable[..., Any], b: Any, solve: Callable[..., Any],
                        transpose_solve: Callable[..., Any] | None = None,
                        symmetric: bool = False, has_aux: bool = False) -> Any:
    """Solve matvec(x) = b for x by a method of yours, with implicit derivatives.

    Args:
      matvec: a linear function from a pytree like `b` to one like `b`. Arrays that it closes over
        are differentiated.
      b: the right-hand side, a pytree of arrays.
      solve: function (matvec, b) → x; with `has_aux`, (x, aux).
      transpose_solve: function (vecmat, b) → x that solves the transposed system; reverse mode
        needs it.
      symmetric: whether matvec is symmetric (Hermitian); then `solve` is used for the transpose.
      has_aux: whether `solve` returns auxiliary data too, which is not differentiated.

    Returns:
      x, or (x, aux) with `has_aux`.

    Raises:
      ValueError: if a function returns other shapes than those of `b`.
      TypeError: when transposed without `transpose_solve`.

    Example:
      >>> A = jnp.array([[2.0, 0.0], [0.0, 4.0]])
      >>> lax.custom_linear_solve(lambda x: A @ x, jnp.ones(2),
      ...                         lambda mv, b: jnp.linalg.solve(A, b), symmetric=True)
      Array([0.5 , 0.25], dtype=float32)
    """
    if transpose_solve is None and symmetric:
        transpose_solve = solve
    flat_b, tree = flat_operands(b)
    avals = avals_of(flat_b)
    in_tree = pytree.treedef_tuple((tree,))
    forward = stage_function(matvec, in_tree, avals, "custom_linear_solve")
    _check_shapes("matvec()", forward.out_tree, forward.out_avals, tree, avals)
    solved = stage_function(lambda b: solve(matvec, b), in_tree, avals, "custom_linear_solve")
    _check_solution("solve()", solved, tree, avals, has_aux)
    backward = transposed = None
    if transpose_solve is not None:
        backward = forward if symmetric else _transposed_matvec(forward, len(avals))
        vecmat, back_solve = _as_function(backward, tree), transpose_solve
        transposed = stage_function(lambda b: back_solve(vecmat, b), in_tree, avals,
                                    "custom_linear_solve")
        _check_solution("transpose_solve()", transposed, tree, avals, has_aux)
    parts = _LinearSolveTuple(forward, backward, solved, transposed)
    consts = [c for part in parts if part is not None for c in part.consts]
    outs = linear_solve_p.bind(
        *consts, *flat_b,
        const_lengths=_LinearSolveTuple(*(len(p.consts) if p else 0 for p in parts)),
        jaxprs=_LinearSolveTuple(*(p.closed if p else None for p in parts)))
    return solved.out_tree.unflatten(outs)


def _check_shapes(name: str, tree: Any, avals: Sequence[Any], want_tree: Any,
                  want: Sequence[Any]) -> None:
    shapes, expected = [a.shape for a in avals], [a.shape for a in want]
    if shapes != expected:
        raise ValueError(f"{name} output shapes must match b, got {shapes} and {expected}")
    if tree != want_tree:
        raise TypeError(f"{name} output and b must have the same tree structure, got {tree} and "
                        f"{want_tree}")


def _check_solution(name: str, staged: Staged, tree: Any, avals: Sequence[Any], has_aux: bool,
                    ) -> None:
    out_tree, out_avals = staged.out_tree, staged.out_avals
    if has_aux:
        children = out_tree.children()
        if len(children) != 2:
            raise TypeError(f"{name} must return a pair with has_aux=True, got {out_tree}")
        out_tree = children[0]
    _check_shapes(name, out_tree, out_avals[:out_tree.num_leaves], tree, avals)


def _transposed_matvec(forward: Staged, count: int) -> Staged:
    num_consts = len(forward.consts)
    closed = transpose_jaxpr_instantiated(
        forward.closed, [False] * num_consts + [True] * count, [True] * count)
    return Staged(closed, forward.consts, forward.out_tree)


def _as_function(staged: Staged, tree: Any) -> Callable[[Any], Any]:
    def function(x: Any) -> Any:
        leaves = pytree.tree_leaves(x)
        return tree.unflatten(eval_jaxpr(staged.closed.jaxpr, staged.closed.consts,
                                         *staged.consts, *leaves))
    return function


# ---- rules ---------------------------------------------------------------------------------------

def _split(values: Sequence[Any], lengths: Any) -> tuple[_LinearSolveTuple, list[Any]]:
    *consts, b = split_at(values, *lengths)
    return _LinearSolveTuple(*consts), b


def _bind(jaxprs: Any, consts: Any, b: Sequence[Any]) -> list[Any]:
    lengths = _LinearSolveTuple(*map(len, consts))
    return linear_solve_p.bind(
        *(c for part in consts for c in part), *b, const_lengths=lengths, jaxprs=jaxprs)


def _evaluate(*data: Any, const_lengths: Any, jaxprs: Any) -> list[Any]:
    consts, b = _split(data, const_lengths)
    args = wrapped([*consts.solve, *b], jaxprs.solve.in_avals)
    return [o.data for o in run_eagerly(jaxprs.solve, args)]


def _execute(*args: Any, const_lengths: Any, jaxprs: Any) -> list[Any]:
    consts, b = _split(args, const_lengths)
    return run_eagerly(jaxprs.solve, [*consts.solve, *b])


def _jvp(primals: Any, tangents: Any, *, const_lengths: Any, jaxprs: Any) -> Any:
    consts, b = _split(primals, const_lengths)
    consts_dot, b_dot = _split(tangents, const_lengths)
    outs = linear_solve_p.bind(*primals, const_lengths=const_lengths, jaxprs=jaxprs)
    x, aux = outs[:len(b)], outs[len(b):]
    given = [type(t) is not Zero for t in consts_dot.matvec]
    right = list(b_dot)
    if any(given):
        moved, _ = jvp_jaxpr(jaxprs.matvec, given + [False] * len(b), True)
        out = eval_jaxpr(moved.jaxpr, moved.consts, *consts.matvec, *x,
                         *(t for t in consts_dot.matvec if type(t) is not Zero))
        neg = neg_p.bind
        sub = sub_p.bind
        right = [neg(m) if type(t) is Zero else sub(t, m)
                 for t, m in zip(b_dot, out[len(b):], strict=True)]
    if all(type(t) is Zero for t in right):
        x_dot: list[Any] = [Zero(tangent_aval(aval_of(v))) for v in x]
    else:
        x_dot = _bind(jaxprs, consts, [instantiate(t) for t in right])[:len(b)]
    return outs, [*x_dot, *(Zero(tangent_aval(aval_of(a))) for a in aux)]


def _transpose(cotangents: Any, *operands: Any, const_lengths: Any, jaxprs: Any) -> list[Any]:
    if jaxprs.transpose_solve is None:
        raise TypeError("transpose_solve required for backwards mode automatic differentiation of "
                        "custom_linear_solve")
    consts, b = _split(operands, const_lengths)
    cts = cotangents[:len(b)]
    nones: list[Any] = [None] * sum(const_lengths)
    if all(type(c) is Zero for c in cts):
        return nones + [Zero(x.aval) if type(x) is UndefinedPrimal else None for x in b]
    outs = _bind(jaxprs.transposed(), consts.transposed(), [instantiate(c) for c in cts])
    return nones + outs[:len(b)]


def _batch(axis: Any, operands: Any, dims: Any, *, const_lengths: Any, jaxprs: Any) -> Any:
    pairs, b_pairs = _split(list(zip(operands, dims, strict=True)), const_lengths)
    new: list[Any] = []
    for jaxpr, part in zip(jaxprs, pairs, strict=True):
        if jaxpr is None:
            new.append(None)
            continue
        flags = [d is not None for _, d in part] + [True] * len(b_pairs)
        new.append(batch_jaxpr(jaxpr, axis, flags, True)[0])
    consts = _LinearSolveTuple(*([x if d is None else move_axis(x, d, 0) for x, d in part]
                                 for part in pairs))
    b = [batch_at(x, d, 0, axis.size) for x, d in b_pairs]
    outs = _bind(_LinearSolveTuple(*new), consts, b)
    return outs, [0] * len(outs)


def _inlined(params: dict[str, Any]) -> ClosedJaxpr:
    """`solve` over all operands of the equation, for the compiler."""
    lengths, jaxprs = params["const_lengths"], params["jaxprs"]
    others = tuple(tuple(j.in_avals[:n]) if j is not None else ()
                   for j, n in zip(jaxprs, lengths, strict=True))
    return _solve_of_all(jaxprs.solve, tuple(lengths), others)


@memoize_on_jaxpr
def _solve_of_all(solve: ClosedJaxpr, lengths: tuple[int, ...], others: Any) -> ClosedJaxpr:
    own, b = split_at(solve.jaxpr.invars, lengths[2])
    matvec, vecmat, _, transpose_solve = ([Var(a) for a in avals] for avals in others)
    invars = [*matvec, *vecmat, *own, *transpose_solve, *b]
    return ClosedJaxpr(Jaxpr(solve.jaxpr.constvars, invars, solve.jaxpr.outvars, solve.jaxpr.eqns,
                             solve.jaxpr.effects, no_debug_info), solve.consts)


linear_solve_p = Primitive(
    "custom_linear_solve", multiple_results=True,
    type_rule=lambda *avals, jaxprs, **_: jaxprs.solve.out_avals,
    evaluate=_evaluate, execute=_execute, jvp=_jvp, transpose=_transpose, batch=_batch,
    lower=Inline(_inlined), named_axes=lambda jaxprs, **_: axes_in(*jaxprs),
    stablehlo=lambda b, *args, **params: b.inline(_inlined(params), args))
