"""scatter and its combining kin: windows of updates written to computed places."""
from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.ad_values import Zero, is_undefined, tangent_aval
from arrax.core.array import ArrayImpl
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.jaxpr import Eqn, Jaxpr, Var
from arrax.core.primitive import NotApplicable, Primitive
from arrax.core.lowering import Part, Scatter
from arrax.library.rows import ScatterKind, scatter_rows_spec
from arrax.ops import arguments, sharding_rules
from arrax.ops.arguments import check_same_dtypes, positions
from arrax.ops.arithmetic import add_p, max_p, min_p, mul_p, sub_p
from arrax.ops.index_types import (GatherDimensionNumbers, GatherScatterMode,
                                   ScatterDimensionNumbers, check_batching, check_in_range,
                                   check_index_map, check_sorted, with_tuples)
from arrax.ops.index_windows import Windows, clips
from arrax.ops.indexing_stablehlo import scattered
from arrax.ops.join import aval_of_operand
from arrax.ops.masked_scatter import masked_scatter
from arrax.ops.p import div_p, eq_p, gather_p, iota_p, ne_p, neg_p, reshape_p, select_n_p
from arrax.ops.quiet import quiet
from arrax.ops.rules import (add_tangents, attached, batch_to_front, broadcast_in_dim, constant,
                             instantiate, move_axis, zeros)


# ---- type --------------------------------------------------------------------------------------

def _scatter_type(name: str) -> Callable[..., Any]:
    def rule(x: Any, indices: Any, updates: Any, *, dimension_numbers: Any, **params: Any) -> Any:
        _check_types(name, x, indices, updates, dimension_numbers)
        return x
    return rule


@lru_cache(maxsize=4096)
def _check_types(name: str, x: Any, indices: Any, updates: Any, numbers: ScatterDimensionNumbers,
                 ) -> None:
    """The type rule's checks; calls of equal types make them once."""
    if not dtypes.issubdtype(indices.dtype, np.integer):
        raise ValueError("indices must have an integer type, got "
                         f"{dtypes.dtype_name(indices.dtype)}")
    check_same_dtypes(name, x, updates)
    _check_numbers(x, indices, updates, numbers)


_GONE = ("inserted_window_dims", "scatter_indices_batching_dims")


def _check_numbers(x: Any, indices: Any, updates: Any, numbers: ScatterDimensionNumbers) -> None:
    window = numbers.update_window_dims
    if indices.ndim < 1 or len(numbers.scatter_dims_to_operand_dims) != indices.shape[-1]:
        raise TypeError(
            f"Scatter op has {len(numbers.scatter_dims_to_operand_dims)} elements in "
            "scatter_dims_to_operand_dims and the bound of dimension "
            f"index_vector_dim={indices.ndim - 1} of indices is "
            f"{indices.shape[-1] if indices.ndim else None}. These two numbers must be equal.")
    if updates.ndim != indices.ndim - 1 + len(window):
        raise TypeError(f"Updates tensor must be of rank {indices.ndim - 1 + len(window)}; got "
                        f"{updates.ndim}.")
    for name, rank in (("update_window_dims", updates.ndim), ("inserted_window_dims", x.ndim)):
        check_sorted("scatter", name, getattr(numbers, name))
        check_in_range("scatter", name, getattr(numbers, name), rank)
    check_index_map("scatter", "scatter_dims_to_operand_dims",
                    numbers.scatter_dims_to_operand_dims, x.ndim)
    check_batching("scatter", x, indices, numbers, _GONE, numbers.scatter_dims_to_operand_dims)
    gone = (*numbers.inserted_window_dims, *numbers.operand_batching_dims)
    if x.ndim != len(window) + len(gone):
        raise TypeError(f"Scatter op has window of size {len(window) + len(gone)}; doesn't match "
                        f"operand of rank {x.ndim}.")
    kept = positions(x.ndim, gone)
    for axis, operand_axis in zip(window, kept, strict=True):
        if updates.shape[axis] > x.shape[operand_axis]:
            raise TypeError(
                "Bounds of the window dimensions of updates must not exceed the bounds of the "
                f"corresponding dimensions of operand. For dimension {axis}, updates bound is "
                f"{updates.shape[axis]}, operand bound is {x.shape[operand_axis]}.")
    for i, axis in enumerate(positions(updates.ndim, window)):
        if updates.shape[axis] != indices.shape[i]:
            raise TypeError(
                "Bounds of the scatter dimensions of updates must be the same as the bounds of "
                f"the corresponding dimensions of scatter indices. For scatter dimension {axis}, "
                f"updates bound is {updates.shape[axis]}, indices bound is {indices.shape[i]}.")


def window_sizes(rank: int, updates_shape: Any, numbers: ScatterDimensionNumbers,
                 ) -> tuple[int, ...]:
    """The size of a window along each axis of the operand."""
    gone = (*numbers.inserted_window_dims, *numbers.operand_batching_dims)
    sizes = iter([updates_shape[i] for i in numbers.update_window_dims])
    return tuple(1 if i in gone else next(sizes) for i in range(rank))


# ---- evaluation --------------------------------------------------------------------------------

def _scatter_evaluate(combine: Any) -> Callable[..., np.ndarray]:
    """`combine` is a ufunc, or None to overwrite."""
    def evaluate(x: np.ndarray, indices: np.ndarray, updates: np.ndarray, *,
                 dimension_numbers: Any, mode: Any, **params: Any) -> np.ndarray:
        out = np.array(x, order="C")
        if updates.size == 0 or out.size == 0:
            return out
        sizes = window_sizes(x.ndim, updates.shape, dimension_numbers)
        write: Callable[..., None]
        if math.prod(indices.shape[:-1]) == 1:
            write, indices = _write_window, indices.reshape(-1)
        elif x.ndim == 1 and indices.shape[-1] == 1 and dimension_numbers.inserted_window_dims:
            write = _write_elements
        else:
            write = _write_windows
        write(out, indices, updates, sizes, dimension_numbers, mode, combine)
        return out
    return evaluate


def _write_window(out: np.ndarray, index: np.ndarray, updates: np.ndarray, sizes: Any,
                  numbers: ScatterDimensionNumbers, mode: Any, combine: Any) -> None:
    """One index vector: a slice of `out`."""
    place = [slice(0, size) for size in sizes]
    for value, axis in zip(index.tolist(), numbers.scatter_dims_to_operand_dims, strict=True):
        last = out.shape[axis] - sizes[axis]
        if not 0 <= value <= last:
            if mode is not GatherScatterMode.CLIP:
                return
            value = min(max(value, 0), last)
        place[axis] = slice(value, value + sizes[axis])
    window = numbers.update_window_dims
    if window != tuple(range(updates.ndim)):
        updates = updates.transpose((*positions(updates.ndim, window), *window))
    target = tuple(place)
    updates = updates.reshape(sizes)
    out[target] = updates if combine is None else combine(out[target], updates)


def _write_elements(out: np.ndarray, indices: np.ndarray, updates: np.ndarray, sizes: Any,
                    numbers: ScatterDimensionNumbers, mode: Any, combine: Any) -> None:
    """Elements of a vector."""
    flat, size = indices.reshape(-1), out.shape[0]
    updates = updates.reshape(-1)
    if mode is GatherScatterMode.CLIP:
        flat = np.clip(flat, 0, size - 1)
    elif flat.min() < 0 or flat.max() >= size:
        inside = (flat >= 0) & (flat < size)
        flat, updates = flat[inside], updates[inside]
    if combine is None:
        out[flat] = updates
    else:
        combine.at(out, flat, updates)


def _write_windows(out: np.ndarray, indices: np.ndarray, updates: np.ndarray, sizes: Any,
                   numbers: ScatterDimensionNumbers, mode: Any, combine: Any) -> None:
    windows = Windows(out.shape, indices, sizes, numbers.inserted_window_dims,
                      numbers.scatter_dims_to_operand_dims, numbers.operand_batching_dims,
                      numbers.scatter_indices_batching_dims, clips(mode, gathers=False))
    window = numbers.update_window_dims
    updates = updates.transpose((*positions(updates.ndim, window), *window))
    count = len(windows.vectors)
    flat: Any = 0
    stride = out.size
    for axis, extent in enumerate(out.shape):
        stride //= extent
        index = windows.axes[axis]
        if index is None:
            place = [1] * (count + len(windows.kept))
            place[count + windows.kept.index(axis)] = extent
            index = np.arange(extent).reshape(place)
        flat = flat + index * stride
    flat = np.broadcast_to(flat, updates.shape)
    if windows.outside is not None and windows.outside.any():
        inside = ~windows.outside
        flat, updates = flat[inside], updates[inside]
    flat, updates, target = flat.reshape(-1), updates.reshape(-1), out.reshape(-1)
    if combine is None:
        target[flat] = updates
    else:
        combine.at(target, flat, updates)


# ---- transformations ---------------------------------------------------------------------------

@cache
def _update_jaxpr(primitive: Primitive, dtype: Any) -> Jaxpr:
    aval = ShapedArray((), dtype)
    primitive.type_rule(aval, aval)  # refuses sums and products of bools
    old, update, new = Var(aval), Var(aval), Var(aval)
    return Jaxpr([], [old, update], [new], [Eqn(primitive, [old, update], [new], {})])


def update_jaxpr_of(primitive: Primitive, aval: Any) -> Jaxpr:
    """The jaxpr (old, update) → new of a primitive that joins two scalars."""
    return _update_jaxpr(primitive, aval.dtype)


def _gather_back(x: Any, indices: Any, updates_shape: Any, numbers: ScatterDimensionNumbers,
                 mode: Any, fill_value: Any = None) -> Any:
    """The gather of the windows that a scatter writes; zeros where they fit nowhere in `x`, into
    which nothing was written then."""
    sizes, aval = window_sizes(aval_of(x).ndim, updates_shape, numbers), aval_of(x)
    if any(size > extent for size, extent in zip(sizes, aval.shape, strict=True)):
        return zeros(ShapedArray(tuple(updates_shape), aval.dtype))
    gather_numbers = GatherDimensionNumbers(
        offset_dims=tuple(numbers.update_window_dims),
        collapsed_slice_dims=tuple(numbers.inserted_window_dims),
        start_index_map=tuple(numbers.scatter_dims_to_operand_dims),
        operand_batching_dims=tuple(numbers.operand_batching_dims),
        start_indices_batching_dims=tuple(numbers.scatter_indices_batching_dims))
    return gather_p.bind(
        x, indices, dimension_numbers=gather_numbers,
        slice_sizes=sizes, unique_indices=False, indices_are_sorted=False, mode=mode,
        fill_value=fill_value)


@attached
def _scatter_batch(primitive: Primitive) -> Callable[..., Any]:
    def rule(axis: Any, operands: Any, dims: Any, *, dimension_numbers: Any, **params: Any) -> Any:
        (x, indices, updates), numbers = operands, dimension_numbers
        x = batch_to_front(x, dims[0], axis.size)
        updates = batch_to_front(updates, dims[2], axis.size)
        moved = {field: tuple(i + 1 for i in getattr(numbers, field)) for field in (
            "update_window_dims", "inserted_window_dims", "scatter_dims_to_operand_dims",
            "operand_batching_dims")}
        numbers = numbers._replace(**moved)
        if dims[1] is None:
            numbers = numbers._replace(update_window_dims=(0, *numbers.update_window_dims))
        else:
            indices = move_axis(indices, dims[1], 0)
            index_batching = tuple(i + 1 for i in numbers.scatter_indices_batching_dims)
            numbers = numbers._replace(
                operand_batching_dims=(0, *numbers.operand_batching_dims),
                scatter_indices_batching_dims=(0, *index_batching))
        return primitive.bind(x, indices, updates, dimension_numbers=numbers, **params), 0
    return rule


def _zero_tangents(out: Any, tangents: Any) -> Any:
    """Zero, if the tangents of operand and updates are both zero, else None."""
    if type(tangents[0]) is Zero and type(tangents[2]) is Zero:
        return Zero(tangent_aval(aval_of(out)))
    return None


def _scatter_stablehlo(b: Any, x: Any, indices: Any, updates: Any, **params: Any) -> Any:
    sizes = window_sizes(x.aval.ndim, updates.aval.shape, params["dimension_numbers"])
    return scattered(b, x, indices, updates, sizes, **params)


def _declare(name: str, kind: ScatterKind, combine: Any, jvp: Any, transpose: Any,
             by: Primitive | None = None, part: Part | None = None,
             linear: bool = False) -> Primitive:
    return Primitive(name, sharding=sharding_rules.scatter,
                     type_rule=_scatter_type(name.replace("-", "_")),
                     evaluate=quiet(_scatter_evaluate(combine)), jvp=jvp, transpose=transpose,
                     batch=_scatter_batch, weak_type="first", part=part, linear=linear,
                     lower=Scatter(partial(scatter_rows_spec, kind), by),
                     masked=attached(lambda primitive: partial(masked_scatter, primitive)),
                     stablehlo=_scatter_stablehlo)


# ---- scatter -----------------------------------------------------------------------------------

def _scatter_jvp(primals: Any, tangents: Any, **params: Any) -> Any:
    x, indices, updates = primals
    zero = _zero_tangents(x, tangents)
    if zero is not None:
        return scatter_p.bind(*primals, **params), zero
    x_tangent, update_tangent = instantiate(tangents[0]), instantiate(tangents[2])
    if params["unique_indices"]:
        return (scatter_p.bind(*primals, **params),
                scatter_p.bind(x_tangent, indices, update_tangent, **params))
    written, is_last = _last_writers(aval_of(x), indices, aval_of(updates), params)
    select = select_n_p.bind
    masked = select(written, x_tangent, zeros(aval_of(x_tangent)))
    masked_updates = select(is_last, zeros(aval_of(update_tangent)), update_tangent)
    tangent = scatter_add_p.bind(
        masked, indices, masked_updates,
        **params | {"update_jaxpr": update_jaxpr_of(add_p, aval_of(x_tangent))})
    return scatter_p.bind(*primals, **params), tangent


def _last_writers(x: Any, indices: Any, updates: Any, params: dict[str, Any]) -> tuple[Any, Any]:
    """Which elements of the result are written, and which updates are the ones that stay.

    Where several updates fall on one element one of them stays; numbering the updates and
    scattering the numbers in the same way tells which.
    """
    dtype = np.dtype(np.uint32)
    numbers = params["dimension_numbers"]
    vector_axes = positions(updates.ndim, numbers.update_window_dims)
    shape = tuple(updates.shape[i] for i in vector_axes)
    count = math.prod(shape)
    iota = iota_p.bind(dtype=dtype, shape=(count,), dimension=0, sharding=None)
    iota = reshape_p.bind(iota, new_sizes=shape, dimensions=None, sharding=None)
    one = np.ones((), dtype)[()]
    ids = add_p.bind(broadcast_in_dim(iota, updates.shape, vector_axes),
                     broadcast_in_dim(one, updates.shape, ()))
    nothing = zeros(ShapedArray(x.shape, dtype))
    scattered = scatter_p.bind(nothing, indices, ids, **params)
    gathered = _gather_back(scattered, indices, updates.shape, numbers,
                            GatherScatterMode.PROMISE_IN_BOUNDS)
    written = ne_p.bind(scattered, nothing)
    return written, eq_p.bind(ids, gathered)


def _scatter_transpose(cotangent: Any, x: Any, indices: Any, updates: Any, **params: Any,
                       ) -> list[Any]:
    if not params["unique_indices"]:
        raise NotImplementedError("scatter transpose is only implemented where"
                                  "unique_indices=True")
    if type(cotangent) is Zero:
        return [Zero(v.aval) if is_undefined(v) else None for v in (x, indices, updates)]
    update_aval = aval_of_operand(updates)
    x_cotangent = update_cotangent = None
    if is_undefined(x):
        x_cotangent = scatter_p.bind(cotangent, indices, zeros(tangent_aval(update_aval)), **params)
    if is_undefined(updates):
        update_cotangent = _window_cotangents(cotangent, indices, update_aval, params)
    return [x_cotangent, None, update_cotangent]


def _window_cotangents(cotangent: Any, indices: Any, updates: Any, params: dict[str, Any]) -> Any:
    return _gather_back(cotangent, indices, updates.shape, params["dimension_numbers"],
                        params["mode"], 0)


scatter_p = _declare("scatter", ScatterKind.SET, None, _scatter_jvp, _scatter_transpose,
                     linear=True)


# ---- scatter-add, scatter-sub ------------------------------------------------------------------

@attached
def _linear_scatter_jvp(primitive: Primitive) -> Callable[..., Any]:
    def rule(primals: Any, tangents: Any, **params: Any) -> Any:
        out = primitive.bind(*primals, **params)
        zero = _zero_tangents(out, tangents)
        if zero is not None:
            return out, zero
        return out, primitive.bind(instantiate(tangents[0]), primals[1], instantiate(tangents[2]),
                                   **params)
    return rule


def _linear_scatter_transpose(negate: bool) -> Callable[..., Any]:
    def rule(cotangent: Any, x: Any, indices: Any, updates: Any, **params: Any) -> list[Any]:
        if type(cotangent) is Zero:
            return [Zero(v.aval) if is_undefined(v) else None for v in (x, indices, updates)]
        update_cotangent = None
        if is_undefined(updates):
            update_cotangent = _window_cotangents(cotangent, indices, updates.aval, params)
            if negate:
                update_cotangent = neg_p.bind(update_cotangent)
        return [cotangent if is_undefined(x) else None, None, update_cotangent]
    return rule


def _add_to(total: Any, _: Any, indices: Any, updates: Any, **params: Any) -> Any:
    """total + scatter-add(zeros, indices, updates)."""
    return scatter_add_p.bind(total, indices, updates, **params)


scatter_add_p = _declare("scatter-add", ScatterKind.ADD, np.add, _linear_scatter_jvp,
                         _linear_scatter_transpose(False), add_p, Part(_add_to, adds=True),
                         linear=True)
scatter_sub_p = _declare("scatter-sub", ScatterKind.SUBTRACT, np.subtract, _linear_scatter_jvp,
                         _linear_scatter_transpose(True), sub_p, linear=True)


# ---- scatter-mul -------------------------------------------------------------------------------

def _scatter_mul_jvp(primals: Any, tangents: Any, **params: Any) -> Any:
    x, indices, updates = primals
    out = scatter_mul_p.bind(*primals, **params)
    zero = _zero_tangents(out, tangents)
    if zero is not None:
        return out, zero
    parts = []
    if type(tangents[0]) is not Zero:
        parts.append(scatter_mul_p.bind(tangents[0], indices, updates, **params))
    if type(tangents[2]) is not Zero:
        if not params["unique_indices"]:
            raise NotImplementedError(
                "scatter_mul gradients are only implemented if `unique_indices=True`")
        scattered = scatter_add_p.bind(
            zeros(aval_of(x)), indices, tangents[2],
            **params | {"update_jaxpr": update_jaxpr_of(add_p, aval_of(x))})
        parts.append(mul_p.bind(x, scattered))
    return out, parts[0] if len(parts) == 1 else add_tangents(*parts)


def _scatter_mul_transpose(cotangent: Any, x: Any, indices: Any, updates: Any, **params: Any,
                           ) -> list[Any]:
    if type(cotangent) is Zero:
        return [Zero(v.aval) if is_undefined(v) else None for v in (x, indices, updates)]
    if is_undefined(updates):
        if not params["unique_indices"]:
            raise NotImplementedError(
                "scatter_mul gradients are only implemented if `unique_indices=True`")
        product = mul_p.bind(cotangent, x)
        return [None, None, _window_cotangents(product, indices, updates.aval, params)]
    return [scatter_mul_p.bind(cotangent, indices, updates, **params), None, None]


scatter_mul_p = _declare("scatter-mul", ScatterKind.MULTIPLY, np.multiply, _scatter_mul_jvp,
                         _scatter_mul_transpose, mul_p)


# ---- scatter-min, scatter-max ------------------------------------------------------------------

@attached
def _scatter_extremum_jvp(primitive: Primitive) -> Callable[..., Any]:
    """The tangent of an element is the mean of the tangents of those that attain the extremum: of
    none where it is NaN, whose tangent is zero."""
    def rule(primals: Any, tangents: Any, **params: Any) -> Any:
        x, indices, updates = primals
        out = primitive.bind(*primals, **params)
        zero = _zero_tangents(out, tangents)
        if zero is not None:
            return out, zero
        x_tangent, update_tangent = instantiate(tangents[0]), instantiate(tangents[2])
        aval, update_aval = aval_of(x_tangent), aval_of(update_tangent)
        adding = params | {"update_jaxpr": update_jaxpr_of(add_p, aval)}
        winners = _gather_back(out, indices, update_aval.shape, params["dimension_numbers"],
                               params["mode"], 0)

        def ones(which: Any, like: Any) -> Any:
            return select_n_p.bind(which, zeros(like), broadcast_in_dim(
                constant(1, like), like.shape, ()))

        x_attains = ones(eq_p.bind(x, out), aval)
        update_attains = ones(eq_p.bind(updates, winners), update_aval)
        count = scatter_add_p.bind(x_attains, indices, update_attains, **adding)
        total = scatter_add_p.bind(mul_p.bind(x_attains, x_tangent), indices,
                                   mul_p.bind(update_attains, update_tangent), **adding)
        one = broadcast_in_dim(constant(1, aval), aval.shape, ())
        return out, div_p.bind(total, max_p.bind(count, one))
    return rule


_LINEARIZED = NotApplicable("its JVP is made of linear operations")
scatter_min_p = _declare("scatter-min", ScatterKind.MIN, np.minimum, _scatter_extremum_jvp,
                         _LINEARIZED, min_p)
scatter_max_p = _declare("scatter-max", ScatterKind.MAX, np.maximum, _scatter_extremum_jvp,
                         _LINEARIZED, max_p)


# ---- public functions --------------------------------------------------------------------------

def _public(name: str, primitive: Primitive, combining: Primitive | None, doc: str,
            ) -> Callable[..., Any]:
    def scatter_function(
            operand: Any, scatter_indices: Any, updates: Any,
            dimension_numbers: ScatterDimensionNumbers, *, indices_are_sorted: bool = False,
            unique_indices: bool = False, mode: Any = None) -> Any:
        operand = arguments.operand(operand, name)
        scatter_indices = arguments.operand(scatter_indices, name, 1)
        updates = arguments.operand(updates, name, 2)
        aval = operand.aval
        dimension_numbers = with_tuples(dimension_numbers)
        jaxpr = None if combining is None else update_jaxpr_of(combining, aval)
        params = {"dimension_numbers": dimension_numbers, "mode": GatherScatterMode.from_any(mode),
                  "indices_are_sorted": bool(indices_are_sorted),
                  "unique_indices": bool(unique_indices), "update_jaxpr": jaxpr,
                  "update_consts": ()}
        if type(operand) is ArrayImpl:
            _check_types(name, aval, scatter_indices.aval, updates.aval, dimension_numbers)
        return primitive.bind(operand, scatter_indices, updates, **params)

    scatter_function.__name__ = scatter_function.__qualname__ = name
    scatter_function.__doc__ = f"""{doc}

    Args:
      operand: the array to start from; its dtype and shape are the result's.
      scatter_indices: integers; index vectors lie along the last axis.
      updates: windows of the dtype of `operand`.
      dimension_numbers: a `ScatterDimensionNumbers`.
      indices_are_sorted, unique_indices: promises that make derivatives and compiled code cheaper.
      mode: "fill" or "drop" (the default) drops windows that do not fit, "clip" moves them inside.

    TypeError when the dimension numbers or dtypes do not fit.
    """
    return scatter_function


scatter = _public("scatter", scatter_p, None,
                  "Overwrite windows of `operand` with `updates`, as XLA's Scatter defines.")
scatter_add = _public("scatter_add", scatter_add_p, add_p,
                      "Add `updates` to windows of `operand`; repeated indices add up.")
scatter_sub = _public("scatter_sub", scatter_sub_p, sub_p,
                      "Subtract `updates` from windows of `operand`.")
scatter_mul = _public("scatter_mul", scatter_mul_p, mul_p,
                      "Multiply windows of `operand` by `updates`.")
scatter_min = _public("scatter_min", scatter_min_p, min_p,
                      "The minimum of windows of `operand` and `updates`.")
scatter_max = _public("scatter_max", scatter_max_p, max_p,
                      "The maximum of windows of `operand` and `updates`.")
