"""Programs run operation by operation: loops and maps are Python's, branches are chosen.

With noise, every value is moved by a few units in its last place, anew at each definition (and,
on demand, at each use, or at each primitive that computes: those inside of one step and of
derivatives too). What such runs disagree about is what rounding may decide: the comparison uses
their spread as the error that two right answers may have.
"""
from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

import arrax
import arrax.numpy as jnp
from arrax import lax
from arrax.core.array import array_of
from arrax.core.evaluate import EVAL, EvalTrace
from arrax.core.lowering import Reinterpret, View
from arrax.core.primitive import Primitive
from arrax.core.trace import Tracer, use
from arrax.ops.p import mul_p
from tools.fuzz import rows
from tools.fuzz.arguments import dtype_of, is_float, value_of
from tools.fuzz.program import Program, text_of

NOISE = 16.0  # units in the last place of values
ROUNDING = 4.0  # and of the results of primitives


def _map(fun: Callable[..., Any], in_axes: Any = 0, out_axes: int = 0) -> Callable[..., Any]:
    """`vmap` as a loop."""
    def mapped(*args: Any) -> Any:
        axes = in_axes if isinstance(in_axes, tuple) else (in_axes,) * len(args)
        sizes = [a.shape[ax] for a, ax in zip(args, axes) if ax is not None]
        if sizes[0] == 0:
            return arrax.vmap(fun, in_axes, out_axes)(*args)
        outs = [fun(*[a if ax is None else lax.index_in_dim(a, i, ax, keepdims=False)
                      for a, ax in zip(args, axes)]) for i in range(sizes[0])]
        return arrax.tree.map(lambda *items: jnp.stack(items, out_axes), *outs)
    return mapped


class _Lax:
    """`lax`, but for scans of length 0, which have no result without a compiler, and for the
    counter of `fori_loop`, which is weakly typed where the bounds are, as in a compiled loop."""

    def __getattr__(self, name: str) -> Any:
        return getattr(lax, name)

    def fori_loop(self, lower: Any, upper: Any, body: Callable[..., Any], init: Any) -> Any:
        value, typed = init, getattr(upper, "dtype", None)
        if isinstance(upper, Tracer):  # inside of what has to be compiled
            return lax.fori_loop(lower, upper, body, init)
        for i in range(int(lower), int(upper)):
            value = body(jnp.asarray(i, typed), value)
        return value

    def scan(self, f: Callable[..., Any], init: Any, xs: Any, length: int, **settings: Any) -> Any:
        if length == 0:
            with arrax.disable_jit(False):
                return lax.scan(f, init, xs, length, **settings)
        return lax.scan(f, init, xs, length, **settings)


def _as_is(fun: Callable[..., Any]) -> Callable[..., Any]:
    return fun


def names(**changed: Any) -> dict[str, Any]:
    """The names that texts of programs may use."""
    return {"np": np, "jnp": jnp, "lax": lax, "nn": arrax.nn, "random": arrax.random,
            "vmap": arrax.vmap, "grad": arrax.grad, "jvp": arrax.jvp, "jit": arrax.jit,
            "checkpoint": arrax.checkpoint, "row": rows.row,
            "operand": rows.operand, **changed}


def reference_names(**changed: Any) -> dict[str, Any]:
    return names(lax=_Lax(), vmap=_map, jit=_as_is, checkpoint=_as_is, **changed)


def arrays_of(program: Program) -> list[Any]:
    return [jnp.asarray(value_of(a)) for a in program.arguments]


def run_reference(program: Program) -> list[np.ndarray]:
    """The results, operation by operation."""
    with arrax.enable_x64(program.x64), arrax.disable_jit():
        return as_list(load(text_of(program), reference_names())(*arrays_of(program)))


def run_noisy(program: Program, seed: int, where: str = "values") -> list[np.ndarray]:
    """The results with noise in every value, use of a value, or result of a primitive; "ties": in
    every value, so that equal elements stay equal."""
    noise = Noise(seed, where == "ties")
    scope = reference_names(moved=noise, used=noise,
                            operand=lambda *given: noise(rows.operand(*given)))
    with arrax.enable_x64(program.x64), arrax.disable_jit():
        if where == "primitives":
            function = load(text_of(program), scope)
            with use(NoisyTrace(noise)):
                return as_list(function(*arrays_of(program)))
        text = text_of(program, lambda t: f"moved({t})", "used" if where == "uses" else "")
        return as_list(load(text, scope)(*arrays_of(program)))


def run_eagerly(program: Program) -> list[np.ndarray]:
    """The results of plain calls: loops are compiled, all else is not."""
    with arrax.enable_x64(program.x64):
        return as_list(load(text_of(program), names())(*arrays_of(program)))


def explained(error: BaseException) -> str:
    """An error, and where in arrax it was raised (unless its traceback hides that)."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "/src/arrax/" in f.filename]
    place = f" ({ours[-1].filename.rsplit('/', 1)[-1]}:{ours[-1].lineno})" if ours else ""
    return f"{type(error).__name__}: {str(error)[:300]}{place}"


def load(text: str, scope: dict[str, Any]) -> Callable[..., Any]:
    """The function `program` of a text."""
    exec(compile(text, "<program>", "exec"), scope)
    return scope["program"]  # type: ignore[no-any-return]


def as_list(results: Any) -> list[np.ndarray]:
    results = results if isinstance(results, tuple) else (results,)
    return [np.asarray(r) for r in results]


class Noise:
    """Moves inexact arrays by random relative amounts; all else stays as it is."""

    def __init__(self, seed: int, keeps_ties: bool = False):
        self.rng = np.random.default_rng(seed)
        self.keeps_ties = keeps_ties

    def __call__(self, value: Any) -> Any:
        return arrax.tree.map(self._move, value)

    def _move(self, x: Any) -> Any:
        factors = self.factors(x, NOISE)
        return x if factors is None else jnp.asarray(x) * jnp.asarray(factors)

    def factors(self, x: Any, amount: float) -> np.ndarray | None:
        """Random factors beside one, of the shape and dtype of `x`; None if it is not inexact."""
        dtype = getattr(x, "dtype", None)
        if not isinstance(dtype, np.dtype) or not (is_float(dtype) or dtype.kind == "c"):
            return None
        unit = float(jnp.finfo(dtype_of(dtype.name)).eps)
        amounts = self.rng.uniform(-amount, amount, x.shape) * unit
        if self.keeps_ties and not isinstance(x, Tracer):
            _, first, place = np.unique(np.asarray(x), return_index=True, return_inverse=True)
            amounts = amounts.reshape(-1)[first[place.reshape(-1)]].reshape(x.shape)
        if dtype.kind == "c":
            amounts = amounts * self._turns(x.shape)
        return np.asarray(1 + amounts, dtype)

    def _turns(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.exp(1j * self.rng.uniform(0, np.pi, shape))


class NoisyTrace(EvalTrace):
    """Evaluates, and moves what primitives give that round: all but movements of elements."""

    __slots__ = ("noise",)

    def __init__(self, noise: Noise):
        self.noise = noise

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        out = super().process(primitive, args, params)
        if primitive.execute is not None or isinstance(primitive.lower, (View, Reinterpret)):
            return out
        with use(EVAL):
            return arrax.tree.map(self._move, out)

    def _move(self, x: Any) -> Any:
        factors = self.noise.factors(x, ROUNDING)
        return x if factors is None else mul_p.bind(x, array_of(factors))
