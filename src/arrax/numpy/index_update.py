"""`x.at[idx]`: functional updates of the elements that an index selects.

`x.at[idx].set(y)` is a new array; `x` stays as it is. Updates out of bounds are dropped unless
another `mode` is asked for. Under `jit` the copy disappears where `x` is not used afterwards.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from arrax import _native, lax
from arrax.core import dtypes
from arrax.core.array import ArrayImpl, from_numpy
from arrax.core.evaluate import computes_at_once
from arrax.core.warn import warn
from arrax.numpy import creation, elementwise
from arrax.numpy.index_plan import Index, StaticInt, parse, plan
from arrax.numpy.indexing import read, start_indices
from arrax.numpy.promotion import as_array, broadcast_to_shape, convert, promote_dtypes
from arrax.ops.index_types import GatherScatterMode, ScatterDimensionNumbers
from arrax.ops.quiet import quiet


class IndexUpdateHelper:
    """`x.at`: index it to choose elements, then say what becomes of them.

    Example:
      >>> jnp.zeros(3).at[1].set(5.)
      Array([0., 5., 0.], dtype=float32)
    """

    __slots__ = ("array",)

    def __init__(self, array: Any):
        self.array = array

    def __getitem__(self, index: Any) -> IndexUpdateRef:
        return IndexUpdateRef(self.array, index)

    def __repr__(self) -> str:
        return f"_IndexUpdateHelper({self.array!r})"


class IndexUpdateRef:
    """`x.at[idx]`: methods that return updated copies of `x`, or read with a mode.

    All take the keywords:
      indices_are_sorted, unique_indices: promises that the compiler may use.
      mode: out of bounds, "drop" or "fill" (the default of updates: leave out, or read
        `fill_value`), "clip" (move inside) or "promise_in_bounds".
      wrap_negative_indices: whether negative indices count from the end.
    """

    __slots__ = ("array", "index")

    def __init__(self, array: Any, index: Any):
        self.array = array
        self.index = index

    def __repr__(self) -> str:
        return f"_IndexUpdateRef({self.array!r}, {self.index!r})"

    def get(self, *, indices_are_sorted: bool = False, unique_indices: bool = False,
            mode: Any = None, fill_value: Any = None, out_sharding: Any = None,
            wrap_negative_indices: bool = True) -> Any:
        """`x[idx]`, with what happens out of bounds chosen by `mode` and `fill_value`."""
        x = self.array
        if mode is None and fill_value is None and wrap_negative_indices:
            found = _native.read_item(x, self.index)
            if found is not None:
                return found
        known = None if mode is None else GatherScatterMode.from_any(mode)
        if known is None and fill_value is not None:
            known = GatherScatterMode.FILL_OR_DROP
        return read(x, parse(x.shape, self.index), known, fill_value, indices_are_sorted,
                    unique_indices, wrap_negative_indices)

    def set(self, values: Any, *, indices_are_sorted: bool = False, unique_indices: bool = False,
            mode: Any = None, out_sharding: Any = None, wrap_negative_indices: bool = True) -> Any:
        """`x` with the chosen elements replaced; of repeated indices, one value is kept."""
        return update("set", self.array, self.index, values, indices_are_sorted, unique_indices,
                      mode, wrap_negative_indices)

    def add(self, values: Any, *, indices_are_sorted: bool = False, unique_indices: bool = False,
            mode: Any = None, out_sharding: Any = None, wrap_negative_indices: bool = True) -> Any:
        """`x` with `values` added, as often as an index is repeated."""
        return update("add", self.array, self.index, values, indices_are_sorted, unique_indices,
                      mode, wrap_negative_indices)

    def subtract(self, values: Any, *, indices_are_sorted: bool = False,
                 unique_indices: bool = False, mode: Any = None, out_sharding: Any = None,
                 wrap_negative_indices: bool = True) -> Any:
        """`x` with `values` subtracted, as often as an index is repeated."""
        return update("subtract", self.array, self.index, values, indices_are_sorted,
                      unique_indices, mode, wrap_negative_indices)

    def multiply(self, values: Any, *, indices_are_sorted: bool = False,
                 unique_indices: bool = False, mode: Any = None, out_sharding: Any = None,
                 wrap_negative_indices: bool = True) -> Any:
        """`x` with the chosen elements multiplied, as often as an index is repeated."""
        return update("multiply", self.array, self.index, values, indices_are_sorted,
                      unique_indices, mode, wrap_negative_indices)

    mul = multiply

    def divide(self, values: Any, *, indices_are_sorted: bool = False,
               unique_indices: bool = False, mode: Any = None, out_sharding: Any = None,
               wrap_negative_indices: bool = True) -> Any:
        """`x` with the chosen elements divided; a float array."""
        factors = _gathered_factors(self, values, indices_are_sorted, unique_indices, mode,
                                    wrap_negative_indices)
        return elementwise.divide(self.array, factors)

    def power(self, values: Any, *, indices_are_sorted: bool = False,
              unique_indices: bool = False, mode: Any = None, out_sharding: Any = None,
              wrap_negative_indices: bool = True) -> Any:
        """`x` with the chosen elements raised to a power."""
        factors = _gathered_factors(self, values, indices_are_sorted, unique_indices, mode,
                                    wrap_negative_indices)
        return elementwise.power(self.array, factors)

    def min(self, values: Any, *, indices_are_sorted: bool = False, unique_indices: bool = False,
            mode: Any = None, out_sharding: Any = None, wrap_negative_indices: bool = True) -> Any:
        """`x` with the chosen elements replaced by the lesser of them and `values`."""
        return update("min", self.array, self.index, values, indices_are_sorted, unique_indices,
                      mode, wrap_negative_indices)

    def max(self, values: Any, *, indices_are_sorted: bool = False, unique_indices: bool = False,
            mode: Any = None, out_sharding: Any = None, wrap_negative_indices: bool = True) -> Any:
        """`x` with the chosen elements replaced by the greater of them and `values`."""
        return update("max", self.array, self.index, values, indices_are_sorted, unique_indices,
                      mode, wrap_negative_indices)

    def apply(self, func: Callable[[Any], Any], *, indices_are_sorted: bool = False,
              unique_indices: bool = False, mode: Any = None, out_sharding: Any = None,
              wrap_negative_indices: bool = True) -> Any:
        """`x` with the elementwise `func` applied to the chosen elements, as often as an index is
        repeated."""
        x = self.array
        index = parse(x.shape, self.index)
        operand = lax.expand_dims(x, index.added_axes) if index.added_axes else x
        layout = plan(index)
        out = lax.scatter_apply(
            operand, start_indices(index, layout, wrap_negative_indices), func,
            _scatter_numbers(layout), update_shape=tuple(layout.sizes),
            indices_are_sorted=indices_are_sorted or layout.sorted_and_unique,
            unique_indices=unique_indices or layout.sorted_and_unique, mode=mode)
        return lax.squeeze(out, index.added_axes) if index.added_axes else out


def _gathered_factors(ref: IndexUpdateRef, values: Any, *options: Any) -> Any:
    """An array of ones with `values` multiplied in where `ref` says."""
    return update("multiply", lax.full_like(ref.array, 1), ref.index, values, *options)


IndexUpdateHelper.__name__ = IndexUpdateHelper.__qualname__ = "_IndexUpdateHelper"
IndexUpdateRef.__name__ = IndexUpdateRef.__qualname__ = "_IndexUpdateRef"


# ---- updates ---------------------------------------------------------------------------------

def update(kind: str, x: Any, idx: Any, values: Any, indices_are_sorted: bool,
           unique_indices: bool, mode: Any, wrap_negative: bool) -> Any:
    """`x` with `values` put, added, … at `idx`; the result has the dtype of `x`."""
    if mode is None and wrap_negative and computes_at_once(x):
        done = _update_in_copy(kind, x, idx, values)
        if done is not None:
            return done
    x = as_array("scatter", x)
    if not hasattr(values, "aval"):
        values = _array_value(values)
    known = GatherScatterMode.from_any(mode)
    index = parse(x.shape, idx)
    dtype, weak = x.aval.dtype, x.aval.weak_type
    if dtype == values.aval.dtype == np.bool_ and kind in ("add", "subtract", "multiply"):
        name = {"add": "add", "subtract": "sub", "multiply": "mul"}[kind]
        raise TypeError(f"{name} does not accept dtype bool at position 0. Accepted dtypes at "
                        "position 0 are subtypes of integer, floating, complexfloating.")
    if values.aval.dtype != dtype or values.aval.weak_type:
        x, values = _common_dtype(kind, x, values)
    out = _scatter(kind, x, index, values, indices_are_sorted, unique_indices, known,
                   wrap_negative)
    return convert(out, dtype, weak)


def _array_value(values: Any) -> Any:
    if values is None or isinstance(values, (list, tuple)):
        return creation.asarray(values)
    if isinstance(values, str):
        raise TypeError(f"Value {values!r} with dtype {np.asarray(values).dtype} is not a valid "
                        "JAX array type. Only arrays of numeric types are supported by JAX.")
    return as_array("scatter", values, 1)


def _common_dtype(kind: str, x: Any, values: Any) -> tuple[Any, Any]:
    """`x` and `values` in one dtype: that of `x` where the values promote to it."""
    dtype = x.aval.dtype
    if isinstance(dtype, dtypes.ExtendedDType):
        return x, values
    promoted, _ = dtypes.result_type_of_avals(x.aval, values.aval)
    if promoted == dtype:
        return x, convert(values, dtype)
    if not (values.aval.weak_type and _same_kind(promoted, dtype)):
        warn(
            "scatter inputs have incompatible types: cannot safely cast value from "
            f"dtype={values.aval.dtype.name} to dtype={dtype.name} with "
            "jax_numpy_dtype_promotion=standard. In future JAX releases this will result in an "
            "error.", FutureWarning, stacklevel=4)
    if kind == "set":
        return x, convert(values, dtype)
    first, second = promote_dtypes(kind, x, values)
    return first, second


def _same_kind(a: Any, b: Any) -> bool:
    return all(dtypes.issubdtype(d, np.integer) for d in (a, b))


def _scatter(kind: str, x: Any, index: Index, values: Any, indices_are_sorted: bool,
             unique_indices: bool, mode: GatherScatterMode, wrap_negative: bool) -> Any:
    for entry, dimension in zip(index.entries, index.shape, strict=True):
        if isinstance(entry, StaticInt) and dimension == 0:
            return x
    layout = plan(index)
    shape = tuple(layout.sizes)
    values = _broadcast_value(values, shape, index.new_axes)
    if index.added_axes:
        x = lax.expand_dims(x, index.added_axes)
    if 0 in shape:
        return lax.squeeze(x, index.added_axes) if index.added_axes else x
    indices = start_indices(index, layout, wrap_negative, mode == GatherScatterMode.CLIP)
    out = _SCATTERS[kind](
        x, indices, values, _scatter_numbers(layout),
        indices_are_sorted=indices_are_sorted or layout.sorted_and_unique,
        unique_indices=unique_indices or layout.sorted_and_unique, mode=mode)
    return lax.squeeze(out, index.added_axes) if index.added_axes else out


_SCATTERS: dict[str, Any] = {
    "set": lambda *a, **k: lax.scatter(*a, **k), "add": lambda *a, **k: lax.scatter_add(*a, **k),
    "subtract": lambda *a, **k: lax.scatter_sub(*a, **k),
    "multiply": lambda *a, **k: lax.scatter_mul(*a, **k),
    "min": lambda *a, **k: lax.scatter_min(*a, **k),
    "max": lambda *a, **k: lax.scatter_max(*a, **k)}


def _scatter_numbers(layout: Any) -> ScatterDimensionNumbers:
    return ScatterDimensionNumbers(
        update_window_dims=tuple(i for i, w in enumerate(layout.order) if w[0] == "offset"),
        inserted_window_dims=tuple(layout.collapsed),
        scatter_dims_to_operand_dims=tuple(axis for axis, _ in layout.components))


def _broadcast_value(values: Any, shape: tuple[int, ...], new_axes: list[int]) -> Any:
    """`values` broadcast to the selected elements, without the new axes of the index."""
    full = list(shape)
    for position in new_axes:
        full.insert(position, 1)
    _check_value(values, tuple(full))
    if new_axes:
        values = lax.squeeze(broadcast_to_shape(values, tuple(full)), tuple(new_axes))
    return broadcast_to_shape(values, shape)


def _check_value(values: Any, shape: tuple[int, ...]) -> None:
    if values.ndim > len(shape):
        raise ValueError("Cannot broadcast to shape with fewer dimensions: "
                         f"arr_shape={values.shape} shape={shape}")
    for mine, wanted in zip(reversed(values.shape), reversed(shape), strict=False):
        if mine not in (1, wanted):
            dtype = dtypes.dtype_name(values.dtype)
            raise ValueError(
                "Incompatible types for broadcasting: input type="
                f"{dtype}[{','.join(map(str, values.shape))}] and requested type="
                f"{dtype}[{','.join(map(str, shape))}]")


# ---- the eager fast path ---------------------------------------------------------------------

def _update_in_copy(kind: str, x: ArrayImpl, idx: Any, values: Any) -> ArrayImpl | None:
    """The update by NumPy on a copy; None where that is not the same, or not that simple."""
    items = _native.update_index(x, idx)
    value = None if items is None else _value_data(values, x.aval)
    data: Any = x.data
    if value is None or (kind != "set" and data.dtype.kind not in "iufc"):
        return None
    result = data.copy()
    try:
        if value.ndim:
            _check_value(value, data[items].shape)
        if kind == "set":
            result[items] = value
        else:
            _COMBINE_AT[kind](result, items, value)
    except IndexError:  # out of bounds: such updates are dropped
        return None
    return from_numpy(result, x.aval.weak_type)


_COMBINE_AT: dict[str, Any] = {
    name: quiet(ufunc.at) for name, ufunc in (
        ("add", np.add), ("subtract", np.subtract), ("multiply", np.multiply),
        ("min", np.minimum), ("max", np.maximum))}


def _value_data(values: Any, aval: Any) -> np.ndarray | None:
    """`values` in the dtype of `aval` as NumPy data, or None where dtypes would promote."""
    if type(values) is ArrayImpl:
        if values.aval.dtype is aval.dtype:
            return values._value()
        return None
    scalar = elementwise.scalar_like(values, aval)
    return None if scalar is None else scalar._value()
