"""`pmap`: one instance of a function per device.

All CPU devices share memory and one thread pool, so the instances are a batch axis: `pmap` is
`jit` of `vmap` whose size may not exceed the number of devices, and whose results are labelled as
split over them. Batched kernels run in parallel on the pool's threads; collectives are reductions
over the batch axis.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.core import pytree
from arrax.core.array import ArrayImpl, with_aval
from arrax.core.axis_env import Axis
from arrax.core.device import Device, cpu_devices
from arrax.core.mesh import Mesh
from arrax.core.shardings import NamedSharding, PartitionSpec
from arrax.core.trace import Tracer
from arrax.core.tracebacks import looking_like, transforming
from arrax.transforms import calls
from arrax.transforms.api_vmap import (check_axes, flat_axes, mapped_axis_size,
                                         mapped_function)
from arrax.transforms.jit import jit


def pmap(fun: Callable[..., Any], axis_name: Any = None, *, in_axes: Any = 0, out_axes: Any = 0,
         static_broadcasted_argnums: int | Sequence[int] = (),
         devices: Sequence[Device] | None = None, backend: str | None = None,
         axis_size: int | None = None,
         donate_argnums: int | Sequence[int] = (), global_arg_shapes: Any = None,
         ) -> Callable[..., Any]:
    """Map a function over an axis whose size is at most the number of devices, in parallel.

    Args:
      fun: the function of one instance; collectives over `axis_name` talk between instances.
      in_axes, out_axes: as for `vmap`.
      static_broadcasted_argnums: arguments that are passed as they are; they must be hashable.
      devices: the devices to use (all, by default).

    Raises:
      ValueError: if the mapped axis is larger than the number of devices, or sizes differ.

    Example:
      >>> pmap(lambda x: x / lax.psum(x, "i"), axis_name="i")(jnp.ones((1, 3)))
      Array([[1., 1., 1.]], dtype=float32)
    """
    calls.check_callable(fun, "pmap")
    check_axes("pmap in_axes", in_axes)
    check_axes("pmap out_axes", out_axes)
    name = axis_name if axis_name is not None else _Unnamed(fun)
    static = (static_broadcasted_argnums,) if isinstance(static_broadcasted_argnums, int) \
        else tuple(static_broadcasted_argnums)

    def instance_call(*args: Any, **kwargs: Any) -> Any:
        fixed = {i % len(args): args[i] for i in static}

        def dynamic(*rest: Any, **named: Any) -> Any:
            given = iter(rest)
            values = [fixed[i] if i in fixed else next(given) for i in range(len(args))]
            return fun(*values, **named)
        axes = in_axes
        if isinstance(axes, (tuple, list)):
            axes = tuple(a for i, a in enumerate(axes) if i not in fixed)
        return mapped_function(dynamic, axes, out_axes, axis_size,
                               lambda size: Axis(name, size, devices=True))(
            *(a for i, a in enumerate(args) if i not in fixed), **kwargs)
    compiled = jit(looking_like(fun, instance_call), static_argnums=static,
                   donate_argnums=donate_argnums)

    @transforming(fun)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        chosen = list(devices) if devices is not None else cpu_devices()
        size = _check_size(fun, args, kwargs, in_axes, static, axis_size, len(chosen))
        out = compiled(*args, **kwargs)
        return _labelled(out, out_axes, chosen[:size], axis_name)
    mapped.lower = compiled.lower  # type: ignore[attr-defined]
    mapped.trace = compiled.trace  # type: ignore[attr-defined]
    return mapped


class _Unnamed:
    """The axis name of a `pmap` without one: equal to itself only."""

    def __init__(self, fun: Any):
        self.fun = fun

    def __repr__(self) -> str:
        return f"<axis {hex(id(self))}>"


def _check_size(fun: Any, args: Any, kwargs: Any, in_axes: Any, static: Any, given: int | None,
                available: int) -> int:
    dynamic = tuple(a for i, a in enumerate(args) if i not in static)
    axes = in_axes
    if isinstance(axes, (tuple, list)):
        if len(axes) != len(args):
            raise ValueError("pmap in_axes must be an int, None, or a tuple of entries "
                             "corresponding to the positional arguments passed to the function, "
                             f"but got len(in_axes)={len(axes)}, len(args)={len(args)}")
        axes = tuple(a for i, a in enumerate(axes) if i not in static)
    leaves = [np.asarray(x) if not hasattr(x, "shape") else x
              for x in pytree.tree_leaves((dynamic, kwargs))]
    dims = flat_axes("pmap in_axes", (axes, 0), (dynamic, kwargs))
    for leaf, dim in zip(leaves, dims, strict=True):
        if dim is not None and not -len(leaf.shape) <= dim < len(leaf.shape):
            raise ValueError(f"pmap was requested to map its argument along axis {dim}, which "
                             f"implies that its rank should be at least {dim + 1}, but is only "
                             f"{len(leaf.shape)} (its shape is {leaf.shape})")
    size: int = mapped_axis_size(fun, dynamic, kwargs, leaves, dims, given, "pmap")
    if size > available:
        raise ValueError(f"compiling computation that requires {size} logical devices, but only "
                         f"{available} XLA devices are available (num_replicas={size})")
    return size


def _labelled(out: Any, out_axes: Any, devices: Sequence[Device], axis_name: Any) -> Any:
    """Results with the placement "split over the devices along the mapped axis"."""
    leaves, tree = pytree.tree_flatten(out)
    targets = flat_axes("pmap out_axes", out_axes, out)
    label = "_pmap_axis" if axis_name is None else axis_name
    mesh = Mesh(np.array(devices, dtype=object), (label,))

    def place(x: Any, axis: int | None) -> Any:
        if isinstance(x, Tracer) or not isinstance(x, ArrayImpl):
            return x
        parts = [] if axis is None else [None] * (axis % x.ndim) + [label]
        return with_aval(x.data, x.aval, NamedSharding(mesh, PartitionSpec(*parts)))
    return tree.unflatten(place(x, t) for x, t in zip(leaves, targets, strict=True))
