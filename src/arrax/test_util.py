"""`arrax.test_util`: check derivatives against finite differences.

One random direction is checked: for f at x and a direction v, the derivative along v is compared
with (f(x + εv) − f(x − εv)) / 2ε; for reverse mode, its inner product with a random cotangent
w with that of v and the vector-Jacobian product of w.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.core import dtypes, pytree
from arrax.core.lazy import listing as _listing
from arrax.transforms.api_ad import jvp, linearize, vjp

__all__ = ["check_grads", "check_jvp", "check_vjp"]

_STEP = 1e-4
_TOLERANCES = {2: 1e-1, 4: 2e-3, 8: 1e-5}  # by bytes of one real number
_SMALL = {"float16": 1e-2, "bfloat16": 1e-1, "complex64": 1e-3}


def check_grads(f: Callable[..., Any], args: Sequence[Any], order: int,
                modes: str | Sequence[str] = ("fwd", "rev"), atol: Any = None, rtol: Any = None,
                eps: float | None = None) -> None:
    """Check derivatives of `f` up to `order`.

    Args:
      f: a function of arrays (or pytrees of them) with floating results.
      args: where.
      order: how often to differentiate.
      modes: of "fwd" (`jvp`), "rev" (`vjp`) and "lin" (`linearize`).
      atol, rtol: tolerances, numbers or dicts from dtypes to numbers.
      eps: the step of finite differences.

    Raises AssertionError if they differ, ValueError for unknown modes.

    Example:
      >>> from arrax.test_util import check_grads
      >>> check_grads(jnp.sin, (0.5,), order=2)
    """
    modes = [modes] if isinstance(modes, str) else list(modes)
    unknown = set(modes) - {"fwd", "rev", "lin"}
    if unknown:
        raise ValueError(f"check_grads: modes are 'fwd', 'rev' and 'lin', got {sorted(unknown)}")
    options = {"atol": atol, "rtol": rtol, "eps": eps or _STEP}
    _check_order(f, tuple(args), order, modes, options, "")


def _check_order(f: Callable[..., Any], args: tuple[Any, ...], order: int, modes: list[str],
                 options: dict[str, Any], of: str) -> None:
    def forward(primals: Any, tangents: Any) -> Any:
        return jvp(f, primals, tangents)

    def linearized(primals: Any, tangents: Any) -> Any:
        out, tangent_map = linearize(f, *primals)
        return out, tangent_map(*tangents)

    def reverse(*primals: Any) -> Any:
        out, pullback = vjp(f, *primals)
        return pullback(out)

    for mode, name, derivative in (("fwd", "JVP", forward), ("lin", "LIN", linearized)):
        if mode in modes:
            what = f"{name} of {of}" if of else name
            check_jvp(f, derivative, args, err_msg=what, **options)
            if order > 1:
                _check_order(derivative, (args, args), order - 1, modes, options, what)
    if "rev" in modes:
        what = f"VJP of {of}" if of else "VJP"
        check_vjp(f, lambda *primals: vjp(f, *primals), args, err_msg=what, **options)
        if order > 1:
            _check_order(reverse, args, order - 1, modes, options, what)


def check_jvp(f: Callable[..., Any], f_jvp: Callable[..., Any], args: Sequence[Any],
              atol: Any = None, rtol: Any = None, eps: float = _STEP, err_msg: str = "") -> None:
    """Check forward-mode derivatives: `f_jvp(args, tangents)` gives (result, its tangent).

    The other arguments are those of `check_grads`; `err_msg` comes first in messages.
    """
    args = tuple(args)
    direction = _random_like(np.random.RandomState(0), args)
    out, tangent = f_jvp(args, direction)
    expected = f(*args)
    _same_dtypes(out, tangent, err_msg)
    _compare(out, expected, atol, rtol, f"{err_msg} primal".strip())
    _compare(tangent, _difference(f, args, direction, eps), atol, rtol,
             f"{err_msg} tangent".strip())


def check_vjp(f: Callable[..., Any], f_vjp: Callable[..., Any], args: Sequence[Any],
              atol: Any = None, rtol: Any = None, eps: float = _STEP, err_msg: str = "") -> None:
    """Check reverse-mode derivatives: `f_vjp(*args)` gives (result, pullback).

    The other arguments are those of `check_grads`; `err_msg` comes first in messages.
    """
    args = tuple(args)
    random = np.random.RandomState(0)
    out, pullback = f_vjp(*args)
    _compare(out, f(*args), atol, rtol, f"{err_msg} primal".strip())
    direction = _random_like(random, args)
    difference = _difference(f, args, direction, eps)
    cotangent = _random_like(random, out)
    pulled = pullback(pytree.tree_map(_conjugate, cotangent))
    _same_dtypes(args, pulled, err_msg)
    left = _inner(direction, pytree.tree_map(_conjugate, pulled))
    right = _inner(difference, cotangent)
    _compare(left, right, atol, rtol, f"{err_msg} cotangent projection".strip(),
             _coarsest([args, out]))


# ---- arithmetic on trees, in NumPy ---------------------------------------------------------------

def _dtype(x: Any) -> Any:
    """The dtype that `x` has as an array of arrax."""
    return dtypes.dtype_of(x)


def _random_like(random: Any, tree: Any) -> Any:
    def like(x: Any) -> Any:
        dtype = _dtype(x)
        if not dtypes.issubdtype(dtype, np.inexact):
            return np.zeros(np.shape(x), dtypes.float0)
        value = random.randn(*np.shape(x))
        if dtypes.issubdtype(dtype, np.complexfloating):
            value = value + 1j * random.randn(*np.shape(x))
        return np.asarray(value).astype(dtype) if hasattr(x, "dtype") else type(x)(value)
    return pytree.tree_map(like, tree)


def _is_float0(x: Any) -> bool:
    return getattr(x, "dtype", None) == dtypes.float0


def _shifted(x: Any, v: Any, step: float) -> Any:
    if _is_float0(v):
        return x
    moved = np.asarray(x) + np.asarray(np.asarray(v) * step, np.asarray(x).dtype)
    return moved.astype(_dtype(x)) if hasattr(x, "dtype") else type(x)(moved)


def _difference(f: Callable[..., Any], args: Any, direction: Any, eps: float) -> Any:
    """The central difference quotient of `f` along `direction`."""
    ahead = f(*pytree.tree_map(lambda x, v: _shifted(x, v, eps), args, direction))
    behind = f(*pytree.tree_map(lambda x, v: _shifted(x, v, -eps), args, direction))

    def quotient(a: Any, b: Any) -> Any:
        if not dtypes.issubdtype(_dtype(a), np.inexact):
            return np.zeros(np.shape(a), dtypes.float0)
        with np.errstate(invalid="ignore"):  # infinities that stay have derivative zero
            a, b = np.asarray(a), np.asarray(b)
            return np.where(a == b, np.zeros((), a.dtype), (a - b) * a.dtype.type(0.5 / eps))
    return pytree.tree_map(quotient, ahead, behind)


def _conjugate(x: Any) -> Any:
    return x if _is_float0(x) else np.conj(x) if hasattr(x, "dtype") else x


def _inner(xs: Any, ys: Any) -> Any:
    """The real inner product of two trees."""
    total = 0.0
    for x, y in zip(pytree.tree_leaves(xs), pytree.tree_leaves(ys), strict=True):
        if not _is_float0(x) and not _is_float0(y):
            x, y = (np.asarray(v).astype(np.result_type(np.asarray(v), np.float64))
                    for v in (x, y))
            total += float(np.real(np.vdot(x, y)))
    return np.float64(total)


# ---- comparison ----------------------------------------------------------------------------------

def _tolerance(given: Any, dtype: Any) -> float:
    if isinstance(given, dict):
        found = {np.dtype(key): value for key, value in given.items()}
        if np.dtype(dtype) in found:
            return float(found[np.dtype(dtype)])
    elif given is not None:
        return float(given)
    if not dtypes.issubdtype(dtype, np.inexact):
        return 0.0
    name = np.dtype(dtype).name
    real = np.dtype(dtype).itemsize // (2 if "complex" in name else 1)
    return _SMALL.get(name, _TOLERANCES.get(real, 1.0))


def _coarsest(trees: Any) -> Any:
    found = [_dtype(x) for x in pytree.tree_leaves(trees)]
    inexact = [d for d in found if dtypes.issubdtype(d, np.inexact)]
    return max(inexact, key=lambda d: _tolerance(None, d), default=np.dtype(np.float64))


def _same_dtypes(primal: Any, tangent: Any, err_msg: str) -> None:
    for p, t in zip(pytree.tree_leaves(primal), pytree.tree_leaves(tangent), strict=True):
        wanted = _dtype(p) if dtypes.issubdtype(_dtype(p), np.inexact) else dtypes.float0
        if _dtype(t) != wanted:
            raise AssertionError(f"{err_msg}: tangent of a value of dtype {_dtype(p)} has dtype "
                                 f"{_dtype(t)}, expected {wanted}")


def _compare(got: Any, expected: Any, atol: Any, rtol: Any, what: str, judge: Any = None) -> None:
    got, expected = (pytree.tree_leaves(tree) for tree in (got, expected))
    for x, y in zip(got, expected, strict=True):
        if _is_float0(x) or _is_float0(y):
            continue
        dtype = judge or _coarsest([x, y])
        wide = np.complex128 if dtypes.issubdtype(dtype, np.complexfloating) else np.float64
        a, b = np.asarray(x).astype(wide), np.asarray(y).astype(wide)
        size = max(1, math.prod(a.shape))
        np.testing.assert_allclose(a, b, atol=_tolerance(atol, dtype) * size,
                                   rtol=_tolerance(rtol, dtype) * size, err_msg=what)

__dir__ = _listing(__name__)
