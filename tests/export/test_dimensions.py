"""Symbolic dimensions: text, arithmetic, comparisons; for all values or not at all."""
from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrax import export
from arrax.core import max_dim, min_dim
from arrax.errors import InconclusiveDimensionOperation

SCOPE = export.SymbolicScope()
A, B = export.symbolic_shape("a, b", scope=SCOPE)
INF = math.inf


def bounds(size):
    return size.scope.bounds(size)


def value(size, **values):
    return size.evaluate(values) if export.is_symbolic_dim(size) else size


# ---- text ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("text, shown", [
    ("2*b*a", "2*a*b"), ("-2 * b * a^2 + b^2", "- 2*a^2*b + b^2"), ("a - b", "- b + a"),
    ("-1 * a", "- a"), ("a + -1", "a - 1"), ("3 * a * mod(a + 2, b + 2)", "3*a*mod(a + 2, b + 2)"),
    ("3 * floordiv(a, b) * 2", "6*floordiv(a, b)"), ("max(b, a)", "max(a, b)"),
    ("min(a, 2)", "min(a, 2)"), ("+ 2", "2"), ("a*b + a^2 + b", "a*b + a^2 + b")])
def test_text_is_normalized_and_reads_back(text, shown):
    (size,) = export.symbolic_shape(text, scope=SCOPE)
    assert str(size) == shown
    assert export.symbolic_shape(shown, scope=SCOPE) == (size,)


@pytest.mark.parametrize("text", [
    "2.5", "a + a a", "a ^ a", "a; a", "_", "...", ")(", "2a", "a@", "mod(a)", "floordiv(a, b, c)",
    "..., 3", "(a", ""])
def test_bad_text_is_refused(text):
    with pytest.raises(ValueError, match="syntax error in symbolic shape"):
        export.symbolic_shape(text, like=None if text else (1,))


@pytest.mark.parametrize("text, like, message", [
    ("3", (4,), "different size"), ("b, ...", None, "no 'like' shape was given"),
    ("b, c, _", (4, 6), "like' shape has only 2 dimensions"), ("_", (None,), "is None")])
def test_placeholders_and_constants_fit_the_shape(text, like, message):
    with pytest.raises(ValueError, match=message):
        export.symbolic_shape(text, like=like)


def test_placeholders_are_filled_in():
    assert export.symbolic_shape("2, ...", like=(2, 3)) == (2, 3)
    assert export.symbolic_shape(None, like=(2, 3)) == (2, 3)
    assert export.symbolic_shape("a, _", like=(None, 3), scope=SCOPE) == (A, 3)
    specs = export.symbolic_args_specs({"x": np.ones((2, 3)), "y": np.ones(4)},
                                       {"x": "b, _", "y": None})
    assert str(specs["x"].shape) == "(b, 3)" and specs["y"].shape == (4,)


# ---- arithmetic ----------------------------------------------------------------------------------

@st.composite
def expressions(draw, depth=3):
    """(an expression, the same as a function of ints)."""
    if depth == 0 or draw(st.booleans()):
        leaf = draw(st.sampled_from(["a", "b", -3, 1, 2, 5]))
        if isinstance(leaf, int):
            return leaf, lambda a, b: leaf
        return {"a": A, "b": B}[leaf], (lambda a, b: a) if leaf == "a" else (lambda a, b: b)
    left, of_left = draw(expressions(depth=depth - 1))
    right, of_right = draw(expressions(depth=depth - 1))
    name = draw(st.sampled_from(["+", "-", "*", "//", "%", "max", "min"]))
    operation = {"+": lambda x, y: x + y, "-": lambda x, y: x - y, "*": lambda x, y: x * y,
                 "//": lambda x, y: x // y, "%": lambda x, y: x % y, "max": max_dim,
                 "min": min_dim}[name]
    if name in "//%":
        constant = draw(st.sampled_from([-3, -2, 2, 3, 4]))
        right, of_right = constant, lambda a, b: constant
    return operation(left, right), lambda a, b: operation(of_left(a, b), of_right(a, b))


@given(expressions())
def test_expressions_have_the_values_of_ints(pair):
    size, function = pair
    lower, upper = bounds(size) if export.is_symbolic_dim(size) else (size, size)
    for a, b in itertools.product((1, 2, 5, 10), repeat=2):
        assert value(size, a=a, b=b) == function(a, b)
        assert lower <= function(a, b) <= upper
    if export.is_symbolic_dim(size):
        assert export.symbolic_shape(str(size), scope=SCOPE) == (size,)


def test_integers_are_python_ints():
    for size in (A + 2 - A, A * 2 // A, (4 * A) * 0, (3 * A + 2) % 3):
        assert type(size) is int


@pytest.mark.parametrize("size, low, high", [
    (5 - A, -INF, 4), (A % 5, 0, 4), (A - 5 % A, 1, INF), ((B + 1) % -2, -1, 0),
    (11 // (A + 1), 0, 5), (-11 // (A + 1), -6, -1), (A - A // 2, 1, INF),
    (A - 2 * (A // 2), 0, 1),
    (max_dim(15 - A, 0) // 3, 0, 4), (B - max_dim(B - A, 0), 1, INF),
    (3 * A * B * B + 5 * A, 8, INF),
    (max_dim(1 - B, 0), 0, 0), (min_dim(15 - A, 20), -INF, 14)], ids=str)
def test_bounds(size, low, high):
    assert (bounds(size) if export.is_symbolic_dim(size) else (size, size)) == (low, high)


@pytest.mark.parametrize("constraints, text, low, high", [
    (["a >= 5", "b <= 16"], "a - b", -11, INF),
    (["2*a >= 5", "3*a <= 10"], "5*a - 2", 13, 13),
    (["a + 2 <= b", "b <= a + 5"], "b - a", 2, 5),
    (["4*a == b"], "9*a - 2*b", 1, INF),
    (["mod(b, 4) == 0"], "b - 3*floordiv(b, 4)", 1, INF),
    (["max(a, b) == 5", "min(a, b) == 3"], "a", 3, 5),
    (["a >= b", "b >= c", "c >= d"], "a - d", 0, INF),
    (["a >= 4*d + m", "a <= 4*d + m", "m >= 0", "m <= 3"], "a - 4*d", 1, 3)], ids=str)
def test_constraints_are_used(constraints, text, low, high):
    (size,) = export.symbolic_shape(text, constraints=constraints)
    assert bounds(size) == (low, high)


def test_equalities_rewrite():
    a, b, c, d = export.symbolic_shape("a, b, c, d", constraints=["b == a", "c == a + b", "d == 5"])
    assert (b, c, d) == (a, 2 * a, 5)
    a, b = export.symbolic_shape("a, b", constraints=["mod(a, 4) == 0"])
    assert 4 * (a // 4) == a and a * b == (a // 4) * 2 * b * 2


@pytest.mark.parametrize("constraints, message", [
    (["a <= a - 1"], "Unsatisfiable"), (["a <= 0"], "Unsatisfiable"),
    (["a == a + 1"], "Unsatisfiable"), (["a >= b + 1", "b >= a"], "Unsatisfiable"),
    (["a != 0"], "must contain one of"), ("a >= 1", "should be a sequence of strings")])
def test_bad_constraints_are_refused(constraints, message):
    with pytest.raises(ValueError, match=message):
        export.symbolic_shape("a, b", constraints=constraints)


# ---- what cannot be decided ----------------------------------------------------------------------

@pytest.mark.parametrize("ask", [
    lambda: A >= 2, lambda: A > B, lambda: A < 3, lambda: bool(A - 1), lambda: int(A),
    lambda: range(A), lambda: np.zeros(A), lambda: A // (A - 3) >= 0], ids=range(8))
def test_questions_without_one_answer_raise(ask):
    with pytest.raises(InconclusiveDimensionOperation):
        ask()


def test_comparisons_hold_for_all_values():
    assert A >= 1 and A + B >= 2 and not 2 * A < A and A == A and A != B and A != 1
    assert -2 * ((-B) // 2) >= B
    assert {A: 1}[export.symbolic_shape("a", scope=SCOPE)[0]] == 1


def test_scopes_do_not_mix():
    (other,) = export.symbolic_shape("a")
    assert other != A
    with pytest.raises(ValueError, match="Invalid mixing of symbolic scopes"):
        other + A
