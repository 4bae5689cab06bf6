"""Reads and updates at computed places: slices, gathers and scatters in all modes."""
from __future__ import annotations

from typing import Any

from tools.fuzz.drawing import Drawing, Value
from tools.fuzz.operations import operation
from tools.fuzz.operations_shapes import moved_in_place

READ_MODES = ("clip", "fill", "promise_in_bounds")
WRITE_MODES = ("drop", "clip", "fill")


def indices(d: Drawing, n: int, inside: bool = False, ndim: int | None = None) -> str:
    """Text of an array of indices into an axis of `n`: some out of bounds if not `inside`."""
    found = d.pick(lambda v: v.integral and (ndim is None or v.ndim == ndim))
    if found is not None and d.chance(0.6):
        if inside and n:
            return f"({found.name} % {min(n, 100)})" if found.dtype.kind == "u" or n < 100 \
                else f"jnp.clip({found.name}, 0, {n - 1})"
        return found.name
    shape = d.shape(d.integer(0, 2) if ndim is None else ndim)
    step = d.choice((1, 3, 5, 7))
    size = 1
    for k in shape:
        size *= k
    text = f"jnp.arange({size}) * {step}"
    if inside or d.chance(0.5):
        text = f"({text}) % {max(n, 1)}"
    else:
        text = f"({text}) % {2 * n + 3} - {d.integer(0, n + 1)}"
    dtype = d.choice(("", ".astype('uint8')", ".astype('int16')", "", ""))
    if n > 200 and inside:
        dtype = ""
    return f"({text}){dtype}.reshape({shape})"


def scalar_index(d: Drawing, n: int, dtype: str = "int32") -> str:
    """Text of one index of a dtype, traced where there is an integer to take."""
    found = d.pick(lambda v: v.integral and v.ndim == 0)
    if found is not None and d.chance(0.8):
        return found.name if found.dtype.name == dtype else f"{found.name}.astype('{dtype}')"
    vector = d.pick(lambda v: v.integral and v.ndim == 1 and v.size > 0)
    if vector is not None and d.chance(0.7):
        return f"{vector.name}[{d.integer(0, vector.size - 1)}].astype('{dtype}')"
    return f"jnp.array({d.integer(0 if dtype[0] == 'u' else -n - 1, n + 1)}, '{dtype}')"


def starts(d: Drawing, shape: tuple[int, ...]) -> str:
    """Text of a tuple of start indices, all of one dtype."""
    dtype = d.choice(("int32", "int32", "int16", "uint8"))
    return "(" + "".join(f"{scalar_index(d, min(n, 100), dtype)}, " for n in shape) + ")"


def taken(d: Drawing, x: Value) -> str:
    """A gather from `x` along one axis, which is not empty."""
    axis = d.choice([k for k, n in enumerate(x.shape) if n])
    n = x.shape[axis]
    mode = d.choice(READ_MODES)
    index = indices(d, n, inside=mode == "promise_in_bounds")
    if d.chance(0.5):
        place = ", ".join([":"] * axis + [index])
        return f"{x.name}.at[{place}].get(mode='{mode}')"
    if mode == "promise_in_bounds":
        mode = "wrap"
    return f"jnp.take({x.name}, {index}, axis={axis}, mode='{mode}')"


@operation(3)
def take(d: Drawing) -> Any:
    x = d.pick(lambda v: any(v.shape))
    return x and d.add(taken(d, x), "take")


@operation(2)
def take_and_move(d: Drawing) -> Any:
    """A gather inside a roll, a flip or a pad."""
    x = d.pick(lambda v: any(v.shape))
    if x is None:
        return None
    y = d.add(taken(d, x), "take")
    if y is None or not y.ndim:
        return y
    if d.chance(0.5):
        return d.add(moved_in_place(d, y), "take and move")
    zero = f"jnp.zeros((), '{y.dtype.name}')"
    config = [(d.integer(0, 2), d.integer(0, 2), d.choice((0, 0, 1))) for _ in y.shape]
    return d.add(f"lax.pad({y.name}, {zero}, {config})", "take and move")


@operation(1.5)
def along(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim > 0 and v.size > 0)
    if x is None:
        return None
    axis = d.integer(0, x.ndim - 1)
    index = d.pick(lambda v: v.integral and v.ndim == x.ndim and all(
        m == n for k, (m, n) in enumerate(zip(v.shape, x.shape)) if k != axis))
    if index is None:
        index = d.add(f"jnp.argsort({x.name}, axis={axis})" if x.dtype.kind != "c" else
                      f"lax.broadcasted_iota('int32', {x.shape}, {axis})", "argsort")
    mode = d.choice(("", ", mode='clip'", ", mode='fill'"))
    return d.add(f"jnp.take_along_axis({x.name}, {index.name}, {axis}{mode})", "take_along_axis")


@operation(1.5)
def two_indices(d: Drawing) -> Any:
    """Advanced indices into two axes that broadcast against each other."""
    x = d.pick(lambda v: v.ndim >= 2 and v.size > 0)
    if x is None:
        return None
    m = d.choice((1, 2, 5, 17))
    i = f"(jnp.arange({m}) % {x.shape[0]})[:, None]" if d.chance(0.5) else f"jnp.arange({m})"
    j = indices(d, x.shape[1], ndim=1)
    if "None" not in i:
        j = f"(jnp.arange({m}) * 3 - 1)"
    return d.add(f"{x.name}[{i}, {j}]", "advanced index")


@operation(2)
def dynamic_slice(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim > 0)
    if x is None:
        return None
    if d.chance(0.3) and x.shape[0]:
        return d.add(f"{x.name}[{scalar_index(d, x.shape[0])}]", "traced index")
    sizes = tuple(d.integer(0 if d.chance(0.05) else min(1, n), n) for n in x.shape)
    return d.add(f"lax.dynamic_slice({x.name}, {starts(d, x.shape)}, {sizes})", "dynamic_slice")


def updated(d: Drawing, x: Value) -> str:
    """`x` with a part replaced."""
    value = d.pick(lambda v: v.ndim == x.ndim and v.dtype == x.dtype and all(
        m <= n for m, n in zip(v.shape, x.shape)))
    if value is None or d.chance(0.3):
        part = f"{x.name}[{', '.join(f':{d.integer(min(1, n), n)}' for n in x.shape)}]"
    else:
        part = value.name
    return f"lax.dynamic_update_slice({x.name}, {part}, {starts(d, x.shape)})"


@operation(2)
def dynamic_update(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim > 0)
    return x and d.add(updated(d, x), "dynamic_update_slice")


def _operand(d: Drawing, x: Value, shape: tuple[int, ...]) -> str:
    """Something of the dtype of `x` that broadcasts to a shape."""
    y = d.pick(lambda v: v.dtype == x.dtype)
    if y is None:
        return "1"
    text = d.adapt(y, shape)
    return d.converted(text, y.dtype if "sum" not in text else d.environment["jnp"].dtype(
        eval(text, d.environment).dtype), x.dtype)


def written(d: Drawing, x: Value) -> str:
    """A scatter into `x`."""
    methods = ("set", "add") if x.dtype.kind == "b" else \
        ("set", "add", "add", "multiply", "subtract") if x.dtype.kind == "c" else \
        ("set", "add", "add", "multiply", "min", "max", "subtract")
    method = d.choice(methods)
    if x.dtype.kind == "b":
        method = "set"
    if d.differentiable and method == "multiply":
        method = "add"
    mode = d.choice(WRITE_MODES)
    axis = d.integer(0, x.ndim - 1)
    n = x.shape[axis]
    kind = d.integer(0, 3)
    if kind == 0 and n:
        place, shape = scalar_index(d, n), (*x.shape[:axis], *x.shape[axis + 1:])
    elif kind == 1 or method == "set":  # each place once: the order of writes is no matter
        start = d.integer(0, n)
        stop, step = d.integer(start, n), d.choice((1, 1, 2, 3))
        count = len(range(start, stop, step))
        place = f"{start}:{stop}:{step}" if d.chance(0.5) else \
            f"jnp.arange({start}, {stop}, {step})[::-1]"
        shape = (*x.shape[:axis], count, *x.shape[axis + 1:])
    else:
        place = indices(d, n, ndim=1)
        count = eval(place, d.environment).shape[0]
        shape = (*x.shape[:axis], count, *x.shape[axis + 1:])
    value = _operand(d, x, shape)
    where = ", ".join([":"] * axis + [place])
    return f"{x.name}.at[{where}].{method}({value}, mode='{mode}')"


@operation(3)
def scatter(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim > 0)
    return x and d.add(written(d, x), "scatter")


@operation(0.7)
def segments(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim > 0 and v.dtype.kind in "iuf")
    if x is None:
        return None
    n = d.choice((1, 3, 8, 17))
    return d.add(f"jnp.zeros(({n}, *{x.shape[1:]}), '{x.dtype.name}')"
                 f".at[jnp.arange({x.shape[0]}) * 7 % {n + 1}].add({x.name})", "segment_sum")
