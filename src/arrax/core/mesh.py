"""Meshes: grids of devices with named axes, and which of them is in scope.

`mesh_in_scope` is part of the key of everything that is traced. It holds a `Mesh` after
`set_mesh`, and an `AbstractMesh` while a `shard_map` is traced, whose manual axes it names.
"""
from __future__ import annotations

import contextlib
import enum
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from arrax.core import config
from arrax.core.device import Device


class AxisType(enum.Enum):
    """Who decides how arrays are split over a mesh axis: the compiler, the types, or the program.
    """

    Auto = enum.auto()
    Explicit = enum.auto()
    Manual = enum.auto()

    def __repr__(self) -> str:
        return self.name


def _axis_types(given: Any, count: int) -> tuple[AxisType, ...]:
    """One type per axis; None means Auto."""
    types = (AxisType.Auto,) * count if given is None else \
        (given,) * count if isinstance(given, AxisType) else tuple(given)
    if not all(isinstance(t, AxisType) for t in types):
        raise TypeError(f"axis_types must be AxisTypes, got {given!r}")
    if len(types) != count:
        raise ValueError(f"Number of axis names should match the number of axis_types. Got "
                         f"{count} axis names and axis_types={types}")
    return types


class _Axes:
    """What meshes with and without devices have in common."""

    __slots__ = ()
    axis_names: tuple[Any, ...]
    axis_types: tuple[AxisType, ...]
    axis_sizes: tuple[int, ...]

    @property
    def shape(self) -> dict[Any, int]:
        return dict(zip(self.axis_names, self.axis_sizes, strict=True))

    @property
    def shape_tuple(self) -> tuple[tuple[Any, int], ...]:
        return tuple(zip(self.axis_names, self.axis_sizes, strict=True))

    @property
    def size(self) -> int:
        return math.prod(self.axis_sizes)

    def axes_of_type(self, kind: AxisType) -> tuple[Any, ...]:
        """The names of the axes of a type."""
        return tuple(n for n, t in zip(self.axis_names, self.axis_types, strict=True) if t is kind)

    @property
    def auto_axes(self) -> tuple[Any, ...]:
        return self.axes_of_type(AxisType.Auto)

    @property
    def explicit_axes(self) -> tuple[Any, ...]:
        return self.axes_of_type(AxisType.Explicit)

    @property
    def manual_axes(self) -> tuple[Any, ...]:
        return self.axes_of_type(AxisType.Manual)

    @property
    def are_all_axes_auto(self) -> bool:
        return len(self.auto_axes) == len(self.axis_names)

    @property
    def are_all_axes_explicit(self) -> bool:
        return len(self.explicit_axes) == len(self.axis_names)

    @property
    def are_all_axes_manual(self) -> bool:
        return len(self.manual_axes) == len(self.axis_names)


_meshes: dict[Any, Mesh] = {}


class Mesh(_Axes):
    """A grid of devices with named axes.

    Args:
      devices: array of devices.
      axis_names: a name for each axis of the grid.
      axis_types: an `AxisType` for each axis, Auto if None.

    Equal meshes are one object. As a context manager it is in scope for
    `lax.with_sharding_constraint`; `set_mesh` brings it into scope everywhere.

    Example:
      >>> arrax.sharding.Mesh(np.array(arrax.devices()[:1]), ("x",))
      Mesh(axis_sizes=(1,), axis_names=('x',), axis_types=(Auto,))
    """

    __slots__ = ("devices", "axis_names", "axis_types", "_hash", "_abstract")
    devices: np.ndarray
    _hash: int
    _abstract: AbstractMesh

    def __new__(cls, devices: Any, axis_names: str | Sequence[Any], axis_types: Any = None) -> Mesh:
        grid = np.asarray(devices, dtype=object)
        names = (axis_names,) if isinstance(axis_names, str) else tuple(axis_names)
        if any(name is None for name in names):
            raise ValueError(f"Mesh axis names cannot be empty. Got: {names}")
        if grid.ndim != len(names):
            raise ValueError(
                "Mesh requires the ndim of its first argument (`devices`) to equal the length of "
                "its second argument (`axis_names`), but got devices.ndim == "
                f"{grid.ndim} and len(axis_names) == {len(names)}.")
        types = _axis_types(axis_types, len(names))
        key = (names, types, grid.shape, tuple(grid.flat))
        self = _meshes.get(key)
        if self is None:
            self = object.__new__(cls)
            grid = grid.copy()
            grid.flags.writeable = False
            self.devices, self.axis_names, self.axis_types = grid, names, types
            self._hash = hash(key)
            self._abstract = AbstractMesh(grid.shape, names, types)
            self = _meshes.setdefault(key, self)
        return self

    def __reduce__(self) -> Any:
        return Mesh, (self.devices, self.axis_names, self.axis_types)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other

    @property
    def empty(self) -> bool:
        return self.devices.ndim == 0

    @property
    def axis_sizes(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.devices.shape

    @property
    def size(self) -> int:
        return 0 if self.empty else self.devices.size

    @property
    def device_ids(self) -> np.ndarray:
        return np.array([d.id for d in self.devices.flat]).reshape(self.devices.shape)

    @property
    def local_mesh(self) -> Mesh:
        """The part on this process's devices: all of it."""
        return self

    @property
    def local_devices(self) -> list[Device]:
        return list(self.devices.flat)

    @property
    def is_multi_process(self) -> bool:
        return False

    @property
    def abstract_mesh(self) -> AbstractMesh:
        """The mesh without its devices."""
        return self._abstract

    def update(self, devices: Any = None, axis_names: Any = None, axis_types: Any = None) -> Mesh:
        """The mesh with other devices, names or types."""
        return Mesh(self.devices if devices is None else devices,
                    self.axis_names if axis_names is None else axis_names,
                    self.axis_types if axis_types is None else axis_types)

    def __enter__(self) -> Mesh:
        entered_mesh.push(self)
        return self

    def __exit__(self, *error: object) -> None:
        entered_mesh.pop()

    def __str__(self) -> str:
        return f"Mesh({_axes_text(self)})" if self.axis_names else "Mesh()"

    def __repr__(self) -> str:
        if not self.axis_names:
            return "Mesh()"
        return (f"Mesh(axis_sizes={self.axis_sizes}, axis_names={self.axis_names!r}, "
                f"axis_types={self.axis_types})")


def _axes_text(mesh: Any) -> str:
    axes = ", ".join(f"'{n}': {s}" for n, s in mesh.shape.items())
    return f"{axes}, axis_types={mesh.axis_types}"


@dataclass(frozen=True, slots=True)
class AbstractDevice:
    """What is known of the devices of an `AbstractMesh`."""

    device_kind: str
    num_cores: int | None
    platform: str


@dataclass(frozen=True, slots=True)
class AbstractMesh(_Axes):
    """The shape of a mesh: sizes, names and types of its axes, without devices."""

    axis_sizes: tuple[int, ...]
    axis_names: tuple[Any, ...]
    axis_types: Any = None
    abstract_device: Any = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if isinstance(self.axis_sizes, int) or not all(
                hasattr(s, "__index__") for s in self.axis_sizes):
            raise TypeError(f"AbstractMesh: axis_sizes must be a tuple of ints, got "
                            f"{self.axis_sizes!r}")
        object.__setattr__(self, "axis_sizes", tuple(map(int, self.axis_sizes)))
        object.__setattr__(self, "axis_names", tuple(self.axis_names))
        if len(self.axis_sizes) != len(self.axis_names):
            raise ValueError(f"AbstractMesh: {len(self.axis_sizes)} axis_sizes but "
                             f"{len(self.axis_names)} axis_names")
        object.__setattr__(self, "axis_types", _axis_types(self.axis_types, len(self.axis_names)))

    @property
    def empty(self) -> bool:
        return not self.axis_names

    @property
    def size(self) -> int:
        return 0 if self.empty else math.prod(self.axis_sizes)

    @property
    def abstract_mesh(self) -> AbstractMesh:
        return self

    def update(self, axis_sizes: Any = None, axis_names: Any = None, axis_types: Any = None,
               **kwargs: Any) -> AbstractMesh:
        """The mesh with other sizes, names or types."""
        return AbstractMesh(self.axis_sizes if axis_sizes is None else axis_sizes,
                            self.axis_names if axis_names is None else axis_names,
                            self.axis_types if axis_types is None else axis_types, **kwargs)

    def update_axis_types(self, name_to_type: dict[Any, AxisType]) -> AbstractMesh:
        """The mesh with other types of the named axes."""
        return self.update(axis_types=tuple(
            name_to_type.get(n, t) for n, t in zip(self.axis_names, self.axis_types, strict=True)))

    def __str__(self) -> str:
        return f"AbstractMesh({_axes_text(self) if self.axis_names else '(), axis_types=()'})"

    __repr__ = __str__


EMPTY_MESH = Mesh(np.empty((), dtype=object), ())
EMPTY_ABSTRACT_MESH = EMPTY_MESH.abstract_mesh
mesh_in_scope = config.make_user_context(EMPTY_MESH)
entered_mesh = config.make_user_context(EMPTY_MESH)  # by `with mesh:`


@contextlib.contextmanager
def enter_mesh(mesh: Any) -> Iterator[Any]:
    """Bring a `Mesh` or an `AbstractMesh` into scope."""
    with mesh_in_scope(mesh):
        yield mesh


def current_mesh() -> Any:
    """The innermost mesh in scope; one without axes if there is none."""
    return mesh_in_scope.value
