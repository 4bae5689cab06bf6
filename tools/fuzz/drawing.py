"""The state of a drawing: what values there are, and how a step is added.

Each step runs as it is drawn (by the reference), so that shapes and dtypes of all values are
known; choices depend on those and on the seed alone, never on elements.
"""
from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import arrax.numpy as jnp
from tools.fuzz.arguments import FILLS, dtype_of, is_float, value_of
from tools.fuzz.program import Argument, Aval, Function, Step, function_text
from tools.fuzz.reference import explained, reference_names

EDGES = (1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 513)
NARROW = ("float32",) * 8 + ("int32",) * 4 + (
    "bool", "bool", "uint8", "int8", "int16", "uint16", "uint32", "float16", "bfloat16",
    "complex64")
WIDE = ("float64",) * 5 + ("float32",) * 3 + ("int64",) * 2 + (
    "int32", "bool", "uint8", "int16", "uint32", "uint64", "float16", "bfloat16", "complex64",
    "complex128")


class StepFailed(Exception):
    """A step that should be right raised an error, operation by operation."""


@dataclass
class Value:
    """A value of the program: its name, and what it is for the arguments at hand."""

    name: str
    array: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def dtype(self) -> np.dtype:
        return self.array.dtype  # type: ignore[no-any-return]

    @property
    def aval(self) -> Aval:
        return Aval(self.shape, self.dtype.name)

    @property
    def floating(self) -> bool:
        return is_float(self.dtype)

    @property
    def inexact(self) -> bool:
        return self.floating or self.dtype.kind == "c"

    @property
    def integral(self) -> bool:
        return self.dtype.kind in "iu"


@dataclass
class Scope:
    """Steps of one function, and the values that they may use: those around it, then its own."""

    values: list[Value]
    steps: list[Step] = field(default_factory=list)
    around: int = 0


class Drawing:
    """One program as it is drawn."""

    def __init__(self, seed: int, largest: int, x64: bool):
        self.random = random.Random(seed)
        self.largest = largest
        self.dtypes = WIDE if x64 else NARROW
        self.arguments: list[Argument] = []
        self.scopes = [Scope([])]
        self.environment: dict[str, Any] = reference_names()
        self.counter = 0
        self.depth = 0
        self.differentiable = 0  # above 0 inside of what will be differentiated in reverse

    # ---- random choices --------------------------------------------------------------------------

    def choice(self, items: Sequence[Any]) -> Any:
        return items[self.random.randrange(len(items))]

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def integer(self, low: int, high: int) -> int:
        """A number from low to high, both included."""
        return self.random.randint(low, high)

    def dimension(self, limit: int) -> int:
        """A size that does not exceed the limit; mostly one beside a size of lanes or rows."""
        if self.chance(0.02):
            return 0
        fitting = [n for n in EDGES if n <= max(limit, 1)]
        return self.choice(fitting[-6:] if self.chance(0.3) else fitting)

    def shape(self, ndim: int | None = None) -> tuple[int, ...]:
        ndim = self.choice((0, 1, 1, 2, 2, 2, 3, 3, 4)) if ndim is None else ndim
        room, sizes = self.largest, []
        for _ in range(ndim):
            sizes.append(self.dimension(min(room, int(self.largest ** (1 / ndim) * 3))))
            room //= max(sizes[-1], 1)
        self.random.shuffle(sizes)
        return tuple(sizes)

    def axes(self, ndim: int, least: int = 1) -> tuple[int, ...]:
        """Some axes, in order."""
        return tuple(sorted(self.random.sample(range(ndim), self.integer(min(least, ndim), ndim))))

    # ---- values ----------------------------------------------------------------------------------

    @property
    def scope(self) -> Scope:
        return self.scopes[-1]

    def fresh(self, letter: str = "v") -> str:
        self.counter += 1
        return f"{letter}{self.counter - 1}"

    def argument(self, shape: tuple[int, ...] | None = None, dtype: str | None = None) -> Value:
        """A new argument of the program."""
        aval = Aval(self.shape() if shape is None else shape, dtype or self.choice(self.dtypes))
        argument = Argument(self.fresh(), aval, self.choice(FILLS))
        self.arguments.append(argument)
        value = Value(argument.name, jnp.asarray(value_of(argument)))
        self.environment[value.name] = value.array
        self.scopes[0].values.append(value)
        for scope in self.scopes[1:]:
            scope.values.insert(0, value)
            scope.around += 1
        return value

    def pick(self, *fits: Callable[[Value], bool]) -> Value | None:
        """A value that fits, later ones and those of this function more often; None if there is
        none."""
        scope = self.scope
        values = scope.values[scope.around:] if self.chance(0.6) else scope.values
        values = [v for v in values if all(f(v) for f in fits)] or \
            [v for v in scope.values if all(f(v) for f in fits)]
        if not values:
            return None
        return values[max(self.random.randrange(len(values)) for _ in range(2))]

    def pick_like(self, x: Value) -> Value:
        """A value that an operation may take beside `x`: preferably of its shape."""
        same = self.pick(lambda v: v.shape == x.shape and v.name != x.name)
        if same is not None and self.chance(0.6):
            return same
        return self.pick() or x

    # ---- steps -----------------------------------------------------------------------------------

    def add(self, text: str, kind: str = "", functions: Sequence[Function] = (),
            parts: int | None = None) -> Any:
        """Append a step and run it; its value, or a list of values if it has several parts.

        None where a result is larger than the program may hold.
        """
        try:
            found = eval(compile(text, "<step>", "eval"), self.environment)
        except Exception as error:
            raise StepFailed(f"{explained(error)} in: {text}") from error
        results = [found] if parts is None else list(found)
        if any(np.prod(r.shape, dtype=np.float64) > self.largest for r in results):
            return None
        values = [Value(self.fresh(), r) for r in results]
        for value in values:
            self.environment[value.name] = value.array
        avals = tuple(v.aval for v in values)
        self.scope.steps.append(Step(tuple(v.name for v in values), text, avals, kind,
                                     tuple(functions), parts is not None))
        self.scope.values.extend(values)
        return values[0] if parts is None else values

    def function(self, inputs: Sequence[tuple[str, Any]], body: Callable[..., Sequence[Value]],
                 ) -> Function:
        """A function of new parameters (named by the pairs' first parts if not empty), whose body
        is drawn for the given example arrays; it is known to later texts."""
        name = self.fresh("f")
        parameters = [Value(given or self.fresh(), array) for given, array in inputs]
        for p in parameters:
            self.environment[p.name] = p.array
        around = self.scope.values
        self.scopes.append(Scope([*around, *parameters], around=len(around)))
        self.depth += 1
        try:
            results = body(*parameters)
        finally:
            self.depth -= 1
            scope = self.scopes.pop()
        made = Function(name, tuple(p.name for p in parameters), tuple(scope.steps),
                        tuple(r.name for r in results))
        self.define(made)
        return made

    def define(self, function: Function) -> None:
        """Make a function known to the texts of later steps."""
        exec(function_text(function), self.environment)

    # ---- values of other shapes and dtypes -------------------------------------------------------

    def adapt(self, y: Value, shape: tuple[int, ...]) -> str:
        """`y` as something that broadcasts to a shape."""
        if _broadcasts(y.shape, shape):
            return y.name
        if sorted(y.shape) == sorted(shape):
            order = _permutation(y.shape, shape)
            return f"jnp.transpose({y.name}, {order})"
        if y.size == np.prod(shape, dtype=np.int64):
            return f"{y.name}.reshape({shape})"
        if y.ndim == len(shape) and y.size:
            shrunk = tuple(int(n if m == n else 1) for m, n in zip(y.shape, shape))
            if self.chance(0.7):
                axes = tuple(k for k, n in enumerate(shrunk) if n != y.shape[k] or n == 1)
                reduce = "any" if y.dtype.kind == "b" else self.choice(("sum", "max", "min")) \
                    if y.dtype.kind != "c" else "sum"
                return f"jnp.{reduce}({y.name}, axis={axes}, keepdims=True)"
            return f"{y.name}[{', '.join(f':{n}' for n in shrunk)}]"
        if y.ndim and y.shape[-1] == (shape[-1] if shape else -1) and y.size:
            return f"{y.name}[{', '.join(['0'] * (y.ndim - 1) + [':'])}]"
        return f"jnp.{'any' if y.dtype.kind == 'b' else 'sum'}({y.name})"

    def converted(self, text: str, source: np.dtype, target: np.dtype) -> str:
        """A text of one dtype as text of another, by conversions that lose nothing undefined."""
        if source == target:
            return text
        if source.kind == "c" and target.kind != "c":
            text = f"jnp.real({text})"
        if target.kind == "b":
            return f"({text} != 0)"
        if target.kind in "iu" and source.kind in "fcV":
            text = f"jnp.clip(jnp.nan_to_num({text}), 0, 100)"
        return f"({text}).astype('{target.name}')"

    def coerced(self, x: Value, shape: tuple[int, ...], dtype: np.dtype) -> Value:
        """`x` as a value of exactly this shape and dtype."""
        if x.shape == shape and x.dtype == dtype:
            return x
        text = x.name
        if x.shape != shape:
            text = f"jnp.broadcast_to({self.adapt(x, shape)}, {shape})"
        source = x.dtype
        if "jnp.sum" in text or "jnp.any" in text:  # the sum of small integers is wider
            source = self.environment["jnp"].dtype(eval(text, self.environment).dtype)
        return self.add(self.converted(text, source, dtype), "coerce")  # type: ignore[no-any-return]


def _broadcasts(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, target) == target
    except ValueError:
        return False


def _permutation(shape: tuple[int, ...], target: tuple[int, ...]) -> tuple[int, ...]:
    """Axes of `shape` in the order that makes it `target`."""
    left, order = list(range(len(shape))), []
    for n in target:
        k = next(i for i in left if shape[i] == n)
        left.remove(k)
        order.append(k)
    return tuple(order)


def literal(dtype: np.dtype, number: Any) -> str:
    """A scalar of a dtype as text."""
    return f"jnp.array({number!r}, '{dtype_of(dtype.name).name}')"
