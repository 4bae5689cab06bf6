"""Linear maps as values: what `linearize`, `vjp` and `linear_transpose` return.

Each is callable and a pytree, whose leaves are the residuals, so it can be returned from `jit` and
`scan`, mapped over, donated. What is no array (the program, trees, avals) is its structure: two
maps have one structure if they come from one linearization.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arrax.core import dtypes, pytree
from arrax.core.ad_values import UndefinedPrimal, Zero, tangent_aval
from arrax.core.array import array_of, from_numpy
from arrax.core.aval import aval_of
from arrax.core.dimension import is_constant_shape
from arrax.core.jaxpr import ClosedJaxpr, Jaxpr, eval_jaxpr
from arrax.core.trace import Tracer
from arrax.ops.create import empty_p
from arrax.ops.p import convert_element_type_p
from arrax.ops.rules import instantiate
from arrax.transforms.transpose import backward_pass

float0 = dtypes.float0


class Linear:
    """The linear map of a linearized function: flat tangents in, flat tangents out."""

    __slots__ = ("jaxpr", "consts", "nonzeros", "in_avals", "out_avals")

    def __init__(self, jaxpr: Jaxpr, consts: Sequence[Any], nonzeros: Sequence[bool],
                 in_avals: Sequence[Any], out_avals: Sequence[Any]):
        self.jaxpr, self.consts, self.nonzeros = jaxpr, tuple(consts), tuple(nonzeros)
        self.in_avals, self.out_avals = tuple(in_avals), tuple(out_avals)

    def with_consts(self, consts: Sequence[Any]) -> Linear:
        """The map with other residuals, or without them."""
        return Linear(self.jaxpr, consts, self.nonzeros, self.in_avals, self.out_avals)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Linear) and self.jaxpr is other.jaxpr and \
            len(self.consts) == len(other.consts) and \
            all(a is b for a, b in zip(self.consts, other.consts, strict=True))

    def __hash__(self) -> int:
        return id(self.jaxpr)

    def apply(self, tangents: Sequence[Any]) -> list[Any]:
        outs = iter(eval_jaxpr(self.jaxpr, self.consts, *tangents))
        return [next(outs) if nz else Zero(aval)
                for nz, aval in zip(self.nonzeros, self.out_avals, strict=True)]

    def transpose(self, cotangents: Sequence[Any]) -> list[Any]:
        """Cotangents of the inputs (values or Zeros)."""
        given = [c for c, nz in zip(cotangents, self.nonzeros, strict=True) if nz]
        holes = [UndefinedPrimal(a) for a in self.in_avals]
        return backward_pass(self.jaxpr, self.consts, holes, given)


pytree.register_pytree_node(
    Linear, lambda m: ((m.consts,), (m.jaxpr, m.nonzeros, m.in_avals, m.out_avals)),
    lambda fields, children: Linear(fields[0], children[0], *fields[1:]))


class _Map:
    """A linear map with trees around it."""

    __slots__ = ("linear", "in_tree", "out_tree", "avals")

    def __init__(self, linear: Linear, in_tree: Any, out_tree: Any, avals: Sequence[Any]):
        self.linear, self.in_tree, self.out_tree = linear, in_tree, out_tree
        self.avals = tuple(avals)  # of the primals, or of the outputs

    def _fields(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return (self.linear,), (self.in_tree, self.out_tree, self.avals)


class Linearized(_Map):
    """What `linearize` returns: from the tangents of the arguments to that of the result."""

    __slots__ = ()

    def __call__(self, *tangents: Any) -> Any:
        leaves, tree = pytree.tree_flatten(tangents)
        if tree != self.in_tree:
            raise ValueError("linearized function called on tangent values that do not match the "
                             f"tree structure of the primals: expected {self.in_tree}, got {tree}.")
        checked = [checked_tangent(aval, t, "linearize")
                   for aval, t in zip(self.avals, leaves, strict=True)]
        checked = [np.zeros(t.aval.shape, float0) if type(t) is Zero else t for t in checked]
        return self.out_tree.unflatten(map(materialized, self.linear.apply(checked)))


@dataclass(frozen=True)
class GradValue:
    """In `VJP.with_refs`: the cotangent of this argument is to be returned."""


@dataclass(frozen=True)
class DontWant:
    """In `VJP.with_refs`: the cotangent of this argument is not needed."""


@dataclass(frozen=True)
class DidntWant:
    """In place of a cotangent that was not wanted."""


@dataclass(frozen=True)
class GradRef:
    """In place of a cotangent that was added to a Ref."""


@dataclass(frozen=True)
class NotNeeded:
    """In `VJP.args_res`: the value of this argument is no residual."""


class VJP:
    """What `vjp` returns: from the cotangent of the result to those of the arguments.

    `args_res` holds the arguments whose values it needs, in a tree for each, with `NotNeeded` for
    others; they may be taken out and put back before the call. `opaque_residuals` holds what else
    it needs.
    """

    __slots__ = ("linear", "in_tree", "out_tree", "avals", "places", "args_res",
                 "opaque_residuals")

    def __init__(self, linear: Linear, in_tree: Any, out_tree: Any, avals: Sequence[Any],
                 places: Sequence[int | None], args_res: list[Any], opaque_residuals: list[Any]):
        self.linear, self.in_tree, self.out_tree = linear, in_tree, out_tree
        self.avals = tuple(avals)  # of the outputs
        self.places = tuple(places)  # for each residual, the argument that it is, or None
        self.args_res, self.opaque_residuals = args_res, opaque_residuals

    @staticmethod
    def of(linear: Linear, primals: Sequence[Any], in_tree: Any, out_tree: Any,
           avals: Sequence[Any]) -> VJP:
        """The map of a linearization at flat `primals`."""
        numbers = {id(p): i for i, p in enumerate(primals)}
        places = [numbers.get(id(c)) for c in linear.consts]
        needed = [p if i in places else NotNeeded() for i, p in enumerate(primals)]
        opaque = [c for c, place in zip(linear.consts, places, strict=True) if place is None]
        return VJP(linear.with_consts(()), in_tree, out_tree, avals, places,
                   list(in_tree.unflatten(needed)), opaque)

    def __call__(self, cotangent: Any, *extra: Any) -> Any:
        """The cotangents of the arguments."""
        if extra:
            raise TypeError(f"the function returned by vjp takes one argument, the cotangent of "
                            f"the result, but was called with {1 + len(extra)}; pass a tuple for "
                            "functions that return tuples")
        return self._pulled(cotangent, None)

    def with_refs(self, *wanted: Any) -> Any:
        """A function of the cotangent that adds cotangents of arguments to refs.

        Args:
          *wanted: for each argument a Ref to add to, `jax.ad.GradValue()` for a value to return,
            or `jax.ad.DontWant()` (any other object means a value, too).

        Returns a function whose results are `jax.ad.GradRef()` and `jax.ad.DidntWant()` in the
        places of cotangents that are not returned.

        Example:
          >>> total = arrax.new_ref(jnp.zeros(()))
          >>> _, f_vjp = vjp(lambda x: 3.0 * x, 2.0)
          >>> for _ in range(2):
          ...   _ = f_vjp.with_refs(total)(1.0)
          >>> total[...]
          Array(6., dtype=float32)
        """
        leaves, tree = pytree.tree_flatten(wanted)
        if tree != self.in_tree:
            raise ValueError(f"with_refs takes a tree like the arguments, {self.in_tree}, got "
                             f"{tree}")
        return pytree.Partial(self._pulled, wanted=_Wanted(leaves))

    def _residuals(self) -> list[Any]:
        leaves = pytree.tree_leaves(self.args_res, is_leaf=lambda x: isinstance(x, NotNeeded))
        others = iter(self.opaque_residuals)
        return [next(others) if place is None else array_of(leaves[place])
                if not isinstance(leaves[place], Tracer) else leaves[place]
                for place in self.places]

    def _pulled(self, cotangent: Any, wanted: _Wanted | None) -> Any:
        leaves, tree = pytree.tree_flatten(cotangent)
        if tree != self.out_tree:
            raise ValueError(
                "unexpected tree structure of argument to vjp function: got "
                f"{tree}, but expected to match {self.out_tree}")
        checked = [checked_cotangent(c, a) for c, a in zip(leaves, self.avals, strict=True)]
        found = self.linear.with_consts(self._residuals()).transpose(checked)
        if wanted is None:
            return self.in_tree.unflatten(
                materialized(f) if type(f) is Zero else f for f in found)
        return self.in_tree.unflatten(map(_given, found, wanted.leaves))


class _Wanted:
    """What is to become of each cotangent."""

    __slots__ = ("leaves",)

    def __init__(self, leaves: Sequence[Any]):
        self.leaves = leaves


def _given(cotangent: Any, wanted: Any) -> Any:
    if isinstance(wanted, DontWant):
        return DidntWant()
    if hasattr(wanted, "addupdate"):
        if type(cotangent) is not Zero:
            wanted.addupdate(cotangent)
        return GradRef()
    return materialized(cotangent) if type(cotangent) is Zero else cotangent


class LinearTranspose:
    """What `linear_transpose` returns: from the cotangent of the result to those of the arguments.

    `outer` are the values that the function closes over: the first inputs of `closed`.
    """

    __slots__ = ("closed", "outer", "avals", "in_tree", "out_tree")

    def __init__(self, closed: ClosedJaxpr, outer: Sequence[Any], avals: Sequence[Any],
                 in_tree: Any, out_tree: Any):
        self.closed, self.outer, self.avals = closed, tuple(outer), tuple(avals)
        self.in_tree, self.out_tree = in_tree, out_tree

    def __call__(self, cotangent: Any) -> Any:
        leaves, tree = pytree.tree_flatten(cotangent)
        if tree != self.out_tree:
            raise TypeError("cotangent tree does not match function output, expected "
                            f"{self.out_tree} but got {tree}")
        cotangents = [operand(c) for c in leaves]
        wanted = self.closed.out_avals
        if any(c.aval.shape != a.shape or c.aval.dtype != a.dtype
               for c, a in zip(cotangents, wanted, strict=True)):
            raise TypeError("cotangent type does not match function output, expected "
                            f"{tuple(wanted)} but got {leaves}")
        operands = [*self.outer, *(UndefinedPrimal(a) for a in self.avals)]
        found = backward_pass(self.closed.jaxpr, self.closed.consts, operands, cotangents)
        return self.in_tree.unflatten(map(materialized, found[len(self.outer):]))


pytree.register_pytree_node(Linearized, Linearized._fields,
                            lambda fields, children: Linearized(*children, *fields))
pytree.register_pytree_node(
    VJP, lambda m: ((m.args_res, m.opaque_residuals),
                    (m.linear, m.in_tree, m.out_tree, m.avals, m.places)),
    lambda fields, children: VJP(*fields, *children))
for _marker in (NotNeeded, GradRef, DidntWant):
    pytree.register_static(_marker)
pytree.register_pytree_node(
    LinearTranspose, lambda m: ((m.outer,), (m.closed, m.avals, m.in_tree, m.out_tree)),
    lambda fields, children: LinearTranspose(fields[0], children[0], *fields[1:]))


# ---- tangents and cotangents that users give and get ---------------------------------------------

def operand(value: Any) -> Any:
    """A differentiated argument as an Array or tracer; TypeError for anything else."""
    return value if isinstance(value, Tracer) else array_of(value)


def checked_tangent(aval: Any, tangent: Any, name: str) -> Any:
    """The tangent of a value of `aval`: a value, or a Zero for float0."""
    want = tangent_aval(aval)
    if isinstance(tangent, (np.ndarray, np.generic)) and tangent.dtype != float0:
        tangent = array_of(tangent)
    got = np.shape(tangent) if not hasattr(tangent, "shape") else tangent.shape
    dtype = getattr(tangent, "dtype", None)
    if dtype is None:
        tangent = array_of(tangent)
        dtype = tangent.dtype
        if tangent.weak_type and dtype != want.dtype and dtypes.issubdtype(dtype, dtypes.inexact) \
                and dtypes.issubdtype(want.dtype, dtypes.inexact):
            tangent = array_of(np.asarray(tangent).astype(want.dtype))
            dtype = want.dtype
    if name == "linearize" and (dtype != want.dtype or tuple(got) != want.shape):
        raise ValueError(
            "linearized function called on tangent values inconsistent with the original primal "
            f"values:\nGot tangent aval {dtypes.dtype_name(dtype)}{list(got)} for primal aval "
            f"{aval.str_short()} but expected {want.str_short()}.")
    if dtype != want.dtype:
        raise TypeError(
            f"primal and tangent arguments to jax.{name} do not match; dtypes must be equal, or in "
            "case of int/bool primal dtype the tangent dtype must be float0.Got primal dtype "
            f"{aval.dtype} and so expected tangent dtype {want.dtype}, but got tangent "
            f"dtype {dtype} instead.")
    if tuple(got) != want.shape:
        raise ValueError(f"jvp called with different primal and tangent shapes;Got primal shape "
                         f"{want.shape} and tangent shape as {tuple(got)}")
    return Zero(want) if want.dtype == float0 else tangent


def materialized(tangent: Any) -> Any:
    """Tangents and cotangents as users see them: float0 ones are NumPy arrays."""
    if type(tangent) is Zero and tangent.aval.dtype == float0:
        if not is_constant_shape(tangent.aval.shape):
            return empty_p.bind(shape=tangent.aval.shape, dtype=np.dtype(float0),
                                out_sharding=None)
        return np.zeros(tangent.aval.shape, float0)
    if type(tangent) is Zero and tangent.aval.weak_type and is_constant_shape(tangent.aval.shape):
        return from_numpy(np.zeros(tangent.aval.shape, tangent.aval.dtype), True)
    return array_of(instantiate(tangent))




def checked_cotangent(cotangent: Any, aval: Any) -> Any:
    want = tangent_aval(aval)
    if want.dtype == float0:
        return Zero(want)
    cotangent = operand(cotangent)
    got = aval_of(cotangent)
    if got.dtype != want.dtype and got.weak_type and dtypes.issubdtype(got.dtype, np.number):
        cotangent = convert_element_type_p.bind(
            cotangent, new_dtype=want.dtype, weak_type=False, sharding=None)
        got = aval_of(cotangent)
    if got.dtype != want.dtype or got.shape != want.shape:
        raise ValueError(
            "unexpected JAX type (e.g. shape/dtype) for argument to VJP function: got "
            f"{got.str_short()}, but expected {want.str_short()} because the corresponding output "
            f"of the differentiated function had JAX type {aval.str_short()}")
    return cotangent
