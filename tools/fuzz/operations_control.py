"""Operations that hold functions: loops, branches, maps, derivatives."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import arrax.numpy as jnp
from tools.fuzz.drawing import Drawing, Value
from tools.fuzz.operations import TABLE, operation
from tools.fuzz.operations_indexing import scalar_index, updated, written

FLOAT32 = np.dtype(np.float32)
DEEPEST = 2


def draw_step(d: Drawing) -> Value | None:
    """Draw one operation from the table; None where it did not apply."""
    fitting = [o for o in TABLE if (not o.nested or d.depth < DEEPEST)
               and (o.smooth or not d.differentiable)]
    chosen = d.random.choices(fitting, [o.weight for o in fitting])[0]
    return chosen.draw(d)  # type: ignore[no-any-return]


def draw_steps(d: Drawing, count: int) -> Value | None:
    """Draw some operations; the last value."""
    last = None
    for _ in range(count):
        last = draw_step(d) or last
    return last


def in_place(d: Drawing, x: Value) -> Value | None:
    """An update of `x` such as loops do in place: plain, under a branch, or chosen by a mask."""
    if not x.ndim:
        return None
    text = d.choice((updated, written))(d, x)
    kind = d.integer(0, 4)
    if kind < 3:
        return d.add(text, "update of a carry")  # type: ignore[no-any-return]
    flag = truth(d)
    if kind == 3:
        return d.add(f"jnp.where({flag}, {text}, {x.name})", "chosen update")  # type: ignore
    return d.add(f"lax.cond({flag}, lambda: {text}, lambda: {x.name})",  # type: ignore
                 "branch with an update")


def truth(d: Drawing) -> str:
    """Text of one bool that is traced where something can be."""
    x = d.pick(lambda v: v.dtype.kind in "biuf")
    if x is None:
        return "jnp.bool_(True)"
    if x.dtype.kind == "b":
        return x.name if not x.ndim else f"jnp.{d.choice(('any', 'all'))}({x.name})"
    text = x.name if not x.ndim else f"jnp.sum({x.name})"
    if x.integral:
        return f"({text} % 2 == 0)"
    return f"({text} > 0)"


def body(d: Drawing, carries: Sequence[Value], most: int = 4) -> list[Value]:
    """Values with the avals of the carries, computed from them."""
    results = []
    for carry in carries:
        last: Value | None = carry
        if carry.ndim and d.chance(0.4):
            last = in_place(d, carry)
        if last is carry or d.chance(0.4):
            last = draw_steps(d, d.integer(1, most)) or carry
        results.append(d.coerced(last or carry, carry.shape, carry.dtype))
    if len(results) > 1 and d.chance(0.3):
        alike = [k for k, r in enumerate(results) if r.aval == results[0].aval]
        results[0], results[alike[-1]] = results[alike[-1]], results[0]
    return [r or c for r, c in zip(results, carries)]


def carried(d: Drawing) -> list[Value]:
    """Values for a loop to carry."""
    values = [d.pick(lambda v: not d.differentiable or v.inexact) for _ in range(d.integer(1, 3))]
    return [v for v in values if v is not None]


def _named(values: Sequence[Value]) -> list[tuple[str, Any]]:
    return [("", v.array) for v in values]


def _tuple(values: Sequence[Value]) -> str:
    return "(" + "".join(f"{v.name}, " for v in values) + ")"


def _packed(name: str, count: int) -> str:
    """A call of a function with the parts of a carry, which gives a tuple."""
    return f"{name}(*c)" if count > 1 else f"({name}(*c),)"


@operation(2.5, nested=True)
def fori_loop(d: Drawing) -> Any:
    carries = carried(d)
    if not carries:
        return None
    low, high = d.choice((0, 0, 0, -1, 2)), str(d.choice((0, 1, 2, 3, 5)))
    first = jnp.asarray(0)
    if not d.differentiable and d.chance(0.4):
        high, first = f"jnp.clip({scalar_index(d, 3)}, 0, 4)", jnp.int32(0)
    function = d.function([("", first), *_named(carries)], lambda i, *c: body(d, c))
    call = f"{function.name}(i, *c)" if len(carries) > 1 else f"({function.name}(i, *c),)"
    text = f"lax.fori_loop({low}, {high}, lambda i, c: {call}, {_tuple(carries)})"
    return _last(d.add(text, "fori_loop", [function], len(carries)))


def _last(values: list[Value] | None) -> Value | None:
    return values[-1] if values else None


@operation(1.5, nested=True, smooth=False)
def while_loop(d: Drawing) -> Any:
    carries = carried(d)
    if not carries:
        return None
    function = d.function(_named(carries), lambda *c: body(d, c))
    most = d.integer(0, 4)
    test = f"c[0] < {most}"
    x = carries[0]
    if x.dtype.kind in "biuf" and d.chance(0.5):
        test = f"({test}) & jnp.any(c[1] != 1)" if d.chance(0.5) else \
            f"({test}) & ~jnp.all(c[1] == 0)"
    packed = "*f(*c[1:])".replace("f", function.name) if len(carries) > 1 \
        else f"{function.name}(*c[1:])"
    start = d.choice(("jnp.int32(0)", "jnp.uint8(1)"))
    text = (f"lax.while_loop(lambda c: {test}, lambda c: (c[0] + 1, {packed}), "
            f"({start}, *{_tuple(carries)}))")
    return _last(d.add(text, "while_loop", [function], len(carries) + 1))


@operation(2.5, nested=True)
def scan(d: Drawing) -> Any:
    carries = carried(d)
    row = d.pick(lambda v: v.ndim > 0 and 0 < v.shape[0] <= 9)
    if not carries:
        return None
    length = row.shape[0] if row is not None else d.choice((0, 1, 3))
    rows = [] if row is None else [row]

    def both(*parameters: Value) -> list[Value]:
        inner = parameters[:len(carries)]
        results = body(d, inner)
        extra = d.pick() if not d.differentiable else d.pick(lambda v: v.inexact)
        return [*results, extra or results[-1]]
    inputs = [*_named(carries), *(("", r.array[0]) for r in rows)]
    function = d.function(inputs, both)
    arguments = "*c, x" if rows else "*c"
    text = (f"lax.scan(lambda c, x: (lambda r: (r[:-1], r[-1]))({function.name}({arguments})), "
            f"{_tuple(carries)}, {rows[0].name if rows else None}, length={length}, "
            f"reverse={d.chance(0.3)}, unroll={d.choice((1, 1, 2))})")
    flat = f"(lambda r: (*r[0], r[1]))({text})"
    return _last(d.add(flat, "scan", [function], len(carries) + 1))


@operation(2, nested=True)
def cond(d: Drawing) -> Any:
    operands = carried(d)
    if not operands:
        return None
    first = d.function(_named(operands), lambda *c: [draw_steps(d, d.integer(1, 3)) or c[0]])
    model = eval(f"{first.name}({', '.join(v.name for v in operands)})", d.environment)

    def other(*c: Value) -> list[Value]:
        last = d.pick(lambda v: v.shape == model.shape) or c[0]
        if last.ndim and d.chance(0.5):
            last = in_place(d, last) or last
        elif d.chance(0.5):
            last = draw_steps(d, d.integer(1, 3)) or last
        return [d.coerced(last, model.shape, model.dtype)]
    second = d.function(_named(operands), other)
    names = ", ".join(v.name for v in operands)
    if d.chance(0.6):
        text = f"lax.cond({truth(d)}, {first.name}, {second.name}, {names})"
    else:
        index = scalar_index(d, 2)
        text = (f"lax.switch({index}, [{first.name}, {second.name}, {first.name}], {names})")
    return d.add(text, "cond" if "cond" in text else "switch", [first, second])


@operation(2.5, nested=True)
def vmap(d: Drawing) -> Any:
    x = d.pick(lambda v: v.ndim > 0 and 0 < v.shape[0] <= 17)
    if x is None:
        return None
    others = [v for v in d.scope.values if v.ndim > 0 and v.shape[0] == x.shape[0]]
    mapped = [x, d.choice(others)]
    shared = d.pick(lambda v: not d.differentiable or v.inexact) or x
    inputs = [*(("", v.array[0]) for v in mapped), ("", shared.array)]
    function = d.function(inputs, lambda *c: [draw_steps(d, d.integer(1, 4)) or c[0]])
    axes = (0, 0, None)
    if x.ndim > 1 and d.chance(0.2) and len(set(x.shape)) == 1:
        axes = (x.ndim - 1, 0, None)
    text = f"vmap({function.name}, {axes})({mapped[0].name}, {mapped[1].name}, {shared.name})"
    return d.add(text, "vmap", [function])


@operation(0.7, nested=True)
def nested_call(d: Drawing) -> Any:
    operands = carried(d)
    if not operands:
        return None
    function = d.function(_named(operands), lambda *c: [draw_steps(d, d.integer(1, 3)) or c[0]])
    wrapper = d.choice(("jit", "checkpoint"))
    return d.add(f"{wrapper}({function.name})({', '.join(v.name for v in operands)})",
                 wrapper, [function])


def _scalar_function(d: Drawing, x: Value, most: int) -> Any:
    """A function of `x` to a float, differentiable as often as one wants."""
    d.differentiable += 1
    try:
        def summed(*c: Value) -> list[Value]:
            last = draw_steps(d, d.integer(1, most)) or c[0]
            if not last.inexact:
                last = c[0]
            text = f"jnp.real({last.name})" if last.dtype.kind == "c" else last.name
            return [d.add(f"jnp.sum(jnp.sin({text}))", "sum for grad")]
        return d.function([("", x.array)], summed)
    finally:
        d.differentiable -= 1


@operation(2.5, nested=True, smooth=False)
def gradient(d: Drawing) -> Any:
    x = d.pick(lambda v: v.dtype.name in ("float32", "float64"))
    if x is None:
        return None
    function = _scalar_function(d, x, 4)
    f = function.name
    if d.chance(0.7):
        return d.add(f"grad({f})({x.name})", "grad", [function])
    if d.chance(0.5):
        return d.add(f"jvp({f}, ({x.name},), (jnp.cos({x.name}),))[1]", "jvp", [function])
    return d.add(f"grad(lambda x: jnp.sum(jnp.sin(grad({f})(x))))({x.name})", "grad of grad",
                 [function])
