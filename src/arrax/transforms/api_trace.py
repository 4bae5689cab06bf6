"""`make_jaxpr`, `eval_shape`, `ensure_compile_time_eval` and name scopes."""
from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from arrax.core import pytree, source_info
from arrax.core.axis_env import Axis, bind_axes
from arrax.core.jaxpr import ClosedJaxpr
from arrax.core.tracebacks import transforming
from arrax.transforms import calls
from arrax.transforms.stages import struct_of
from arrax.transforms.staging import constants_evaluated, trace_to_jaxpr


def make_jaxpr(fun: Callable[..., Any], static_argnums: int | Sequence[int] = (),
               axis_env: Sequence[tuple[Any, int]] | None = None, return_shape: bool = False,
               abstracted_axes: Any = None) -> Callable[..., Any]:
    """A function that returns the jaxpr of `fun` at its arguments instead of running it.

    Args:
      fun: function to trace.
      static_argnums: positions passed as they are.
      axis_env: (name, size) pairs of named axes to assume in scope.
      return_shape: also return the tree of `ShapeDtypeStruct`s of the results.

    Example:
      >>> print(make_jaxpr(lambda x: jnp.sin(x) * 2)(1.0))
      { lambda ; a:f32[]. let b:f32[] = sin a; c:f32[] = mul b 2.0:f32[] in (c,) }
    """
    calls.check_callable(fun, "make_jaxpr")
    if abstracted_axes is not None:
        raise NotImplementedError("make_jaxpr does not support abstracted_axes")
    static = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
    axes = [Axis(name, size) for name, size in axis_env or ()]

    @transforming(fun)
    def traced(*args: Any, **kwargs: Any) -> Any:
        fixed = {i % len(args): args[i] for i in static}

        def dynamic_fun(*dynamic: Any, **named: Any) -> Any:
            rest = iter(dynamic)
            return fun(*(fixed[i] if i in fixed else next(rest) for i in range(len(args))), **named)
        dynamic = tuple(a for i, a in enumerate(args) if i not in fixed)
        leaves, tree = pytree.tree_flatten((dynamic, kwargs))
        flat = calls.FlatCall(dynamic_fun, tree)
        info = calls.debug_info("make_jaxpr", fun, args, kwargs, tuple(fixed))

        def checked(*inner: Any) -> list[Any]:
            outs = flat(*inner)
            calls.check_outputs(outs, flat.out_tree, info.func_name)
            return outs
        with bind_axes(*axes):
            closed: ClosedJaxpr = trace_to_jaxpr(checked, [calls.shaped(x) for x in leaves], info)
        if return_shape:
            return closed, flat.out_tree.unflatten(map(struct_of, closed.out_avals))
        return closed
    return traced


def eval_shape(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Shapes and dtypes of `fun(*args, **kwargs)` without computing anything.

    Arguments may be arrays or `ShapeDtypeStruct`s; the result has `ShapeDtypeStruct` leaves.
    """
    calls.check_callable(fun, "eval_shape")
    return make_jaxpr(fun, return_shape=True)(*args, **kwargs)[1]


@contextlib.contextmanager
def ensure_compile_time_eval() -> Iterator[None]:
    """Inside, operations on known values are evaluated at once even while tracing; those on traced
    values are traced as ever.

    Example:
      >>> @jit
      ... def f(x):
      ...     with ensure_compile_time_eval():
      ...         n = int(jnp.sum(jnp.arange(3)))
      ...     return x + n
    """
    with constants_evaluated():
        yield


@contextlib.contextmanager
def named_scope(name: str) -> Iterator[None]:
    """Put `name` on the name stack of the equations traced inside."""
    if not isinstance(name, str):
        raise TypeError(f"named_scope name argument must be a string, got {name}")
    with source_info.named(name):
        yield


def named_call(fun: Callable[..., Any], *, name: str | None = None) -> Callable[..., Any]:
    """`fun` with its equations under the scope `name` (its own name by default)."""
    label = name if name is not None else calls.function_name(fun)

    @transforming(fun)
    def named(*args: Any, **kwargs: Any) -> Any:
        with source_info.named(label):
            return fun(*args, **kwargs)
    return named
