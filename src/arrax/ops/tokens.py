"""Tokens: values without content that order operations, and messages between devices.

An operation that takes the token of another comes after it. A token is an empty array of bools
whose aval says so.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.core import pytree
from arrax.core.aval import AbstractToken, ShapedArray, abstract_token, aval_of
from arrax.core.axis_env import axis_size, names_of
from arrax.core.primitive import NotApplicable, Primitive
from arrax.core.lowering import HostCall
from arrax.ops.arguments import operand
from arrax.ops.rules import zero_jvp

_NO_TANGENT = NotApplicable("a token has no tangent")
_EMPTY = HostCall("a token has no contents")


def _no_contents(*tokens: Any) -> np.ndarray:
    return np.zeros(abstract_token.shape, abstract_token.dtype)


# ---- create_token, after_all -------------------------------------------------------------------

create_token_p = Primitive(
    "create_token", typed_results=True, weak_type="none", type_rule=lambda: abstract_token,
    evaluate=_no_contents, jvp=_NO_TANGENT, batch=NotApplicable("it has no operands"), lower=_EMPTY,
    stablehlo=lambda b: b.full(abstract_token.shape, False, abstract_token.dtype))


def create_token(_: Any = None) -> Any:
    """A token that nothing comes before; the argument is ignored."""
    return create_token_p.bind()


def _after_all_type(*tokens: Any) -> Any:
    if not all(isinstance(t, AbstractToken) for t in tokens):
        raise TypeError("Arguments to after_all must be tokens, got "
                        f"{', '.join(t.str_short() for t in tokens)}")
    return abstract_token


after_all_p = Primitive(
    "after_all", typed_results=True, weak_type="none", type_rule=_after_all_type,
    evaluate=_no_contents, jvp=zero_jvp(), transpose=_NO_TANGENT, lower=_EMPTY,
    batch=NotApplicable("tokens have no axes"),
    stablehlo=lambda b, *tokens: (b.barrier(tokens) or [create_token_p.bind()])[0])


def after_all(*operands: Any) -> Any:
    """A token that comes after all the tokens given. TypeError for other values."""
    tokens = [operand(x, "after_all", i) for i, x in enumerate(operands)]
    _after_all_type(*(t.aval for t in tokens))
    return after_all_p.bind(*tokens)


# ---- psend, precv ------------------------------------------------------------------------------

def _checked_axes(axis_name: Any) -> None:
    for name in names_of(axis_name):
        axis_size(name)


def _send_type(*values: Any, axis_name: Any, perm: Any) -> Any:
    _checked_axes(axis_name)
    return abstract_token


def _receive_type(token: Any, *, out_shape: Any, axis_name: Any, perm: Any) -> Any:
    _checked_axes(axis_name)
    if not isinstance(token, AbstractToken):
        raise TypeError(f"precv requires a token, got {token.str_short()}")
    return out_shape


def _no_devices(name: str) -> Callable[..., Any]:
    def execute(*values: Any, axis_name: Any, **params: Any) -> Any:
        _checked_axes(axis_name)
        raise NotImplementedError(f"{name} is for programs that run on several devices")
    return execute


_BATCH = NotApplicable("a message between devices has no meaning for instances that are a batch: "
                       "use ppermute")
_MESSAGE = NotApplicable("messages are not differentiated: use ppermute")

_ONE_DEVICE = NotApplicable("programs are written for one device")

psend_p = Primitive(
    "psend", weak_type="none", type_rule=_send_type, execute=_no_devices("psend"), jvp=_MESSAGE,
    batch=_BATCH, named_axes=lambda axis_name, **_: names_of(axis_name),
    lower=HostCall("devices of the CPU engine exchange no messages"), stablehlo=_ONE_DEVICE)
precv_p = Primitive(
    "precv", weak_type="none", type_rule=_receive_type, execute=_no_devices("precv"),
    shown={"out_shape": lambda aval: aval.str_short()},
    jvp=_MESSAGE, batch=_BATCH, named_axes=lambda axis_name, **_: names_of(axis_name),
    lower=HostCall("devices of the CPU engine exchange no messages"), stablehlo=_ONE_DEVICE)


def _pairs(perm: Any) -> tuple[tuple[int, int], ...]:
    return tuple((int(s), int(d)) for s, d in perm)


def psend(x: Any, axis_name: Any, perm: Sequence[tuple[int, int]]) -> Any:
    """Send `x`, a pytree, along the (source, destination) pairs `perm` of the named axis.

    Returns a token, which `precv` takes. For programs lowered to accelerators; under `vmap` and
    `pmap` use `ppermute`.
    """
    values = [operand(v, "psend", i) for i, v in enumerate(pytree.tree_leaves(x))]
    return psend_p.bind(*values, axis_name=names_of(axis_name), perm=_pairs(perm))


def precv(token: Any, out_shape: Any, axis_name: Any, perm: Sequence[tuple[int, int]]) -> Any:
    """Receive what `psend` sent: an array like `out_shape`, which has a `shape` and a `dtype`;
    zeros where `perm` sends nothing to."""
    if not (hasattr(out_shape, "shape") and hasattr(out_shape, "dtype")):
        raise TypeError(f"precv: out_shape must have a shape and a dtype, got {out_shape!r}")
    aval = aval_of(out_shape) if hasattr(out_shape, "aval") else \
        ShapedArray(out_shape.shape, out_shape.dtype)
    return precv_p.bind(operand(token, "precv"), out_shape=aval, axis_name=names_of(axis_name),
                        perm=_pairs(perm))
