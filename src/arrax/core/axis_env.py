"""The named axes in scope and their sizes, bound by `vmap(axis_name=…)`, `pmap` and `shard_map`."""
from __future__ import annotations

import contextlib
import threading
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

AxisName = Hashable
_local = threading.local()


@dataclass(frozen=True, slots=True)
class Axis:
    """A mapped axis: its name (None when unnamed) and size.

    `checked` axes are those of a `shard_map` in whose types (`ShapedArray.vma`) they are tracked.
    `spmd_name` is the mesh axis (or axes) that the mapped axis is split over, where constraints
    inside say how values are split. The instances of `devices` axes are programs of their own, as
    those of `pmap` and `shard_map`: callbacks are called by each.
    """

    name: AxisName
    size: int
    checked: bool = False
    spmd_name: Any = None
    devices: bool = False


def current_axes() -> tuple[Axis, ...]:
    """The axes in scope, outermost first."""
    return getattr(_local, "axes", ())


@contextlib.contextmanager
def bind_axes(*axes: Axis) -> Iterator[None]:
    """Bring named axes into scope."""
    before = current_axes()
    _local.axes = before + tuple(a for a in axes if a.name is not None)
    try:
        yield
    finally:
        _local.axes = before


def checked_axes() -> tuple[AxisName, ...]:
    """The names of the axes in scope that types tell about, outermost first."""
    return tuple(axis.name for axis in current_axes() if axis.checked)


def axis_size(name: AxisName) -> int:
    """The size of the innermost axis called `name`; NameError if there is none."""
    for axis in reversed(current_axes()):
        if axis.name == name:
            return axis.size
    raise NameError(f"unbound axis name: {name}. To fix this, please call the function "
                    "under a transformation that binds this axis name, such as "
                    f"vmap(..., axis_name={name!r}).")


def names_of(axes: Any) -> tuple[AxisName, ...]:
    """`axis_name` arguments of collectives, normalized to a tuple."""
    return tuple(axes) if isinstance(axes, (tuple, list)) else (axes,)
