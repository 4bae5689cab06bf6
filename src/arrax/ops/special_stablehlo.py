"""Incomplete gamma and beta functions and I₀ in StableHLO: series and continued fractions in loops.

Every loop runs until the elements it is for have converged; elements for which another expansion
is better take harmless operands in it. float16 and bfloat16 are computed in float32.

All prefactors are written with φ(u) = u - log(1 + u) and Stirling's correction Γ*, where the large
parts cancel before they are rounded (Temme, "A set of algorithms for the incomplete gamma
functions", 1994), so that results keep their digits for large parameters:
    xᵃ e⁻ˣ / Γ(a+1) = e^(-a φ(x/a - 1)) / (√(2πa) Γ*(a)).
"""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.ops import coefficients as table
from arrax.ops.expression import Expression, reduced, where
from arrax.ops.formulas import apply, exp, filled, log, log1p, sqrt
from arrax.ops.p import digamma_p, lgamma_p, min_p, reduce_or_p

_MOST_STEPS = 200_000
_NODES = 113  # of the quadrature, at distances of 1/16 from -4 to 3
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156,
             -3617 / 122400)
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def _elementwise(name: str, formula: Callable[..., Expression]) -> Callable[..., Any]:
    """The rule that applies `formula(b, *operands)` in the result's shape, in at least float32, in
    a function of its own."""
    def rule(b: Any, *operands: Any) -> Any:
        out = b.outs[0]
        narrow = dtypes.itemsize_bits(out.dtype) < 32
        wide = np.dtype(np.float32) if narrow else out.dtype
        values = [b.convert(b.broadcast(x, out.shape), wide) for x in operands]
        [result] = b.shared(name, lambda *xs: formula(b, *map(Expression, xs)).value, *values)
        return b.convert(result, out.dtype)
    return rule


# ---- shared pieces -----------------------------------------------------------------------------

def _epsilon(x: Expression) -> float:
    return float(np.finfo(x.dtype).eps)


def _horner(terms: Any, x: Expression) -> Expression:
    """A polynomial, highest power first."""
    out = filled(float(terms[0]), x)
    for term in terms[1:]:
        out = out * x + float(term)
    return out


def _until_small(b: Any, step: Callable[..., Any], active: Expression, *state: Expression,
                 ) -> list[Expression]:
    """Apply `step(n, *state) -> (rest, *state)` for n = 1, 2, … until |rest| <= eps or NaN where
    `active`."""
    tolerance = _epsilon(state[0]) / 2

    def goes_on(n: Any, pending: Any, *_: Any) -> Any:
        return (reduced(reduce_or_p, Expression(pending)) & (Expression(n) < _MOST_STEPS)).value

    def body(n: Any, pending: Any, *values: Any) -> Any:
        rest, *new = step(Expression(n), *map(Expression, values))
        pending = Expression(pending) & (abs(rest) > tolerance)
        return [(Expression(n) + 1).value, pending.value, *(v.value for v in new)]

    first = b.constant(1, state[0].dtype)
    return [Expression(x) for x in b.while_loop(
        goes_on, body, first, active.value, *(s.value for s in state))[2:]]


def _phi_times(a: Expression, x: Expression) -> Expression:
    """a φ(x/a - 1); near x = a by the series of atanh: with r = u / (2 + u),
    φ = u r - 2 r³ (1/3 + r²/5 + r⁴/7 + …)."""
    u = (x - a) / a
    near = abs(u) < 0.5
    u = where(near, u, 0.0)
    r = u / (u + 2.0)
    count = 10 if a.dtype.itemsize < 8 else 18
    tail = _horner([1 / (2 * k + 3) for k in reversed(range(count))], r * r)
    far = (x - a) - a * (log(x) - log(a))
    return where(near, a * (u * r - 2.0 * r * r * r * tail), far)


def _log_stirling(a: Expression) -> Expression:
    """log Γ*(a) = log Γ(a) - (a - 1/2) log a + a - log(2π) / 2."""
    inverse = 1.0 / where(a < 10, 10.0, a)
    large = _horner(tuple(reversed(_STIRLING)), inverse * inverse) * inverse
    small = where(a < 10, a, 1.0)
    direct = apply(lgamma_p, small) - (small - 0.5) * log(small) + small - _HALF_LOG_2PI
    return where(a < 10, direct, large)


def _front(a: Expression, x: Expression) -> Expression:
    """xᵃ e⁻ˣ / Γ(a+1)."""
    return exp(-_phi_times(a, x) - _log_stirling(a)) / sqrt(2 * math.pi * a)


def _guarded(x: Expression) -> Expression:
    """Away from zero, for Lentz's algorithm."""
    tiny = float(np.finfo(x.dtype).tiny) / _epsilon(x)
    return where(abs(x) < tiny, tiny, x)


# ---- incomplete gamma ----------------------------------------------------------------------------

def _gamma_operands(a: Expression, x: Expression) -> Any:
    """Whether the operands are in the interior, harmless ones, and whether the series is for them.
    """
    inside = (a > 0) & (x > 0) & (a < math.inf) & (x < math.inf)
    a, x = where(inside, a, 1.0), where(inside, x, 1.0)
    return inside, a, x, x <= a + 1.0


def _power_series(b: Any, a: Expression, x: Expression, active: Expression) -> Expression:
    """P(a, x) / front = Σ xⁿ / ((a+1) … (a+n)) (DLMF 8.11.4), all terms positive."""
    x = where(active, x, 0.0)

    def step(n: Expression, term: Expression, sum_: Expression) -> Any:
        term = term * (x / (a + n))
        return term / sum_, term, sum_ + term

    one = filled(1.0, a)
    return _until_small(b, step, active, one, one)[1]


def _fraction(b: Any, a: Expression, x: Expression, active: Expression) -> Expression:
    """Q(a, x) / front by Legendre's continued fraction (DLMF 8.9.2), by Lentz's algorithm."""
    a, x = where(active, a, 1.0), where(active, x, 3.0)

    def step(n: Expression, c: Expression, d: Expression, h: Expression) -> Any:
        top, bottom = -n * (n - a), x + 1.0 - a + 2.0 * n
        d = 1.0 / _guarded(top * d + bottom)
        c = _guarded(bottom + top / c)
        return c * d - 1.0, c, d, h * (c * d)

    first = 1.0 / (x + 1.0 - a)
    huge = filled(float(np.finfo(x.dtype).max) * _epsilon(x), x)
    return a * _until_small(b, step, active, huge, first, first)[2]


def _igamma(upper: bool) -> Callable[..., Expression]:
    """P(a, x), or Q(a, x); as the limits at the edges have it."""
    def formula(b: Any, a: Expression, x: Expression) -> Expression:
        inside, a_in, x_in, left = _gamma_operands(a, x)
        front = _front(a_in, x_in)
        lower_part = front * _power_series(b, a_in, x_in, inside & left)
        upper_part = front * _fraction(b, a_in, x_in, inside & ~left)
        interior = where(left, 1.0 - lower_part, upper_part) if upper else \
            where(left, lower_part, 1.0 - upper_part)
        one = ((a == 0) & (x > 0)) | ((x == math.inf) & (a >= 0) & (a < math.inf))
        zero = ((x == 0) & (a > 0)) | ((a == math.inf) & (x >= 0) & (x < math.inf))
        edge = where(one, float(not upper), where(zero, float(upper), filled(np.nan, a)))
        return where(inside, interior, edge)
    return formula


def _slope(b: Any, a: Expression, x: Expression, inside: Expression, left: Expression,
           ) -> Expression:
    """-∂P/∂a divided by the front.

    Left of the bulk by the power series, differentiated term by term: Σ wₙ (ψ(a+n+1) - log x) with
    its terms wₙ; right of it by the integral of the tail.
    """
    log_x = log(x)
    in_series = inside & left
    x_left = where(in_series, x, 0.0)

    def step(n: Expression, weight: Expression, psi: Expression, sum_: Expression) -> Any:
        psi = psi + 1.0 / (a + n)
        weight = weight * (x_left / (a + n))
        term = weight * (psi - log_x)
        return term / sum_, weight, psi, sum_ + term

    psi = apply(digamma_p, a + 1.0)
    by_series = _until_small(b, step, in_series, filled(1.0, a), psi, psi - log_x)[2]
    tail, moved = _tail_integrals(b, a, x)
    return where(left, by_series, a / x * ((log_x - apply(digamma_p, a)) * tail + moved))


def _tail_integrals(b: Any, a: Expression, x: Expression) -> list[Expression]:
    """∫₀^∞ (1 + v/x)ᵃ⁻¹ e⁻ᵛ dv, and the same with the factor log(1 + v/x), by double exponential
    quadrature (Takahasi and Mori, 1974)."""
    room = x - a + 1.0
    scale = where(room > 0, apply(min_p, x / where(room > 0, room, 1.0), sqrt(x)), 1.0)

    def step(i: Any, plain: Any, total: Any) -> Any:
        t = Expression(b.convert(i, a.dtype)) / 16.0 - 4.0
        grow, shrink = exp(t), exp(-t)
        v = scale * exp(math.pi / 4 * (grow - shrink))
        ratio = log1p(v / x)
        value = exp((a - 1.0) * ratio - v) * v * (math.pi / 4 * (grow + shrink) / 16.0)
        value = where(abs(value) < math.inf, value, 0.0)
        return (Expression(plain) + value).value, (Expression(total) + value * ratio).value

    zero = filled(0.0, a).value
    return [Expression(out) for out in b.for_loop(_NODES, step, zero, zero)]


def _igamma_grad_a(b: Any, a: Expression, x: Expression) -> Expression:
    inside, a_in, x_in, left = _gamma_operands(a, x)
    slope = -_front(a_in, x_in) * _slope(b, a_in, x_in, inside, left)
    zero = (a > 0) & ((x == 0) | (x == math.inf))
    return where(inside, slope, where(zero, 0.0, filled(np.nan, a)))


def _random_gamma_grad(b: Any, a: Expression, x: Expression) -> Expression:
    """-∂P/∂a divided by the density, front · a / x."""
    inside, a_in, x_in, left = _gamma_operands(a, x)
    slope = _slope(b, a_in, x_in, inside, left) * (x_in / a_in)
    return where(inside, slope, where((a > 0) & (x == 0), 0.0, filled(np.nan, a)))


# ---- incomplete beta -----------------------------------------------------------------------------

def _betainc(b: Any, p: Expression, q: Expression, x: Expression) -> Expression:
    """By the continued fraction DLMF 8.17.22, on the side of the mean where it converges quickly.

    Its prefactor xᵖ yᵠ / (p B(p, q)), y = 1 - x, is, with s = p + q,
        √(q / (2π p s)) e^(-p φ(x s/p - 1) - q φ(y s/q - 1)) Γ*(s) / (Γ*(p) Γ*(q)).
    """
    inside = (p > 0) & (q > 0) & (x > 0) & (x < 1) & (p < math.inf) & (q < math.inf)
    swap = inside & (x > (p + 1.0) / (p + q + 2.0))
    r = where(inside, where(swap, q, p), 1.0)
    t = where(inside, where(swap, p, q), 1.0)
    u = where(inside, where(swap, 1.0 - x, x), 0.5)
    y, s = where(inside, where(swap, x, 1.0 - x), 0.5), r + t

    def step(n: Expression, c: Expression, d: Expression, h: Expression) -> Any:
        two = r + 2.0 * n
        even = n * (t - n) / ((two - 1.0) / u) / two
        odd = -(r + n) / two * ((s + n) / (two + 1.0)) * u
        d = 1.0 / _guarded(1.0 + even * d)
        c = _guarded(1.0 + even / c)
        h = h * (c * d)
        d = 1.0 / _guarded(1.0 + odd * d)
        c = _guarded(1.0 + odd / c)
        return c * d - 1.0, c, d, h * (c * d)

    first = 1.0 / _guarded(1.0 - s / (r + 1.0) * u)
    fraction = _until_small(b, step, inside, filled(1.0, r), first, first)[2]
    exponent = _log_stirling(s) - _log_stirling(r) - _log_stirling(t) - _phi_times(r, u * s) \
        - _phi_times(t, y * s)
    value = fraction * sqrt(t / s / (2 * math.pi * r)) * exp(exponent)
    interior = where(swap, 1.0 - value, value)
    # at the edges all of the distribution lies on one side: of x, or where a parameter is extreme
    valid = (p >= 0) & (q >= 0) & (x >= 0) & (x <= 1) & ((p > 0) | (q > 0))
    one = (x == 1) | ((x > 0) & (((p == 0) & (q > 0)) | ((q == math.inf) & (p < math.inf))))
    zero = (x == 0) | (x < 1) & (((q == 0) & (p > 0)) | ((p == math.inf) & (q < math.inf)))
    edge = where(one, 1.0, where(zero, 0.0, filled(np.nan, p)))
    return where(inside, interior, where(valid, edge, np.nan))


# ---- I₀ ------------------------------------------------------------------------------------------

def _bessel_i0e(b: Any, x: Expression) -> Expression:
    """Polynomials in x/4 - 1 up to 8, and in 16/x - 1 from there on."""
    kind = "F64" if x.dtype.itemsize == 8 else "LIGHT_F64"
    size = abs(x)
    near = _horner(getattr(table, f"BESSEL_I0_NEAR_{kind}"), where(size < 8, size, 8.0) / 4.0 - 1.0)
    large = where(size < 8, 8.0, size)
    far = _horner(getattr(table, f"BESSEL_I0_FAR_{kind}"), 16.0 / large - 1.0) / sqrt(large)
    return where(size <= 8, near, far)


igamma_form = _elementwise("igamma", _igamma(False))
igammac_form = _elementwise("igammac", _igamma(True))
igamma_grad_a_form = _elementwise("igamma_grad_a", _igamma_grad_a)
random_gamma_grad_form = _elementwise("random_gamma_grad", _random_gamma_grad)
betainc_form = _elementwise("betainc", _betainc)
bessel_i0e_form = _elementwise("bessel_i0e", _bessel_i0e)
