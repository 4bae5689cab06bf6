"""Abstract values: what is known about a value while a program is traced.

A `ShapedArray` is interned: equal avals are one object, so that signatures compare by pointer.
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from arrax import _native
from arrax.core import dtypes, user_types
from arrax.core.dimension import Dimension
from arrax.core.record import Record
from arrax.core.shardings import no_sharding, spec_names, type_sharding

Shape = tuple[int, ...]


class AbstractValue:
    """Base of all avals."""

    __slots__ = ()

    def str_short(self, short_dtypes: bool = False) -> str:
        raise NotImplementedError

    def update(self, **fields: Any) -> AbstractValue:
        raise NotImplementedError


class ManualAxisType(Record):
    """How values in a `shard_map` depend on its mesh axes: `varying` names those along which the
    devices may hold different values."""

    varying: frozenset[Any] = frozenset()
    unreduced: frozenset[Any] = frozenset()
    reduced: frozenset[Any] = frozenset()


INVARIANT: frozenset[Any] = frozenset()


class ShapedArray(AbstractValue):
    """An array of known shape and dtype; `weak_type` marks values that came from Python scalars.

    Inside a checked `shard_map`, `vma` names the mesh axes along which the value varies. On a mesh
    with explicit axes, `spec` is the sharding that the type tells (`sharding` where it is None: of
    no mesh); it says how the axes of `shape` are split, and goes where `update` gives a new shape.
    """

    __slots__ = ("shape", "dtype", "weak_type", "ndim", "size", "vma", "located", "__weakref__")
    shape: Shape
    dtype: Any
    weak_type: bool
    ndim: int
    size: int
    vma: frozenset[Any]
    located: Any

    def __new__(cls, shape: Any, dtype: Any, weak_type: bool = False, *, sharding: Any = None,
                manual_axis_type: ManualAxisType | None = None, memory_space: None = None,
                vma: frozenset[Any] = INVARIANT) -> ShapedArray:
        if memory_space is not None:
            raise NotImplementedError(
                "ShapedArray: types do not name memories in this version; memory_space must be "
                f"None, got {memory_space}")
        if sharding is not None:
            sharding = type_sharding(sharding, len(shape))
        if type(shape) is not tuple:
            shape = tuple(shape)
        if manual_axis_type is not None:
            vma = frozenset(manual_axis_type.varying)
        key: Any = (shape, dtype, weak_type, vma, sharding) if vma or sharding is not None else \
            (shape, dtype, weak_type)
        try:
            return _interned[key]
        except (KeyError, TypeError):
            pass
        shape = tuple(d if isinstance(d, Dimension) else int(d) for d in shape)
        if not isinstance(dtype, (np.dtype, dtypes.ExtendedDType)):
            dtype = np.dtype(dtype)
        key = (shape, dtype, bool(weak_type), *key[3:])
        self = _interned.get(key)
        if self is None:
            self = object.__new__(cls)
            self.vma, self.located = vma, sharding
            self.shape, self.dtype, self.weak_type = shape, dtype, bool(weak_type)
            self.ndim, self.size = len(shape), math.prod(shape)
            self = _interned.setdefault(key, self)
            if len(_interned) > _room[0]:
                _native.forget_unused_avals(_interned)
                _room[0] = max(_MOST_UNUSED, 2 * len(_interned))
        return self

    def update(self, **fields: Any) -> ShapedArray:
        """The same aval with `shape`, `dtype`, `weak_type`, `vma` or `sharding` replaced."""
        located = self.located if "shape" not in fields else None
        return ShapedArray(fields.get("shape", self.shape), fields.get("dtype", self.dtype),
                           fields.get("weak_type", self.weak_type),
                           vma=fields.get("vma", self.vma),
                           sharding=fields.get("sharding", located))

    def strip_weak_type(self) -> ShapedArray:
        return self.update(weak_type=False) if self.weak_type else self

    @property
    def manual_axis_type(self) -> ManualAxisType:
        """`vma`, as a record."""
        return ManualAxisType(varying=self.vma)

    mat = manual_axis_type

    def update_weak_type(self, weak_type: bool) -> ShapedArray:
        return self.update(weak_type=weak_type)

    def to_tangent_aval(self) -> ShapedArray:
        """The aval of tangents: itself for inexact dtypes, `float0` for integers, bools, keys."""
        if dtypes.issubdtype(self.dtype, dtypes.inexact):
            return self
        return self.update(dtype=dtypes.float0, weak_type=False)

    to_ct_aval = at_least_vspace = to_tangent_aval

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize  # type: ignore[no-any-return]

    @property
    def nbytes(self) -> int:
        return self.size * self.itemsize

    def __reduce__(self) -> Any:
        return _unpickled, (self.shape, self.dtype, self.weak_type, self.vma, self.located)

    def str_short(self, short_dtypes: bool = False) -> str:
        name_of = dtypes.short_dtype_name if short_dtypes else dtypes.dtype_name
        name = name_of(self.dtype)
        sizes = list(map(str, self.shape))
        if self.located is not None:
            for dim, axes in enumerate(spec_names(self.located.spec, self.ndim)):
                if axes:
                    sizes[dim] += f"@{axes[0] if len(axes) == 1 else '(' + ','.join(axes) + ')'}"
        text = f"{name}[{','.join(sizes)}]"
        return text if not self.vma else f"{text}{{V:{_names_text(self.vma)}}}"

    def __str__(self) -> str:
        return f"~{self.str_short()}" if self.weak_type else self.str_short()

    def __repr__(self) -> str:
        weak = ", weak_type=True" if self.weak_type else ""
        return f"ShapedArray({self.str_short()}{weak})"

    @property
    def sharding(self) -> Any:
        """How the value is split over explicit mesh axes."""
        return no_sharding(self.ndim) if self.located is None else self.located


def _names_text(names: frozenset[Any]) -> str:
    texts = sorted(map(str, names))
    return texts[0] if len(texts) == 1 else f"({','.join(texts)})"


def _unpickled(shape: Any, dtype: Any, weak_type: bool, vma: frozenset[Any],
               sharding: Any) -> ShapedArray:
    return ShapedArray(shape, dtype, weak_type, vma=vma, sharding=sharding)


# Programs of ever new shapes leave avals behind: now and then those that nobody holds go.
_MOST_UNUSED = 1 << 14
_interned: dict[tuple[Any, ...], ShapedArray] = {}
_room = [_MOST_UNUSED]  # so many avals there may be before the next sweep
_native.set_aval_factory(ShapedArray)


class LikeAval:
    """Shape, dtype and so on of a value that has an `aval`."""

    __slots__ = ()
    aval: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return self.aval.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        return self.aval.dtype

    @property
    def ndim(self) -> int:
        return self.aval.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        return self.aval.size  # type: ignore[no-any-return]

    @property
    def weak_type(self) -> bool:
        return self.aval.weak_type  # type: ignore[no-any-return]


class AbstractToken(ShapedArray):
    """The aval of a token that orders operations: an empty array that nobody reads."""

    __slots__ = ()

    def __new__(cls) -> AbstractToken:
        self: AbstractToken = object.__new__(cls)
        self.shape, self.dtype, self.weak_type = (0,), np.dtype(bool), False
        self.ndim, self.size, self.vma, self.located = 1, 0, INVARIANT, None
        return self

    def update(self, **fields: Any) -> AbstractToken:
        return self

    def __reduce__(self) -> Any:
        return "abstract_token"

    def str_short(self, short_dtypes: bool = False) -> str:
        return "Tok"

    def __repr__(self) -> str:
        return "AbstractToken()"


abstract_token = AbstractToken()
_scalar_avals: dict[tuple[type, Any], ShapedArray] = {}


def scalar_aval(value: Any) -> ShapedArray:
    """The aval of a Python scalar: weakly typed, of the default dtype of its kind."""
    kind = type(value)
    key = (kind, dtypes.default_dtype_of_scalar_type(kind))
    aval = _scalar_avals.get(key)
    if aval is None:
        aval = _scalar_avals[key] = ShapedArray((), key[1], kind is not bool)
    return aval


def aval_of(value: Any) -> Any:
    """The aval of anything `Primitive.bind` accepts: an `Array`, tracer, NumPy array or scalar."""
    try:
        return value.aval
    except AttributeError:
        pass
    if type(value) in dtypes.python_scalar_types:
        return scalar_aval(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return ShapedArray(value.shape, dtypes.numeric_dtype(value))
    if isinstance(value, (bool, int, float, complex)):  # subclasses, such as IntEnum
        return ShapedArray((), dtypes.default_dtype_of_scalar_type(
            bool if isinstance(value, bool) else int if isinstance(value, int)
            else float if isinstance(value, float) else complex), not isinstance(value, bool))
    mapping = user_types.found(aval_mappings, value)
    if mapping is not None:
        return mapping(value)
    raise TypeError(f"Value {value!r} of type {type(value)} is not a valid JAX type")


aval_mappings: dict[type, Any] = {
    np.ndarray: lambda value: ShapedArray(np.shape(value), dtypes.numeric_dtype(np.asarray(value)))}
