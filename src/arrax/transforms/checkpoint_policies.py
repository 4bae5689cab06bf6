"""What `checkpoint` may save: policies, and the primitive `name` that they can refer to.

A policy is a function (primitive, *operand avals, **params) → bool (or `Saveable`, `Recompute`, an
`Offloadable`): whether the result of such an operation may be kept from the forward to the backward
pass. There is one memory on the CPU, so what could be offloaded is simply saved.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from arrax.core import pytree
from arrax.core.array import array_of
from arrax.core.primitive import Primitive
from arrax.core.record import Record
from arrax.core.trace import Tracer
from arrax.core.lowering import Elementwise
from arrax.ops.p import conv_general_dilated_p, dot_general_p
from arrax.ops.rules import batch_elementwise, transpose_unary

Policy = Callable[..., Any]


def _name_jvp(primals: Any, tangents: Any, *, name: str) -> Any:
    (x,), (t,) = primals, tangents
    return name_p.bind(x, name=name), t


name_p = Primitive(
    "name", type_rule=lambda x, *, name: x, evaluate=lambda x, *, name: x, jvp=_name_jvp,
    transpose=transpose_unary(lambda ct, x, *, name: ct), batch=batch_elementwise(),
    lower=Elementwise(lambda b, x: x, 0), elementwise=True, linear=True,
    stablehlo=lambda b, x, *, name: x)


def checkpoint_name(x: Any, name: str) -> Any:
    """`x` (a pytree of arrays), marked for policies such as `save_only_these_names(name)`.

    Example:
      >>> checkpoint_name(jnp.sin(1.0), name="angle")
      Array(0.84147096, dtype=float32, weak_type=True)
    """
    if not isinstance(name, str):
        raise TypeError(f"checkpoint_name: name must be a string, got {name!r}")
    return pytree.tree_map(
        lambda leaf: name_p.bind(leaf if isinstance(leaf, Tracer) else array_of(leaf), name=name),
        x)


class SaveableType:
    """The answer 'keep it'."""

    def __repr__(self) -> str:
        return "Saveable"


class RecomputeType:
    """The answer 'compute it again'."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "Recompute"


Saveable = SaveableType()
Recompute = RecomputeType()


class Offloadable(Record):
    """The answer 'keep it in another memory'."""

    src: Any
    dst: Any


# ---- policies ------------------------------------------------------------------------------------

def everything_saveable(*_: Any, **__: Any) -> bool:
    """Save everything, as if there were no `checkpoint`."""
    return True


def nothing_saveable(*_: Any, **__: Any) -> bool:
    """Save nothing but the arguments; the default."""
    return False


class DotsSaveable(Record):
    """Save the results of matrix products (and convolutions)."""

    only_if_no_batch_dims: bool = False

    def __call__(self, primitive: Any, *_: Any, **params: Any) -> bool:
        if primitive is dot_general_p:
            (_, _), (left_batch, right_batch) = params["dimension_numbers"]
            return not (self.only_if_no_batch_dims and (left_batch or right_batch))
        return primitive is conv_general_dilated_p and not self.only_if_no_batch_dims


class SaveOnlyTheseNames(Record):
    """Save values given these names by `checkpoint_name`."""

    saveable_names: frozenset[str]

    def __call__(self, primitive: Any, *_: Any, **params: Any) -> bool:
        return primitive is name_p and params["name"] in self.saveable_names


class SaveAnyNamesButThese(Record):
    """Save values given names other than these."""

    names: frozenset[str]

    def __call__(self, primitive: Any, *_: Any, **params: Any) -> bool:
        return primitive is name_p and params["name"] not in self.names


class SaveAnythingExceptTheseNames(Record):
    """Save everything but values given these names."""

    names: frozenset[str]

    def __call__(self, primitive: Any, *_: Any, **params: Any) -> bool:
        return not (primitive is name_p and params["name"] in self.names)


class SaveAndOffloadOnlyTheseNames(Record):
    """Save values of the first names, offload those of the second."""

    names_which_can_be_saved: frozenset[str]
    names_which_can_be_offloaded: frozenset[str]
    offload_src: Any
    offload_dst: Any

    def __call__(self, primitive: Any, *_: Any, **params: Any) -> Any:
        if primitive is name_p and params["name"] in self.names_which_can_be_saved:
            return Saveable
        if primitive is name_p and params["name"] in self.names_which_can_be_offloaded:
            return Offloadable(self.offload_src, self.offload_dst)
        return Recompute


class SaveFromBothPolicies(Record):
    """Save what either of two policies saves."""

    first: Policy
    second: Policy

    def __call__(self, primitive: Any, *avals: Any, **params: Any) -> Any:
        return bool(self.first(primitive, *avals, **params)) \
            or bool(self.second(primitive, *avals, **params))


class OffloadDots(Record):
    """Offload matrix products without batch dimensions."""

    offload_src: Any
    offload_dst: Any

    def __call__(self, primitive: Any, *avals: Any, **params: Any) -> Any:
        if DotsSaveable(True)(primitive, *avals, **params):
            return Offloadable(self.offload_src, self.offload_dst)
        return Recompute


def save_only_these_names(*names: str) -> Policy:
    """The policy that saves values given one of `names` by `checkpoint_name`."""
    return SaveOnlyTheseNames(frozenset(names))


def save_any_names_but_these(*names: str) -> Policy:
    """The policy that saves named values, except those given one of `names`."""
    return SaveAnyNamesButThese(frozenset(names))


def save_anything_except_these_names(*names: str) -> Policy:
    """The policy that saves all values, except those given one of `names`."""
    return SaveAnythingExceptTheseNames(frozenset(names))


def save_from_both_policies(policy_1: Policy, policy_2: Policy) -> Policy:
    """The policy that saves what either of two policies saves."""
    return SaveFromBothPolicies(policy_1, policy_2)


def save_and_offload_only_these_names(
        *, names_which_can_be_saved: Sequence[str], names_which_can_be_offloaded: Sequence[str],
        offload_src: Any, offload_dst: Any) -> Policy:
    """The policy that saves values of some names and offloads those of others.

    Raises ValueError for a name in both lists.
    """
    saved, offloaded = frozenset(names_which_can_be_saved), frozenset(names_which_can_be_offloaded)
    if saved & offloaded:
        raise ValueError("The names should be exclusive and should not intersect in "
                         f"`names_which_can_be_saved` and `names_which_can_be_offloaded`. Got "
                         f"names_which_can_be_saved={names_which_can_be_saved}, "
                         f"names_which_can_be_offloaded={names_which_can_be_offloaded} and the "
                         f"intersection={saved & offloaded}")
    return SaveAndOffloadOnlyTheseNames(saved, offloaded, offload_src, offload_dst)


def offload_dot_with_no_batch_dims(offload_src: Any, offload_dst: Any) -> Policy:
    """The policy that offloads matrix products without batch dimensions."""
    return OffloadDots(offload_src, offload_dst)


_dots, _plain_dots = DotsSaveable(False), DotsSaveable(True)
checkpoint_policies = SimpleNamespace(
    everything_saveable=everything_saveable, nothing_saveable=nothing_saveable,
    dots_saveable=_dots, checkpoint_dots=_dots,
    dots_with_no_batch_dims_saveable=_plain_dots, checkpoint_dots_with_no_batch_dims=_plain_dots,
    offload_dot_with_no_batch_dims=offload_dot_with_no_batch_dims,
    save_anything_except_these_names=save_anything_except_these_names,
    save_any_names_but_these=save_any_names_but_these,
    save_only_these_names=save_only_these_names,
    save_from_both_policies=save_from_both_policies,
    save_and_offload_only_these_names=save_and_offload_only_these_names)


def may_save(policy: Policy | None, eqn: Any) -> bool:
    """Whether a policy lets the result of an equation be saved."""
    if policy is None:
        return False
    return bool(policy(eqn.primitive, *(v.aval for v in eqn.invars), **eqn.params))
