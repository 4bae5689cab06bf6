"""`arrax.experimental.layout`: the order of elements in memory. On the CPU engine it is row-major;
other layouts can be described and compared, and are refused where an array would have to have one.
"""
from __future__ import annotations

from typing import Any, ClassVar

from arrax.core import pytree
from arrax.core.aval import aval_of
from arrax.core.lazy import listing as _listing
from arrax.core.shardings import Sharding
from arrax.core.record import Record
from arrax.transforms.api_vmap import flat_axes

__all__ = ["Format", "Layout", "with_layout_constraint"]


class AutoLayout:
    """The type of `Layout.AUTO`: whatever the compiler likes."""

    def __repr__(self) -> str:
        return "AUTO"


class Layout(Record):
    """An order of axes in memory.

    Args:
      major_to_minor: the axes, slowest first; (0, 1, 2) is row-major.
      tiling: sizes of tiles, for devices that have them.
      sub_byte_element_size_in_bits: of elements that share bytes.
    """

    major_to_minor: tuple[int, ...]
    tiling: tuple[tuple[int, ...], ...] | None = None
    sub_byte_element_size_in_bits: int = 0
    AUTO: ClassVar[AutoLayout]

    def is_row_major(self) -> bool:
        """Whether the CPU engine's arrays have this layout."""
        return (self.major_to_minor == tuple(range(len(self.major_to_minor)))
                and self.tiling is None)


Layout.__match_args__ = ("major_to_minor", "tiling",  # type: ignore[misc]
                         "sub_byte_element_size_in_bits")
Layout.AUTO = AutoLayout()


class Format:
    """A layout and a sharding, either of which may be None: not asked for."""

    __slots__ = ("layout", "sharding")

    def __init__(self, layout: Layout | AutoLayout | None = None,
                 sharding: Sharding | None = None):
        if not isinstance(layout, (Layout, AutoLayout, type(None))):
            raise TypeError("Invalid value received for the layout argument. Expected values are "
                            f"`None`, `Layout.AUTO` or an instance of `Layout`. Got {layout} of "
                            f"type {type(layout)}")
        if not isinstance(sharding, (Sharding, type(None))):
            raise TypeError("Invalid value received for the sharding argument. Expected values are "
                            f"`None` or an instance of `jax.Sharding`. Got {sharding} of type "
                            f"{type(sharding)}")
        if isinstance(layout, Layout) and sharding is None:
            raise ValueError(f"Sharding has to be concrete when layout is of type {type(layout)}. "
                             "Please pass a `jax.sharding.NamedSharding` or "
                             "`jax.sharding.SingleDeviceSharding` to the sharding argument. Got "
                             "sharding None")
        self.layout, self.sharding = layout, sharding

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Format) and \
            (self.layout, self.sharding) == (other.layout, other.sharding)

    def __hash__(self) -> int:
        return hash((self.layout, self.sharding))

    def __repr__(self) -> str:
        return f"Format(layout={self.layout}, sharding={self.sharding})"


def with_layout_constraint(x: Any, layouts: Any) -> Any:
    """`x`, whose arrays must have the given layouts.

    Args:
      x: pytree of arrays.
      layouts: a Layout, or a pytree prefix of them.

    Raises ValueError for a layout of another rank, NotImplementedError for one that is not
    row-major.
    """
    chosen = [layouts] * len(pytree.tree_leaves(x)) if isinstance(layouts, Layout) else flat_axes(
        "with_layout_constraint", layouts, x)
    for leaf, layout in zip(pytree.tree_leaves(x), chosen, strict=True):
        shape = aval_of(leaf).shape
        if len(layout.major_to_minor) != len(shape):
            raise ValueError("Length of major_to_minor and the rank of the value should match. Got "
                             f"major_to_minor={layout.major_to_minor} and shape={shape}")
        if not layout.is_row_major():
            raise NotImplementedError(f"with_layout_constraint: arrays of this engine are "
                                      f"row-major, got {layout}")
    return x

__dir__ = _listing(__name__)
