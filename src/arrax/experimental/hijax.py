"""`arrax.experimental.hijax`: types and operations of programs, made of those that there are.

Here programs know nothing of such *high* types and operations, as they know nothing of refs:

- a value whose class is registered (`register_hitype`) with a `HiType` is a pytree of the arrays
  that the type lowers it to, so it passes through `jit`, `vmap`, `grad` and loops as these do;
- a `VJPHiPrimitive` is a function, `expand`, with derivatives of its own; a `HiPrimitive` does
  `to_lojax` (or `impl`) with its operands, whatever trace these belong to.

So jaxprs show what high operations consist of, batching goes by that, and tangents of high values
are high values of the same type. Values of mutable types (`MutableHiType`) are ordinary Python
objects: transformations refuse them as arguments.

Source: `jax.experimental.hijax`.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from arrax.core import ad_values, pytree
from arrax.core.aval import AbstractValue, ShapedArray, aval_of
from arrax.core.effects import allowed_effects as control_flow_allowed_effects
from arrax.core.evaluate import high_types
from arrax.core.lazy import listing as _listing
from arrax.ops.rules import instantiate
from arrax.transforms.custom_jvp import custom_jvp
from arrax.transforms.custom_vjp import custom_vjp
from arrax.transforms.refs import AbstractRef, TransformedRef
from arrax.transforms.user_primitives import UserPrimitive

Zero = ad_values.Zero
is_undefined_primal = ad_values.is_undefined


def instantiate_zeros(tangent: Any) -> Any:
    """A tangent, with a `Zero` as an array of zeros."""
    return instantiate(tangent)


# ---- types -------------------------------------------------------------------------------------

class HiType(AbstractValue):
    """Base of the types of values that stand for several arrays.

    Subclasses define `lo_ty()`, the types of the arrays, `lower_val(value)`, the arrays, and
    `raise_val(*arrays)`, the value.
    """

    has_qdd = False
    is_high = True

    def lo_ty(self) -> list[Any]:
        """The types of the arrays that a value consists of."""
        raise NotImplementedError(f"{type(self).__name__} must define lo_ty")

    def lower_val(self, hi_val: Any) -> list[Any]:
        """The arrays that a value consists of."""
        raise NotImplementedError(f"{type(self).__name__} must define lower_val")

    def raise_val(self, *lo_vals: Any) -> Any:
        """The value that consists of these arrays."""
        raise NotImplementedError(f"{type(self).__name__} must define raise_val")

    def to_tangent_aval(self) -> Any:
        """The type of tangents: the same."""
        return self

    def to_ct_aval(self) -> Any:
        """The type of cotangents: that of tangents."""
        return self.to_tangent_aval()

    def str_short(self, short_dtypes: bool = False, **_: Any) -> str:
        return repr(self)


class MutableHiType(AbstractValue):
    """Base of the types of values that change; `has_qdd` says whether the arrays in them may."""

    has_qdd = True
    is_high = True

    def to_tangent_aval(self) -> Any:
        """The type of tangents."""
        raise NotImplementedError(f"{type(self).__name__} must define to_tangent_aval")

    def str_short(self, short_dtypes: bool = False, **_: Any) -> str:
        return repr(self)


class HiPspec:
    """Base of what says which axes of a high value are mapped."""


@dataclass(frozen=True)
class AvalQDD:
    """A mutable type, with the types of what is in a value now."""

    aval: Any
    qdd: Any

    is_high = True
    has_qdd = True


@dataclass(frozen=True)
class AvalMutableQDD:
    """A mutable type, with a place for the types of what is in a value."""

    aval: Any
    mutable_qdd: Any


class aval_method(NamedTuple):
    """Marks a function in a type's class as a method of its values."""

    fun: Callable[..., Any]


class aval_property(NamedTuple):
    """Marks a function in a type's class as a property of its values."""

    fget: Callable[..., Any]


def register_hitype(val_cls: type, typeof_fn: Callable[[Any], Any]) -> None:
    """Let the values of a class have a type that is not an array's.

    Args:
      val_cls: the class, no pytree so far.
      typeof_fn: gives the type of a value, a `HiType` or `MutableHiType`.

    Errors: ValueError for classes that are registered already.

    Source: `jax.experimental.hijax.register_hitype`.
    """
    if not isinstance(val_cls, type) or not callable(typeof_fn):
        raise TypeError(f"register_hitype: takes a class and a function, got {val_cls!r} and "
                        f"{typeof_fn!r}")

    def flatten(value: Any) -> tuple[Any, Any]:
        kind = typeof_fn(value)
        if not isinstance(kind, HiType):
            raise TypeError(f"{value!r} of the mutable type {kind!r} cannot be an argument, a "
                            "result or a part of a pytree here: transformations know no such types")
        return tuple(kind.lower_val(value)), kind

    def unflatten(kind: HiType, arrays: Any) -> Any:
        return kind.raise_val(*arrays)
    pytree.register_pytree_node(val_cls, flatten, unflatten)
    high_types[val_cls] = typeof_fn


def _is_differentiable(values: Any) -> bool:
    """Whether all values consist of arrays."""
    for value in values:
        kind = high_types.get(type(value))
        if kind is not None and not isinstance(kind(value), HiType):
            return False
        if kind is None:
            try:
                aval_of(value)
            except TypeError:
                return False
    return True


# ---- operations --------------------------------------------------------------------------------

class HiPrimitive(UserPrimitive):
    """An operation on values that may be high: a subclass defines its rules as methods.

    `to_lojax(*values, **params)` does it (or `impl`, where there is none); `jvp(primals, tangents,
    **params)` differentiates it.

    Source: `jax.experimental.hijax.HiPrimitive`.
    """

    def __init__(self, name: str):
        super().__init__(name)
        for rule in ("jvp", "transpose", "batch", "multiple_results"):
            if self._defines(rule):  # the methods, not the fields of that name
                vars(self).pop(rule, None)

    def is_high(self, *avals: Any, **params: Any) -> bool:
        """Whether operands or results are high; it makes no difference here."""
        return True

    def bind(self, *args: Any, **params: Any) -> Any:
        """The result for `args`, under any trace."""
        if not self._defines("jvp") or not _is_differentiable(args):
            return self._do(*args, **params)
        call = custom_jvp(lambda *xs: self._do(*xs, **params))
        call.defjvp(lambda primals, tangents: self.jvp(primals, tangents, **params))
        return call(*args)

    def _do(self, *args: Any, **params: Any) -> Any:
        name = next((n for n in ("to_lojax", "impl") if n in vars(self) or self._defines(n)), None)
        if name is not None:
            return getattr(self, name)(*args, **params)
        if self.execute != self._no_impl:  # by `def_impl`
            return self.execute(*args, **params)
        raise NotImplementedError(f"primitive {self.name!r} must define to_lojax")

    def _defines(self, name: str) -> bool:
        """Whether the subclass has a method, or attribute, of that name."""
        return any(name in vars(c) for c in type(self).__mro__[:-1]
                   if issubclass(c, HiPrimitive) and c is not HiPrimitive)


class VJPHiPrimitive:
    """An operation with its types and parameters, which is called with its operands.

    A subclass sets `in_avals`, `out_aval` (a pytree of types) and `params` before it calls
    `super().__init__()`, which makes attributes of the parameters, and defines
    `expand(*args)`, what it does, and derivatives: `jvp(primals, tangents)`, or
    `vjp_fwd(nonzeros, *args)`, which gives (result, residuals), with one of
    `vjp_bwd_retval(residuals, cotangent)`, which gives a cotangent for each operand, and
    `vjp_bwd(residuals, cotangent, *accumulators)`, which adds to `accumulator.accum(…)`. Without
    derivatives those of what it does hold.

    Example:
      >>> class Clipped(VJPHiPrimitive):
      ...     def __init__(self, aval):
      ...         self.in_avals, self.out_aval, self.params = (aval,), aval, {}
      ...         super().__init__()
      ...     def expand(self, x):
      ...         return x
      ...     def vjp_fwd(self, nonzeros, x):
      ...         return self(x), None
      ...     def vjp_bwd_retval(self, residuals, g):
      ...         return jnp.clip(g, -1, 1),
      >>> jax.grad(lambda x: 5 * Clipped(jax.typeof(x))(x))(2.)
      Array(1., dtype=float32, weak_type=True)

    Source: `jax.experimental.hijax.VJPHiPrimitive`.
    """

    in_avals: tuple[Any, ...]
    out_aval: Any
    params: dict[str, Any]

    def __init__(self) -> None:
        for name in ("in_avals", "out_aval", "params"):
            if not hasattr(self, name):
                raise AttributeError(f"{type(self).__name__}.__init__ must set {name} before it "
                                     "calls super().__init__()")
        kind = type(self)
        if hasattr(kind, "vjp_bwd") and hasattr(kind, "vjp_bwd_retval"):
            raise AttributeError(f"{kind.__name__} defines both vjp_bwd and vjp_bwd_retval; it may "
                                 "define one")
        vars(self).update(self.params)

    def expand(self, *args: Any) -> Any:
        """What the operation does."""
        raise NotImplementedError(f"{type(self).__name__} must define expand")

    def __call__(self, *args: Any) -> Any:
        if len(args) != len(self.in_avals):
            raise TypeError(f"{type(self).__name__} takes {len(self.in_avals)} operands, got "
                            f"{len(args)}")
        rules: Any = self
        if hasattr(self, "jvp"):
            forward = custom_jvp(lambda *xs: self.expand(*xs))
            forward.defjvp(lambda primals, tangents: rules.jvp(primals, tangents))
            return forward(*args)
        if hasattr(self, "vjp_fwd"):
            reverse = custom_vjp(lambda *xs: self.expand(*xs))
            reverse.defvjp(lambda *xs: rules.vjp_fwd((True,) * len(xs), *xs), self._backward)
            return reverse(*args)
        return self.expand(*args)

    def _backward(self, residuals: Any, cotangent: Any) -> tuple[Any, ...]:
        rules: Any = self
        if hasattr(self, "vjp_bwd_retval"):
            return tuple(rules.vjp_bwd_retval(residuals, cotangent))
        sums = [_Accumulator() for _ in self.in_avals]
        rules.vjp_bwd(residuals, cotangent, *sums)
        return tuple(s.total for s in sums)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VJPHiPrimitive) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((type(self), self.in_avals))

    def _key(self) -> tuple[Any, ...]:
        return type(self), self.in_avals, self.out_aval, self.params

    def __repr__(self) -> str:
        return f"{type(self).__name__}[{self.params}]" if self.params else type(self).__name__


class _Accumulator:
    """Where a backward rule adds the cotangent of an operand; None: there is none."""

    total: Any = None

    def accum(self, cotangent: Any) -> None:
        self.total = cotangent if self.total is None else pytree.tree_map(
            lambda x, y: x + y, self.total, cotangent)


__all__ = [
    "AbstractRef", "AbstractValue", "AvalMutableQDD", "AvalQDD", "HiPrimitive", "HiPspec",
    "HiType", "MutableHiType", "ShapedArray", "TransformedRef", "VJPHiPrimitive", "Zero",
    "aval_method", "aval_property", "control_flow_allowed_effects", "instantiate_zeros",
    "is_undefined_primal", "register_hitype"]
__dir__ = _listing(__name__)
