"""Operations that move elements: turns, cuts, joins, pads, and the same value used moved."""
from __future__ import annotations

from typing import Any

from tools.fuzz.drawing import Drawing, Value
from tools.fuzz.operations import operation
from tools.fuzz.operations_elements import paired


def _shuffled(d: Drawing, n: int) -> tuple[int, ...]:
    order = list(range(n))
    d.random.shuffle(order)
    return tuple(order)


def _flip(d: Drawing, x: Value, axis: int) -> str:
    return f"jnp.flip({x.name}, {axis})"


def _roll(d: Drawing, x: Value, axis: int) -> str:
    n = x.shape[axis]
    return f"jnp.roll({x.name}, {d.integer(-n - 1, n + 1)}, {axis})"


def moved_in_place(d: Drawing, x: Value) -> str:
    """`x` with its elements elsewhere, of the same shape."""
    axis = d.integer(0, x.ndim - 1)
    alike = [k for k in range(x.ndim) if x.shape[k] == x.shape[axis] and k != axis]
    if alike and d.chance(0.7):
        return f"jnp.swapaxes({x.name}, {axis}, {d.choice(alike)})"
    return d.choice((_flip, _roll, _roll))(d, x, axis)


@operation(3)
def second_use(d: Drawing) -> Any:
    """A value combined with itself turned, flipped, or rolled."""
    x = d.pick(lambda v: v.ndim > 0)
    if x is None:
        return None
    return d.add(paired(d, x, moved_in_place(d, x), x), "second use")


@operation(1.5)
def turned_pair(d: Drawing) -> Any:
    """A transposed value combined with a row or column of another."""
    x = d.pick(lambda v: v.ndim >= 2)
    if x is None:
        return None
    turned = d.add(f"jnp.transpose({x.name}, {_shuffled(d, x.ndim)})", "transpose")
    y = d.pick(lambda v: v.ndim == 1 and v.shape[0] in turned.shape)
    if y is None:
        y = d.argument((d.choice(turned.shape),), "float32")
    axis = d.choice([k for k, n in enumerate(turned.shape) if n == y.shape[0]])
    index = ", ".join(":" if k == axis else "None" for k in range(turned.ndim))
    return d.add(paired(d, turned, f"{y.name}[{index}]", y), "turned pair")


@operation(2)
def transposed(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim >= 2)
    return x and d.add(f"jnp.transpose({x.name}, {_shuffled(d, x.ndim)})", "transpose")


@operation(2)
def moved(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim > 0)
    return x and d.add(moved_in_place(d, x), "move")


@operation(2)
def cut(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim > 0)
    if x is None:
        return None
    parts = []
    for n in x.shape:
        kind = d.integer(0, 5)
        if kind == 0 and n:
            parts.append(str(d.integer(-n, n - 1)))
        elif kind == 1:
            parts.append(f"::{d.choice((-1, 2, 3, -2))}")
        elif kind == 2:
            start = d.integer(0, n)
            parts.append(f"{start}:{d.integer(start, n)}")
        elif kind == 3:
            parts.append(f"{d.integer(-3, 0) or ''}:")
        else:
            parts.append(":")
    return d.add(f"{x.name}[{', '.join(parts)}]", "slice")


@operation(2)
def padded(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim > 0)
    if x is None:
        return None
    if d.chance(0.3) and x.size and x.dtype.kind != "b":
        mode = d.choice(("edge", "reflect", "wrap", "symmetric"))
        widths = tuple((d.integer(0, min(3, n - 1)), d.integer(0, min(3, n - 1)))
                       for n in x.shape)
        return d.add(f"jnp.pad({x.name}, {widths}, mode='{mode}')", "jnp.pad")
    config = []
    for n in x.shape:
        low, inner = d.integer(-2, 3), d.choice((0, 0, 0, 1, 2))
        high = d.integer(-2, 3)
        if n + max(n - 1, 0) * inner + low + high < 0:
            low = high = 0
        config.append((low, high, inner))
    fill = {"b": "False", "f": "0.5", "c": "1j"}.get(x.dtype.kind, "1")
    return d.add(f"lax.pad({x.name}, jnp.array({fill}, '{x.dtype.name}'), {config})", "pad")


@operation(2)
def joined(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim > 0)
    if x is None:
        return None
    axis = d.integer(0, x.ndim - 1)
    fitting = [v for v in d.scope.values if v.ndim == x.ndim and all(
        v.shape[k] == n for k, n in enumerate(x.shape) if k != axis)]
    names = ", ".join([x.name, *(d.choice(fitting).name for _ in range(d.integer(1, 3)))])
    same = [v for v in d.scope.values if v.shape == x.shape]
    if d.chance(0.3):
        return d.add(f"jnp.stack([{x.name}, {d.choice(same).name}], {d.integer(-1, x.ndim)})",
                     "stack")
    return d.add(f"jnp.concatenate([{names}], {axis})", "concatenate")


@operation(2)
def reshaped(d: Drawing) -> Any:
    x = d.pick()
    n = x.size
    shapes = [(n,), (1, n), (n, 1), tuple(reversed(x.shape)), (*x.shape, 1), (1, *x.shape)]
    shapes += [(n // k, k) for k in (2, 3, 4, 8, 16) if n and n % k == 0]
    shapes += [(k, n // k) for k in (2, 3, 4, 8, 16) if n and n % k == 0]
    return d.add(f"{x.name}.reshape({d.choice(shapes)})", "reshape")


@operation(1.5)
def broadcast(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim < 4)
    if x is None:
        return None
    axis, n = d.integer(0, x.ndim), d.choice((1, 2, 3, 7, 16, 17))
    shape = (*x.shape[:axis], n, *x.shape[axis:])
    return d.add(f"jnp.broadcast_to(jnp.expand_dims({x.name}, {axis}), {shape})", "broadcast")


@operation(1)
def repeated(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim > 0)
    if x is None:
        return None
    axis = d.integer(0, x.ndim - 1)
    return d.add(d.choice((f"jnp.repeat({x.name}, {d.integer(1, 3)}, axis={axis})",
                           f"jnp.tile({x.name}, {d.integer(1, 3)})",
                           f"jnp.squeeze({x.name}[None], 0)")), "repeat")


@operation(1)
def triangle(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim >= 2)
    if x is None:
        return None
    shift = d.integer(-2, 2)
    return d.add(d.choice((f"jnp.tril({x.name}, {shift})", f"jnp.triu({x.name}, {shift})",
                           f"jnp.rot90({x.name}, {shift})",
                           f"jnp.diagonal({x.name}, {min(shift, 0) if x.size else 0})",
                           f"jnp.trace({x.name})")), "triangle")


@operation(0.7)
def numbered(d: Drawing) -> Any:
    shape = d.shape(d.integer(1, 3))
    if not shape:
        return None
    dtype = d.choice(("float32", "int32", "uint8"))
    return d.add(f"lax.broadcasted_iota('{dtype}', {shape}, {d.integer(0, len(shape) - 1)})",
                 "iota")
