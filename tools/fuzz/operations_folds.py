"""Folds and products: reductions over any axes, cumulative ones, windows, sorts, contractions."""
from __future__ import annotations

from typing import Any

import numpy as np

from tools.fuzz.drawing import Drawing, Value
from tools.fuzz.operations import operation
from tools.fuzz.operations_elements import paired

FOLDS = ("sum", "sum", "sum", "max", "min", "mean", "prod", "var", "std")


def _bounded(x: Value, name: str) -> str:
    """`x` as an operand whose products do not overflow at once."""
    return f"jnp.tanh({x.name})" if name == "prod" and x.floating else x.name


def fold_text(d: Drawing, x: Value, axes: Any, keepdims: bool) -> str:
    """Some fold of `x` along axes."""
    name = d.choice(FOLDS)
    if x.dtype.kind == "b":
        name = d.choice(("any", "all", "sum"))
    elif x.dtype.kind == "c":
        name = d.choice(("sum", "mean"))
    elif x.integral:
        name = d.choice(("sum", "max", "min", "prod"))
    if name in ("max", "min", "mean", "var", "std") and not x.size:
        name = "sum"
    keep = ", keepdims=True" if keepdims else ""
    if name == "std" and d.differentiable:  # whose derivative at 0 times zero is NaN or zero
        return f"jnp.sqrt(0.5 + jnp.var({x.name}, axis={axes}{keep}))"
    return f"jnp.{name}({_bounded(x, name)}, axis={axes}{keep})"


@operation(4)
def fold(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim > 0)
    if x is None:
        return None
    return d.add(fold_text(d, x, d.axes(x.ndim), d.chance(0.4)), "fold")


@operation(3)
def fold_and_use(d: Drawing) -> Any:
    """A fold that keeps its axes, used beside its operand: softmax and normalizations."""
    x = d.pick(lambda v: v.ndim > 0 and v.dtype.kind != "b")
    if x is None:
        return None
    folded = d.add(fold_text(d, x, d.axes(x.ndim), True), "fold")
    return None if folded is None else d.add(paired(d, x, folded.name, folded), "keepdims")


@operation(1.5)
def softmax(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim > 0 and v.floating and v.size > 0)
    if x is None:
        return None
    axis = d.integer(0, x.ndim - 1)
    function = d.choice(("nn.softmax", "nn.log_softmax", "nn.logsumexp", "nn.standardize",
                         "jnp.cumsum"))
    return d.add(f"{function}({x.name}, axis={axis})", "softmax")


@operation(1, smooth=False)
def positions(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim > 0 and v.size > 0 and v.dtype.kind != "c")
    if x is None:
        return None
    axis = d.integer(0, x.ndim - 1)
    function = d.choice(("jnp.argmax", "jnp.argmin", "jnp.argsort", "jnp.count_nonzero"))
    return d.add(f"{function}({x.name}, axis={axis})", "argmax")


@operation(1.5)
def cumulative(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim > 0 and v.dtype.kind != "b")
    if x is None:
        return None
    axis, reverse = d.integer(0, x.ndim - 1), d.chance(0.4)
    if x.dtype.kind == "c":
        name = "cumsum"
    elif x.floating:
        name = d.choice(("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"))
    else:
        name = d.choice(("cumsum", "cumprod", "cummax", "cummin"))
    text = f"jnp.tanh({x.name})" if x.floating else x.name
    return d.add(f"lax.{name}({text}, axis={axis}, reverse={reverse})", "cumulative")


@operation(0.7)
def scanned(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim > 0 and v.dtype.kind in "iuf" and v.size > 0)
    if x is None:
        return None
    axis = d.integer(0, x.ndim - 1)
    return d.add(f"lax.associative_scan({d.choice(('jnp.add', 'jnp.maximum'))}, {x.name}, "
                 f"axis={axis}, reverse={d.chance(0.4)})", "associative_scan")


@operation(1.5)
def sort(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim > 0 and v.dtype.kind != "c" and v.size > 0)
    if x is None:
        return None
    axis = d.integer(0, x.ndim - 1)
    if d.differentiable or d.chance(0.5):
        return d.add(f"jnp.sort({x.name}, axis={axis}, descending={d.chance(0.3)})", "sort")
    other = d.pick(lambda v: v.shape == x.shape)
    if d.chance(0.4) and x.dtype.kind != "b":
        parts = d.add(f"lax.top_k({x.name}, {d.integer(0, x.shape[-1])})", "top_k", parts=2)
    else:
        parts = d.add(f"lax.sort(({x.name}, {other.name}), dimension={axis}, num_keys=1)",
                      "sort", parts=2)
    return parts and parts[-1]


@operation(0.6, smooth=False)
def search(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim == 1 and v.dtype.kind in "iuf")
    y = d.pick(lambda v: x is not None and v.dtype == x.dtype)
    if x is None or y is None:
        return None
    return d.add(f"jnp.searchsorted(jnp.sort({x.name}), {y.name}, "
                 f"side='{d.choice(('left', 'right'))}')", "searchsorted")


@operation(3)
def product(d: Drawing) -> Any:
    """A contraction of two values over axes of equal sizes."""
    x = d.pick(lambda v: v.ndim > 0 and v.dtype.kind != "b")
    if x is None:
        return None
    axis = d.integer(0, x.ndim - 1)
    y = d.pick(lambda v: v.dtype == x.dtype and x.shape[axis] in v.shape) or x
    other = d.choice([k for k, n in enumerate(y.shape) if n == x.shape[axis]])
    if x.size * y.size > max(x.shape[axis], 1) ** 2 * d.largest:
        return None
    batch: tuple[list[int], list[int]] = ([], [])
    if d.chance(0.4):
        for i, n in enumerate(x.shape):
            matching = [k for k, m in enumerate(y.shape) if m == n and k != other
                        and k not in batch[1]]
            if i != axis and matching and len(batch[0]) < 1:
                batch[0].append(i)
                batch[1].append(d.choice(matching))
    numbers = ((([axis]), ([other])), (batch[0], batch[1]))
    preferred = ", preferred_element_type='float32'" \
        if x.dtype.name in ("float16", "bfloat16") and d.chance(0.5) else ""
    return d.add(f"lax.dot_general({x.name}, {y.name}, {numbers}{preferred})", "dot_general")


@operation(1)
def matrix_product(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim >= 2 and v.dtype.kind != "b")
    if x is None:
        return None
    if x.size * x.shape[-2] > 4 * d.largest:
        return None
    return d.add(f"{x.name} @ jnp.swapaxes({x.name}, -1, -2)", "matmul")


@operation(0.8)
def window(d: Drawing) -> Any:
    x = d.pick(lambda v: 0 < v.ndim <= 3 and v.floating and v.size > 0)
    if x is None:
        return None
    sizes = tuple(d.integer(1, min(3, n)) for n in x.shape)
    steps = tuple(d.integer(1, 2) for _ in x.shape)
    padding = d.choice(("VALID", "SAME"))
    name, initial = ("add", "0") if d.differentiable or d.chance(0.5) else ("max", "-jnp.inf")
    return d.add(f"lax.reduce_window({x.name}, jnp.array({initial}, '{x.dtype.name}'), "
                 f"lax.{name}, {sizes}, {steps}, '{padding}')", "reduce_window")


@operation(0.6)
def convolution(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim in (2, 3) and v.dtype.name in ("float32", "float64")
               and v.size > 0 and np.prod(v.shape[:-1]) <= 600)
    if x is None:
        return None
    images = x.name if x.ndim == 3 else f"{x.name}[None]"
    width = d.integer(1, min(3, x.shape[-1]))
    kernel = f"{images}[:2, :, :{width}]"
    return d.add(f"lax.conv_general_dilated({images}, {kernel}, ({d.integer(1, 2)},), "
                 f"'{d.choice(('SAME', 'VALID'))}')", "conv")


@operation(0.6)
def fourier(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim > 0 and v.dtype.name in ("float32", "float64", "complex64")
               and v.shape[-1] > 1 and v.size > 0)
    if x is None or d.differentiable:
        return None
    function = d.choice(("fft", "ifft") if x.dtype.kind == "c" else ("fft", "rfft"))
    return d.add(f"jnp.fft.{function}({x.name})", "fft")


@operation(0.5)
def linear_algebra(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim >= 2 and v.dtype.name in ("float32", "float64") and v.size > 0)
    if x is None or x.shape[-2] > 33 or x.size > 2000:
        return None
    n = x.shape[-2]
    z = f"jnp.tanh({x.name})"
    square = f"({z} @ jnp.swapaxes({z}, -1, -2) + {2 * n + 1} * jnp.eye({n}, dtype={x.name}.dtype))"
    return d.add(d.choice((f"jnp.linalg.cholesky({square})", f"jnp.linalg.solve({square}, {z})",
                           f"jnp.linalg.inv({square})")), "linalg")
