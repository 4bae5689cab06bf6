"""`custom_vjp`: functions with a reverse derivative of the user's.

Differentiation runs the forward rule and leaves an equation `custom_lin` for the linear map: it is
never computed, only transposed, which calls the backward rule on the residuals.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from arrax.core import config, pytree
from arrax.core.ad_values import UndefinedPrimal, Zero, tangent_aval
from arrax.core.dtypes import float0
from arrax.core.errors import UnexpectedTracerError
from arrax.core.evaluate import EVAL
from arrax.core.jaxpr import ClosedJaxpr
from arrax.core.primitive import BY_TYPES, NotApplicable, Primitive
from arrax.core.printer import ALWAYS
from arrax.core.trace import Tracer, current
from arrax.core.tracebacks import filter_error
from arrax.core.lowering import HostCall
from arrax.ops.p import convert_element_type_p, reduce_sum_p
from arrax.ops.rules import instantiate
from arrax.transforms import calls
from arrax.transforms.batching import batch_flat, to_dim
from arrax.transforms.custom_jvp import batched_call
from arrax.transforms.custom_rules import (FlatFunction, OutTree, SymbolicZero, batched,
                                           call_primitive, copy_attributes, eager_result,
                                           is_symbolic, is_unmapped_call, is_zero_tangent,
                                           nondiff_positions, positional_arguments, split_nondiff,
                                           unbatched, with_nondiff)


class CustomVJPException(Exception):
    """A custom_vjp function was differentiated with respect to a value it closes over."""

    def __init__(self) -> None:
        super().__init__(
            "Detected differentiation of a custom_vjp function with respect to a closed-over "
            "value. That isn't supported because the custom VJP rule only specifies how to "
            "differentiate the custom_vjp function with respect to explicit input parameters. Try "
            "passing the closed-over value into the custom_vjp function as an argument, and "
            "adapting the custom_vjp fwd and bwd rules.")


@dataclass
class CustomVJPPrimal:
    """An argument of a forward rule defined with `symbolic_zeros=True`: its value, and whether it
    is being differentiated."""

    value: Any
    perturbed: bool


def custom_vjp_primal_tree_values(tree: Any) -> Any:
    """The tree with each `CustomVJPPrimal` replaced by its value."""
    def is_primal(x: Any) -> bool:
        return isinstance(x, CustomVJPPrimal)
    return pytree.tree_map(lambda x: x.value if is_primal(x) else x, tree, is_leaf=is_primal)


class custom_vjp:
    """A function whose VJP is given by a forward and a backward rule of the user's.

    Args:
      fun: the function, of positional or keyword arguments (arrays or pytrees of arrays).
      nondiff_argnums, nondiff_argnames: arguments that are not differentiated; they may be anything
        but traced values. The forward rule gets them in their places, the backward rule first.

    Forward-mode differentiation of such a function raises TypeError.

    Example:
      >>> @custom_vjp
      ... def f(x, y):
      ...     return jnp.sin(x) * y
      >>> def f_fwd(x, y):
      ...     return f(x, y), (jnp.cos(x), jnp.sin(x), y)
      >>> def f_bwd(residuals, g):
      ...     cos_x, sin_x, y = residuals
      ...     return cos_x * g * y, sin_x * g
      >>> f.defvjp(f_fwd, f_bwd)
    """

    fun: Callable[..., Any]

    def __init__(self, fun: Callable[..., Any], nondiff_argnums: Sequence[int] = (),
                 nondiff_argnames: Sequence[str] = ()):
        copy_attributes(self, fun)
        self.fun = fun
        self.nondiff_argnums = nondiff_positions(fun, nondiff_argnums, nondiff_argnames)
        self.fwd: Callable[..., Any] | None = None
        self.bwd: Callable[..., Any] | None = None
        self.symbolic_zeros = False
        self.optimize_remat = False

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any],
               symbolic_zeros: bool = False, optimize_remat: bool = False) -> None:
        """Set the rules.

        Args:
          fwd: function of the arguments → (result, residuals), residuals any pytree of arrays.
          bwd: function (residuals, cotangent of the result) → tuple with the cotangent of each
            argument; None stands for zero.
          symbolic_zeros: `fwd` gets `CustomVJPPrimal`s, `bwd` may get `SymbolicZero`s.
          optimize_remat: accepted; forward rules are recomputed as a whole in any case.
        """
        self.fwd, self.bwd = fwd, bwd
        self.symbolic_zeros, self.optimize_remat = symbolic_zeros, optimize_remat

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if current() is EVAL and not kwargs and self.fwd is not None and self.bwd is not None:
                return eager_result(self.fun(*args))
            return self._bound(args, kwargs)
        except Exception as error:
            filter_error(error)
            raise

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The call as an equation."""
        if self.fwd is None or self.bwd is None:
            raise AttributeError("No VJP defined for custom_vjp function "
                                 f"{calls.function_name(self.fun)} using defvjp.")
        args = positional_arguments(self.fun, "custom_vjp", args, kwargs)
        positions = self.nondiff_argnums
        dynamic, nondiff = split_nondiff(args, positions)
        _check_no_tracers(nondiff)

        def whole(dyn: Sequence[Any]) -> list[Any]:
            return with_nondiff(positions, len(args), dyn, nondiff)
        leaves, in_tree = pytree.tree_flatten(tuple(dynamic))
        if is_unmapped_call(leaves):
            return eager_result(self.fun(*args))
        out_tree, name = OutTree(), calls.function_name(self.fun)
        fwd = ForwardRule(self.fwd, self.bwd, whole, nondiff, in_tree, out_tree,
                          self.symbolic_zeros, name)
        outs = custom_vjp_call_p.bind(
            *leaves, name=name,
            call_jaxpr=FlatFunction(lambda *dyn: self.fun(*whole(dyn)), in_tree, out_tree, name),
            fwd=fwd, bwd=self.bwd, num_consts=0, symbolic_zeros=self.symbolic_zeros)
        return out_tree.value.unflatten(outs)

    def __getattr__(self, name: str) -> Any:
        if name == "fun":
            raise AttributeError(name)
        return getattr(self.fun, name)


def _check_no_tracers(nondiff: Sequence[Any]) -> None:
    if any(isinstance(leaf, Tracer) for leaf in pytree.tree_leaves(nondiff)):
        raise UnexpectedTracerError(
            "Found a JAX Tracer object passed as an argument to a custom_vjp function in a "
            "position indicated by nondiff_argnums as non-differentiable. Tracers cannot be "
            "passed as non-differentiable arguments to custom_vjp functions; instead, "
            "nondiff_argnums should only be used for arguments that can't be or contain JAX "
            "tracers, e.g. function-valued arguments. In particular, array-valued arguments "
            "should typically not be indicated as nondiff_argnums.")


# ---- rules ---------------------------------------------------------------------------------------

class ForwardRule:
    """The forward rule on flat primals: `rule(primals, perturbed)` gives (results, residuals,
    backward), where `backward(residuals, cotangents)` gives the cotangents of the primals.

    Cotangents are values or `Zero`s.
    """

    def __init__(self, fwd: Callable[..., Any], bwd: Callable[..., Any],
                 whole: Callable[[Any], list[Any]], nondiff: Sequence[Any], in_tree: Any,
                 out_tree: OutTree, symbolic_zeros: bool, function_name: str):
        self.fwd, self.bwd, self.whole, self.nondiff = fwd, bwd, whole, nondiff
        self.in_tree, self.out_tree = in_tree, out_tree
        self.symbolic_zeros, self.function_name = symbolic_zeros, function_name
        self.__name__ = calls.function_name(fwd)

    def __call__(self, primals: Sequence[Any], perturbed: Sequence[bool]) -> Any:
        args = primals if not self.symbolic_zeros else \
            [CustomVJPPrimal(p, bool(f)) for p, f in zip(primals, perturbed, strict=True)]
        pair = self.fwd(*self.whole(self.in_tree.unflatten(args)))
        who, function = f"Custom VJP fwd rule {self.__name__}", self.function_name
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(
                f"{who} for function {function} must produce a pair (list or tuple of length two) "
                "where the first element represents the primal output (equal to those of the "
                f"custom_vjp-decorated function {function}) and the second element represents "
                "residuals (i.e. values stored from the forward pass for use on the backward "
                f"pass), but instead of a pair the fwd rule {self.__name__} produced {pair}.")
        outs, tree = pytree.tree_flatten(pair[0])
        self._check_tree(tree, who)
        residuals, residual_tree = pytree.tree_flatten(pair[1])
        avals = [calls.checked_aval(p) for p in primals]
        return outs, residuals, _Backward(self.bwd, self.nondiff, self.in_tree, avals,
                                          residual_tree, tree)

    def _check_tree(self, tree: Any, who: str) -> None:
        known = self.out_tree.value
        if known is None:
            self.out_tree.value = tree
        elif known != tree:
            raise TypeError(
                f"{who} for function {self.function_name} must produce a pair (list or tuple of "
                "length two) where the first element represents the primal output (equal to the "
                f"output of the custom_vjp-decorated function {self.function_name}) and the second "
                "element represents residuals (i.e. values stored from the forward pass for use on "
                "the backward pass), but instead the fwd rule output's first element had "
                f"container/pytree structure:\n    {tree}\nwhile the custom_vjp-decorated function "
                f"{self.function_name} had output container/pytree structure:\n    {known}.")


class _Backward:
    """The backward rule on flat residuals and cotangents."""

    def __init__(self, bwd: Callable[..., Any], nondiff: Sequence[Any], in_tree: Any,
                 in_avals: Sequence[Any], residual_tree: Any, out_tree: Any):
        self.bwd, self.nondiff = bwd, nondiff
        self.in_tree, self.in_avals = in_tree, in_avals
        self.residual_tree, self.out_tree = residual_tree, out_tree
        self.__name__ = calls.function_name(bwd)

    def __call__(self, residuals: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        cts = self.out_tree.unflatten(
            [SymbolicZero(c.aval) if type(c) is Zero else c for c in cotangents])
        found = self.bwd(*self.nondiff, self.residual_tree.unflatten(residuals), cts)
        return [_checked(ct, aval, path)
                for ct, aval, path in zip(self._flat(found), self.in_avals, self._paths(),
                                          strict=True)]

    def _flat(self, found: Any) -> list[Any]:
        """The cotangents per primal leaf; None stands for a zero subtree."""
        out: list[Any] = []
        arguments = self.in_tree.children()
        if isinstance(found, list):
            found = tuple(found)
        if not isinstance(found, tuple) or len(found) != len(arguments) \
                or not all(_match(t, f, out) for t, f in zip(arguments, found, strict=True)):
            structure = pytree.tree_structure(found, is_leaf=is_symbolic)
            raise TypeError(
                "Custom VJP bwd rule must produce an output with the same container (pytree) "
                "structure as the args tuple of the primal function, and in particular must "
                "produce a tuple of length equal to the number of arguments to the primal "
                f"function, but got bwd output structure {structure} for primal input structure "
                f"{self.in_tree}.")
        return out

    def _paths(self) -> list[Any]:
        tree = self.in_tree.unflatten(range(self.in_tree.num_leaves))
        return [path for path, _ in pytree.tree_flatten_with_path(tree)[0]]


def _match(tree: Any, found: Any, out: list[Any]) -> bool:
    """Append the leaves of `found` for the structure `tree`; whether it fits."""
    if found is None or (is_symbolic(found) and not pytree.treedef_is_leaf(tree)):
        out.extend([None] * tree.num_leaves)
        return True
    if pytree.treedef_is_leaf(tree) and tree.num_leaves == 1:
        out.append(found)
        return is_symbolic(found) or pytree.treedef_is_leaf(pytree.tree_structure(found))
    data = pytree.tree_structure(found).node_data()
    if data != tree.node_data():
        return False
    children, _ = pytree.flatten_one_level(found)
    parts, kinds = list(children), tree.children()
    return len(parts) == len(kinds) and all(_match(k, p, out) for k, p in zip(kinds, parts,
                                                                              strict=True))


def _checked(ct: Any, aval: Any, path: Any) -> Any:
    """A cotangent of a primal of `aval`, in its dtype."""
    want = tangent_aval(aval)
    if ct is None or is_zero_tangent(ct) or want.dtype == float0:
        return Zero(want)
    got = calls.checked_aval(ct)
    if got.shape != want.shape and not config.disable_bwd_checks.value:
        raise ValueError(
            "Custom VJP bwd rule must produce an output with the same type as the args tuple of "
            f"the primal function, but at output{pytree.keystr(path)} the bwd rule produced an "
            f"output of type {got.str_short()} corresponding to an input of type "
            f"{aval.str_short()}, so the shapes do not match")
    if got.dtype != want.dtype:
        return convert_element_type_p.bind(ct, new_dtype=want.dtype, weak_type=False,
                                           sharding=None)
    return ct


class _BatchedForward:
    """A forward rule over a batch: results have the batch axis at 0, residuals where it falls.

    Without batched operands, results are batched where the rule makes them so.
    """

    def __init__(self, rule: Any, axis: Any, dims: Sequence[int | None]):
        self.rule, self.axis, self.dims = rule, axis, dims
        self.target = None if all(d is None for d in dims) else 0
        self.__name__ = rule.__name__
        self.function_name = getattr(rule, "function_name", "")

    def __call__(self, primals: Sequence[Any], perturbed: Sequence[bool]) -> Any:
        made: list[Any] = []

        def one(*values: Any) -> list[Any]:
            outs, residuals, backward = self.rule(values, perturbed)
            made.extend([len(outs), backward])
            return [*outs, *residuals]
        flat, dims = batch_flat(one, self.axis, primals, self.dims)
        count, backward = made
        targets = [self.target if d is None else 0 for d in dims[:count]]
        outs = [o if t is None else to_dim(o, d, 0, self.axis)
                for o, d, t in zip(flat[:count], dims[:count], targets, strict=True)]
        return outs, flat[count:], _BatchedBackward(backward, self.axis, dims[count:],
                                                    targets, self.dims)


class _BatchedBackward:
    """A backward rule over a batch; cotangents of primals that were not batched are summed."""

    def __init__(self, backward: Any, axis: Any, residual_dims: Sequence[int | None],
                 ct_dims: Sequence[int | None], primal_dims: Sequence[int | None]):
        self.backward, self.axis = backward, axis
        self.residual_dims, self.ct_dims = list(residual_dims), list(ct_dims)
        self.primal_dims = primal_dims
        self.__name__ = backward.__name__

    def __call__(self, residuals: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        given = [type(c) is not Zero for c in cotangents]

        def one(*values: Any) -> list[Any]:
            rest = iter(values[len(residuals):])
            cts = [next(rest) if g else unbatched(c, d)
                   for c, d, g in zip(cotangents, self.ct_dims, given, strict=True)]
            return self.backward(values[:len(residuals)], cts)  # type: ignore[no-any-return]
        values = [*residuals, *(c for c, g in zip(cotangents, given, strict=True) if g)]
        dims = self.residual_dims + [d for d, g in zip(self.ct_dims, given, strict=True) if g]
        found, found_dims = batch_flat(one, self.axis, values, dims)
        return [self._placed(f, d, target)
                for f, d, target in zip(found, found_dims, self.primal_dims, strict=True)]

    def _placed(self, ct: Any, dim: int | None, target: int | None) -> Any:
        if type(ct) is Zero:
            return batched(ct, target, self.axis.size)
        if target is not None:
            return to_dim(ct, dim, target, self.axis)
        if dim is None:
            return ct
        return reduce_sum_p.bind(ct, axes=(dim,), out_sharding=None)


# ---- the primitives ------------------------------------------------------------------------------

def _check_outputs(fwd: Any, outs: Sequence[Any], call_jaxpr: Any) -> None:
    """TypeError where the forward rule's values are not of the types of the function's."""
    if not isinstance(call_jaxpr, ClosedJaxpr):
        return  # a function that is not traced: its types are those of the rule
    found = [calls.checked_aval(o) for o in outs]
    wanted = call_jaxpr.out_avals
    if len(found) == len(wanted) and all(
            f.shape == w.shape and f.dtype == w.dtype for f, w in zip(found, wanted, strict=True)):
        return
    function = getattr(fwd, "function_name", "")
    lines = ["\n".join(f"    {a.strip_weak_type().str_short()}" for a in avals)
             for avals in (found, wanted)]
    raise TypeError(
        f"Custom VJP fwd rule {fwd.__name__} for function {function} must produce a pair (list or "
        "tuple of length two) where the first element represents the primal output (equal to the "
        f"output of the custom_vjp-decorated function {function}) and the second element "
        "represents residuals (i.e. values stored from the forward pass for use on the backward "
        "pass), but instead the fwd rule output's first element had shapes/dtypes of:\n"
        f"{lines[0]}\nwhile the custom_vjp-decorated function {function} had output "
        f"shapes/dtypes of:\n{lines[1]}\n(got fwd output type {lines[0].strip()} which doesn't "
        f"match the primal output type {lines[1].strip()})")


def _jvp(primals: Any, tangents: Any, *, call_jaxpr: Any, fwd: Any, num_consts: int,
         symbolic_zeros: bool, **_: Any) -> Any:
    if any(type(t) is not Zero for t in tangents[:num_consts]):
        raise CustomVJPException()
    primals, tangents = primals[num_consts:], tangents[num_consts:]
    perturbed = [type(t) is not Zero for t in tangents]
    outs, residuals, backward = fwd(primals, perturbed)
    _check_outputs(fwd, outs, call_jaxpr)
    avals = tuple(tangent_aval(calls.checked_aval(o)) for o in outs)
    dots = iter(custom_lin_p.bind(
        *residuals, *(t for t in tangents if type(t) is not Zero), num_res=len(residuals),
        bwd=backward, in_zeros=[not p for p in perturbed], out_avals=avals,
        symbolic_zeros=symbolic_zeros))
    return outs, [Zero(a) if a.dtype == float0 else next(dots) for a in avals]


def _batch(axis: Any, operands: Any, dims: Any, *, call_jaxpr: Any, fwd: Any, num_consts: int,
           **params: Any) -> Any:
    function, operands, dims, out_dims = batched_call(call_jaxpr, axis, operands, dims)
    rule = _BatchedForward(fwd, axis, dims[num_consts:])
    outs = custom_vjp_call_p.bind(*operands, call_jaxpr=function, fwd=rule, num_consts=num_consts,
                                  **params)
    return outs, out_dims or [0] * len(outs)


custom_vjp_call_p = call_primitive("custom_vjp_call", "custom_vjp", _jvp, _batch)


def _forward_mode(*args: Any, **params: Any) -> Any:
    raise TypeError("can't apply forward-mode autodiff (jvp) to a custom_vjp function.")


def _lin_type(*avals: Any, out_avals: Any, **_: Any) -> list[Any]:
    return [a for a in out_avals if a.dtype != float0]


def _lin_transpose(cotangents: Any, *operands: Any, num_res: int, bwd: Any, in_zeros: list[bool],
                   out_avals: Any, symbolic_zeros: bool) -> list[Any]:
    given = iter(cotangents)
    cts = [Zero(a) if a.dtype == float0 else next(given) for a in out_avals]
    if not symbolic_zeros:
        cts = [instantiate(c) for c in cts]
    found = bwd(operands[:num_res], cts)
    wanted = [f for f, zero in zip(found, in_zeros, strict=True) if not zero]
    return [None] * num_res + [
        f if type(x) is UndefinedPrimal else None
        for f, x in zip(wanted, operands[num_res:], strict=True)]


def _lin_batch(axis: Any, operands: Any, dims: Any, *, num_res: int, bwd: Any,
               in_zeros: list[bool], out_avals: Any, symbolic_zeros: bool) -> Any:
    given = iter(dims[num_res:])
    primal_dims = [None if zero else next(given) for zero in in_zeros]
    backward = _BatchedBackward(bwd, axis, dims[:num_res], [0] * len(out_avals), primal_dims)
    avals = tuple(a.update(shape=(axis.size, *a.shape)) for a in out_avals)
    outs = custom_lin_p.bind(*operands, num_res=num_res, bwd=backward, in_zeros=in_zeros,
                             out_avals=avals, symbolic_zeros=symbolic_zeros)
    return outs, [0] * len(outs)


custom_lin_p = Primitive(
    "custom_lin", multiple_results=True, type_rule=_lin_type, execute=_forward_mode,
    evaluate=_forward_mode, jvp=_forward_mode, transpose=_lin_transpose, batch=_lin_batch,
    varying=BY_TYPES, hidden={"out_avals": ALWAYS},
    lower=HostCall("it is gone after transposition"),
    stablehlo=NotApplicable("it is gone after transposition"))
