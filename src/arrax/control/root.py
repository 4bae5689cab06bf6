"""`custom_root`: find a root by the user's method, differentiated implicitly."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arrax.control.linear_solve import custom_linear_solve
from arrax.control.running import avals_of
from arrax.core import pytree
from arrax.core.aval import aval_of
from arrax.core.jaxpr import eval_jaxpr
from arrax.core.ad_values import Zero, tangent_aval
from arrax.core.tracebacks import filtered
from arrax.ops.p import neg_p
from arrax.ops.rules import instantiate
from arrax.transforms.api_ad import jvp, linearize
from arrax.transforms.custom_jvp import custom_jvp
from arrax.transforms.staged import flat_operands, stage_function


@filtered
def custom_root(f: Callable[..., Any], initial_guess: Any, solve: Callable[..., Any],
                tangent_solve: Callable[..., Any], has_aux: bool = False) -> Any:
    """Find x with f(x) = 0 by a method of yours, with implicit derivatives.

    By the implicit function theorem, dx solves (df/dx) dx = -df, where df is the change of f at the
    fixed root by what f closes over.

    Args:
      f: function from a pytree like `initial_guess` to one like it.
      initial_guess: where to start; its derivative does not matter.
      solve: function (f, initial_guess) → root; with `has_aux`, (root, aux).
      tangent_solve: function (g, y) → x with g(x) = y, for a linear function g like f.
      has_aux: whether `solve` returns auxiliary data too.

    Returns:
      the root, or (root, aux).

    Raises TypeError if `f` or `solve` return another structure than `initial_guess` has.

    Example:
      >>> newton = lambda f, x: lax.fori_loop(0, 9, lambda _, x: x - f(x) / grad(f)(x), x)
      >>> def root(a):
      ...     return lax.custom_root(lambda x: x * x - a, 1.0, newton, lambda g, y: y / g(1.0))
      >>> grad(root)(4.0)
      Array(0.25, dtype=float32, weak_type=True)
    """
    guess, tree = flat_operands(initial_guess)
    in_tree = pytree.treedef_tuple((tree,))
    avals = avals_of(guess)
    function = stage_function(f, in_tree, avals, "custom_root")
    _check_tree("f", "initial_guess", function.out_tree, tree)
    solver = stage_function(lambda x: solve(f, x), in_tree, avals, "custom_root")
    solution_tree = solver.out_tree.children()[0] if has_aux else solver.out_tree
    _check_tree("solve", "initial_guess", solution_tree, tree)
    count = len(guess)

    def residual(consts: Any, *x: Any) -> Any:
        return tree.unflatten(eval_jaxpr(function.closed.jaxpr, function.closed.consts,
                                         *consts, *x))

    @custom_jvp
    def root(f_consts: Any, solve_consts: Any, x: Any) -> Any:
        return eval_jaxpr(solver.closed.jaxpr, solver.closed.consts, *solve_consts, *x)

    @root.defjvp
    def root_jvp(primals: Any, tangents: Any) -> Any:
        f_consts, solve_consts, x = primals
        outs = root(f_consts, solve_consts, x)
        solution = outs[:count]
        _, change = jvp(lambda c: residual(c, *solution), (f_consts,), (tangents[0],))
        _, slope = linearize(lambda y: residual(f_consts, *pytree.tree_leaves(y)),
                             tree.unflatten(solution))
        right = pytree.tree_map(neg_p.bind, change)

        def checked_solve(g: Any, y: Any) -> Any:
            found = tangent_solve(g, y)
            _check_tree("tangent_solve", "x", pytree.tree_structure(found), tree)
            return found
        dots = custom_linear_solve(slope, right, checked_solve, checked_solve)
        rest = [instantiate(Zero(tangent_aval(aval_of(o)))) for o in outs[count:]]
        return outs, [*pytree.tree_leaves(dots), *rest]

    return solver.out_tree.unflatten(root(function.consts, solver.consts, guess))


def _check_tree(name: str, expected_name: str, tree: Any, expected: Any) -> None:
    if tree != expected:
        raise TypeError(f"{name}() output pytree structure must match {expected_name}, got {tree} "
                        f"and {expected}.")
