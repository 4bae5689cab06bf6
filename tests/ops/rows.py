"""Rows: one line per case of an operation buys all its checks.

A `Row` names a function, its operands and a reference by NumPy. The checks then compare
values, JVP with differences, VJP with JVP by an inner product, second order, `vmap` over each
operand with a loop, and `jit` with eager evaluation; then values in every dtype that JAX accepts,
special values included, compiled too, and the errors for all other dtypes (`matrix`); operands of
more than 2**17 elements; and, for elementwise operations, odd shapes. Use it as

    ROWS = [Row("exp", lax.exp, (real(3, 4),), np.exp), …]
    test_rows = checks(ROWS)
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import arrax.core.evaluate  # noqa: F401  (sets the bottom trace)
import numpy as np
import pytest
from arrax.core import config
from arrax.core.dtypes import float0
from arrax.transforms.api_ad import jvp, vjp
from arrax.transforms.api_trace import make_jaxpr
from arrax.transforms.api_vmap import vmap
from arrax.transforms.jit import jit

from tests.ops import matrix


def real(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0,
         dtype: Any = np.float32) -> np.ndarray:
    """Random floats in [low, high)."""
    return np.random.default_rng(seed).uniform(low, high, shape).astype(dtype)


def whole(*shape: int, low: int = -5, high: int = 6, seed: int = 0,
          dtype: Any = np.int32) -> np.ndarray:
    """Random integers in [low, high)."""
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


def cplx(*shape: int, scale: float = 1.0, seed: int = 0, dtype: Any = np.complex64) -> np.ndarray:
    """Random complex numbers of both parts in [-scale, scale)."""
    a = real(*shape, low=-scale, high=scale, seed=seed, dtype=np.float64)
    b = real(*shape, low=-scale, high=scale, seed=seed + 1, dtype=np.float64)
    return (a + 1j * b).astype(dtype)


@dataclass(frozen=True)
class Row:
    """One case: `function(*operands)` equals `reference(*operands)` (None: no comparison).

    `order` says how often it can be differentiated (0, 1 or 2) and `active` which operands; `batch`
    whether it can be mapped. `matrix` has the letters of the dtypes (`matrix.LETTERS`) that
    the row's function and reference have a meaning for. Tolerances are relative to the largest
    element.
    """

    name: str
    function: Callable[..., Any]
    operands: tuple[Any, ...]
    reference: Callable[..., Any] | None = None
    order: int = 2
    active: tuple[int, ...] | None = None
    batch: bool = True
    tolerance: float = 1e-5
    jit_tolerance: float = 1e-5
    derivative_tolerance: float = 1e-6
    matrix: str = "biuhfcqn"

    def differentiable(self) -> list[int]:
        """The operands that derivatives are taken by."""
        inexact = [i for i, x in enumerate(self.operands)
                   if np.asarray(x).dtype.kind in "fc"]
        return inexact if self.active is None else list(self.active)


def arrays(results: Any) -> list[np.ndarray]:
    """The results of a function as NumPy arrays."""
    if not isinstance(results, (tuple, list)):
        results = [results]
    return [np.asarray(r) for r in results]


def assert_close(actual: Any, expected: Any, tolerance: float, what: str) -> None:
    """Equal shapes, dtypes of results given as arrays, and values up to `tolerance`."""
    for a, e in zip(arrays(actual), arrays(expected), strict=True):
        assert a.shape == e.shape, f"{what}: shape {a.shape}, expected {e.shape}"
        wide = np.complex128 if "c" in a.dtype.kind + e.dtype.kind else np.float64
        a, e = a.astype(wide), e.astype(wide)
        scale = np.max(np.abs(e[np.isfinite(e)]), initial=1.0)
        np.testing.assert_allclose(a, e, rtol=tolerance, atol=tolerance * scale, err_msg=what)


def doubled(x: Any) -> Any:
    """An operand in double precision; others unchanged."""
    x = np.asarray(x)
    return x.astype({"f": np.float64, "c": np.complex128}[x.dtype.kind]) if x.dtype.kind in "fc" \
        else x


def _tangent(x: np.ndarray, seed: int) -> np.ndarray:
    generator = np.random.default_rng(100 + seed)
    t = generator.standard_normal(x.shape)
    if x.dtype.kind == "c":
        t = t + 1j * generator.standard_normal(x.shape)
    return np.asarray(t).astype(x.dtype)


class _Of:
    """`row.function` of its active operands in double precision, the others held fixed."""

    def __init__(self, row: Row):
        self.row = row
        self.fixed = [doubled(x) for x in row.operands]
        self.places = row.differentiable()
        self.point = tuple(self.fixed[i] for i in self.places)

    def __call__(self, *active: Any) -> Any:
        operands = list(self.fixed)
        for place, x in zip(self.places, active, strict=True):
            operands[place] = x
        out = self.row.function(*operands)
        return tuple(out) if isinstance(out, list) else out

    def tangents(self, seed: int) -> tuple[Any, ...]:
        return tuple(_tangent(x, seed + i) for i, x in enumerate(self.point))


def _inexact(values: list[np.ndarray]) -> list[np.ndarray]:
    return [v for v in values if v.dtype.kind in "fc"]


def check_values(row: Row) -> None:
    """Values against the reference, and the shapes and dtypes that the type rules promise."""
    out = row.function(*row.operands)
    results = out if isinstance(out, (tuple, list)) else [out]
    avals = make_jaxpr(row.function)(*row.operands).out_avals
    for result, aval in zip(results, avals, strict=True):
        assert result.aval == aval, f"{row.name}: {result.aval} but the type rule says {aval}"
        assert result.data.dtype == aval.dtype
    if row.reference is not None:
        assert_close(out, row.reference(*row.operands), row.tolerance, f"{row.name} values")


def check_jvp(row: Row) -> None:
    """JVP against central differences, in double precision."""
    with config.enable_x64(True):
        of = _Of(row)
        step = 1e-6
        tangents = of.tangents(0)
        _, actual = jvp(of, of.point, tangents)
        ahead = arrays(of(*(x + step * t for x, t in zip(of.point, tangents, strict=True))))
        behind = arrays(of(*(x - step * t for x, t in zip(of.point, tangents, strict=True))))
    expected = [(a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True)
                if a.dtype.kind in "fc"]
    assert_close(_inexact(arrays(actual)), expected, row.derivative_tolerance, f"{row.name} jvp")


def _inner(xs: Sequence[Any], ys: Sequence[Any]) -> float:
    return sum(float(np.real(np.sum(np.asarray(x) * np.asarray(y))))
               for x, y in zip(xs, ys, strict=True))


def check_vjp(row: Row) -> None:
    """⟨ct, J t⟩ = ⟨Jᵀ ct, t⟩, with the convention that cotangents pair without conjugation."""
    with config.enable_x64(True):
        of = _Of(row)
        tangents = of.tangents(0)
        out, pushed = jvp(of, of.point, tangents)
        cotangents = [_tangent(o, 50 + i) if o.dtype.kind in "fc" else np.zeros(o.shape, float0)
                      for i, o in enumerate(arrays(out))]
        _, pull = vjp(of, *of.point)
        pulled = pull(tuple(cotangents) if isinstance(out, tuple) else cotangents[0])
    left = _inner(_inexact(cotangents), _inexact(arrays(pushed)))
    right = _inner(arrays(pulled), tangents)
    assert abs(left - right) <= 1e-9 * max(1.0, abs(left)), f"{row.name}: {left} != {right}"


def check_second_order(row: Row) -> None:
    """The JVP of the JVP against differences of the JVP, and the JVP of the VJP against it."""
    with config.enable_x64(True):
        of = _Of(row)
        step = 1e-6
        inner, outer = of.tangents(0), of.tangents(7)

        def slope(*point: Any) -> Any:
            return jvp(of, point, inner)[1]
        _, actual = jvp(slope, of.point, outer)
        ahead = arrays(slope(*(x + step * t for x, t in zip(of.point, outer, strict=True))))
        behind = arrays(slope(*(x - step * t for x, t in zip(of.point, outer, strict=True))))
        expected = [(a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True)]
        cotangents = [_tangent(o, 50 + i) for i, o in enumerate(arrays(of(*of.point)))]
        ct: Any = tuple(cotangents) if isinstance(of(*of.point), tuple) else cotangents[0]

        def pull(*point: Any) -> Any:
            return vjp(of, *point)[1](ct)
        _, mixed = jvp(pull, of.point, outer)
    assert_close(actual, expected, 10 * row.derivative_tolerance, f"{row.name} second order")
    left, right = _inner(cotangents, arrays(actual)), _inner(arrays(mixed), inner)
    assert abs(left - right) <= 1e-8 * max(1.0, abs(left)), f"{row.name}: {left} != {right}"


def check_vmap(row: Row) -> None:
    """`vmap` over each operand alone, at each axis, and over all together, against a loop."""
    count = len(row.operands)
    for chosen in [*((i,) for i in range(count)), tuple(range(count))]:
        for axis in (0, -1):
            _check_vmap(row, chosen, axis)
        _check_empty_batch(row, chosen)


def _check_empty_batch(row: Row, chosen: tuple[int, ...]) -> None:
    if not chosen:
        return
    operands = [np.zeros((0, *np.shape(x)), np.asarray(x).dtype) if i in chosen else x
                for i, x in enumerate(row.operands)]
    mapped = vmap(row.function, in_axes=tuple(0 if i in chosen else None
                                              for i in range(len(operands))))
    expected = [(0, *x.shape) for x in arrays(row.function(*row.operands))]
    for called in (mapped, jit(mapped)):
        found = [x.shape for x in arrays(called(*operands))]
        assert found == expected, f"{row.name} vmap of none over {chosen}: {found}"


def _check_vmap(row: Row, chosen: tuple[int, ...], axis: int) -> None:
    stacked, axes = list(row.operands), [None] * len(row.operands)
    for i in chosen:
        x = np.asarray(row.operands[i])
        stacked[i] = np.stack([x, np.flip(x), x], axis)
        axes[i] = axis if axis == 0 else x.ndim
    mapped = arrays(vmap(row.function, in_axes=tuple(axes))(*stacked))
    for index in range(3):
        single = [np.take(x, index, axes[i]) if i in chosen else x
                  for i, x in enumerate(stacked)]
        expected = arrays(row.function(*single))
        assert_close([m[index] for m in mapped], expected, row.tolerance,
                     f"{row.name} vmap over {chosen} at {axis}")


def check_jit(row: Row) -> None:
    """Compiled against eager."""
    expected = arrays(row.function(*row.operands))
    actual = arrays(jit(row.function)(*row.operands))
    assert_close(actual, expected, row.jit_tolerance, f"{row.name} jit")
    assert [a.dtype for a in actual] == [e.dtype for e in expected]


# ---- the dtype matrix and odd shapes ------------------------------------------------------------

def is_elementwise(row: Row) -> bool:
    """Whether the row consists of elementwise operations of operands of one shape."""
    shapes = {np.shape(x) for x in row.operands} - {()}
    if len(shapes) != 1:
        return False
    equations = make_jaxpr(row.function)(*row.operands).eqns
    return bool(equations) and all(e.primitive.elementwise for e in equations)


def _once(row: Row) -> bool:
    """False for a row whose operations a row before it has had in all dtypes."""
    if len(set(map(np.shape, row.operands))) > 1:
        return True  # scalars among arrays, for example
    key = str(make_jaxpr(row.function)(*row.operands)).replace("complex", "float")
    for name, letter in (("float32", "f32"), ("int32", "i32")):
        key = key.replace(name, letter)
    key = key.replace("c64", "f32").replace("i32", "f32")
    return _seen.setdefault(key, row.name) == row.name


_seen: dict[str, str] = {}


def check_dtypes(row: Row) -> None:
    """Values in each dtype against the reference in higher precision; errors for the others."""
    with config.enable_x64(True):
        elementwise = is_elementwise(row)
        cases = []
        for dtype, operands in matrix.variants(row):
            if matrix.LETTER[dtype.name] not in matrix.meaningful(row) \
                    or not is_accepted(row, dtype, operands):
                continue
            expected = _reference_in(row, operands)
            matrix.assert_same(row.function(*operands), expected, _ulps(row), f"{row.name} {dtype}")
            cases.append(matrix.with_special(row, dtype, operands) if elementwise else operands)
        _check_compiled(row, cases)


def is_accepted(row: Row, dtype: Any, operands: tuple[Any, ...]) -> bool:
    """Whether the row takes operands of a dtype; if not, the error must name it."""
    try:
        make_jaxpr(row.function)(*operands)
    except (TypeError, ValueError, NotImplementedError) as error:
        assert dtype.name in str(error), f"{row.name} refuses {dtype} without naming it: {error}"
        return False
    return True


def _reference_in(row: Row, operands: tuple[Any, ...]) -> list[Any]:
    """What the row should give, computed in the highest precision."""
    out = row.function(*operands)
    try:
        return matrix.rounded(row.reference or row.function, operands, out)
    except (TypeError, ValueError):  # a reference for other dtypes
        return matrix.rounded(row.function, operands, out)


def _ulps(row: Row) -> float:
    return max(8.0, row.tolerance / 1e-5 * 8)


def _check_compiled(row: Row, cases: list[Any]) -> None:
    """All dtypes in one program against eager evaluation."""
    eager = [row.function(*operands) for operands in cases]
    compiled = jit(lambda all: [row.function(*x) for x in all])(cases)
    for operands, actual, expected in zip(cases, compiled, eager, strict=True):
        matrix.assert_same(actual, expected, _ulps(row),
                           f"{row.name} {[str(x.dtype) for x in operands]} compiled")


ODD_SHAPES = [(), (0,), (1,), (7,), (13, 5), (3, 0), (2, 3, 5)]


def check_shapes(row: Row) -> None:
    """Elementwise rows on odd shapes; their elements come from the row's own operands."""
    expected = arrays(row.function(*row.operands))
    for shape in ODD_SHAPES:
        operands = tuple(np.resize(x, shape) if np.ndim(x) else x for x in row.operands)
        assert_close(row.function(*operands), [np.resize(e, shape) for e in expected],
                     row.tolerance, f"{row.name} of shape {shape}")


# ---- large operands -----------------------------------------------------------------------------

LARGE = (257, 513)  # more than 2**17 elements: past all thresholds, and no whole number of vectors


def check_large(row: Row) -> None:
    """Operands of more than 2**17 elements, where the native library and threads take over.

    Elementwise rows have them in one call, others in a batch of the row's operands and of these
    flipped, in turn.
    """
    if is_elementwise(row):
        operands = [np.resize(x, LARGE) if np.ndim(x) else x for x in row.operands]
        expected = [np.resize(e, LARGE) for e in arrays(row.function(*row.operands))]
        function = row.function
    else:
        pairs = [(np.asarray(x), np.flip(x)) for x in row.operands]
        outs = [arrays(row.function(*operands)) for operands in zip(*pairs, strict=True)]
        most = max(x.size for x in [*outs[0], *(x for x, _ in pairs)])
        count = math.prod(LARGE) // max(most, 1) + 1
        operands = [_in_turn(x, y, count) for x, y in pairs]
        expected = [_in_turn(x, y, count) for x, y in zip(*outs, strict=True)]
        function = vmap(row.function)
    for name, called in (("eager", function), ("compiled", jit(function))):
        tolerance = max(row.tolerance, row.jit_tolerance)
        assert_close(called(*operands), expected, tolerance, f"{row.name} large, {name}")


def _in_turn(x: np.ndarray, y: np.ndarray, count: int) -> np.ndarray:
    return np.stack([x, y])[np.arange(count) % 2]


CHECKS = {"values": check_values, "jvp": check_jvp, "vjp": check_vjp,
          "second_order": check_second_order, "vmap": check_vmap, "jit": check_jit,
          "dtypes": check_dtypes, "shapes": check_shapes, "large": check_large}


APPLIES: dict[str, Callable[[Row], bool]] = {
    "jvp": lambda row: row.order >= 1, "vjp": lambda row: row.order >= 1,
    "second_order": lambda row: row.order >= 2, "vmap": lambda row: row.batch,
    "dtypes": lambda row: bool(row.matrix) and _once(row), "shapes": is_elementwise,
    "large": lambda row: bool(row.operands) and (row.batch or is_elementwise(row))}


def checks(rows: Sequence[Row], kinds: Sequence[str] = tuple(CHECKS)) -> Callable[..., None]:
    """A test of all `rows` by all checks of the given kinds that apply to them, which are found
    when the test is collected (tests/conftest.py)."""
    def test(row: Row, kind: str) -> None:
        CHECKS[kind](row)
    test.cases = lambda: [  # type: ignore[attr-defined]
        pytest.param(row, kind, id=f"{row.name}-{kind}") for row in rows for kind in kinds
        if kind not in APPLIES or APPLIES[kind](row)]
    test.rows = rows  # type: ignore[attr-defined]  # for the tests that look at all rows
    return test
