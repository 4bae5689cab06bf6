"""Write `arrax/scipy/special/series.py`: Chebyshev series of special functions, from mpmath.

    python tools/fit_special.py > src/arrax/scipy/special/series.py

Each function is scaled to something smooth of a variable t in [-1, 1]; its values at Chebyshev
points, in 50 digits, give the coefficients, of which those above 1e-17 of the largest are kept.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from mpmath import mp, mpf  # type: ignore[import-untyped]

mp.dps = 50
POINTS = 96


def chebyshev(function: Callable[[Any], Any]) -> list[float]:
    """Coefficients c with function(t) = Σ c[k] T_k(t)."""
    angles = [mp.pi * (k + mpf(1) / 2) / POINTS for k in range(POINTS)]
    values = [function(mp.cos(angle)) for angle in angles]
    coefficients = [2 * sum(v * mp.cos(n * a) for v, a in zip(values, angles, strict=True)) / POINTS
                    for n in range(POINTS)]
    coefficients[0] /= 2
    largest = max(abs(c) for c in coefficients)
    while abs(coefficients[-1]) < largest * mpf(10) ** -17:
        coefficients.pop()
    return [float(c) for c in coefficients]


def half_line(c: float) -> Callable[[Any], Any]:
    """x in [0, ∞) from t = (x - c) / (x + c)."""
    return lambda t: c * (1 + t) / (1 - t)


def beyond(a: float) -> Callable[[Any], Any]:
    """x in [a, ∞) from t = 2 a / x - 1."""
    return lambda t: 2 * mpf(a) / (1 + t)


def between(a: float, b: float) -> Callable[[Any], Any]:
    """x in [a, b] from t, linear."""
    return lambda t: (mpf(b) - a) / 2 * t + (mpf(b) + a) / 2


def dawson(x: Any) -> Any:
    return mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x)


def scaled_erfc(x: Any) -> Any:
    return mp.exp(x * x) * mp.erfc(x)


def auxiliary(x: Any) -> tuple[Any, Any]:
    """f and g of DLMF 6.2.17 and 6.2.18."""
    si, ci = mp.pi / 2 - mp.si(x), mp.ci(x)
    return ci * mp.sin(x) + si * mp.cos(x), si * mp.sin(x) - ci * mp.cos(x)


def fresnel_auxiliary(x: Any) -> tuple[Any, Any]:
    """f and g of DLMF 7.2.10 and 7.2.11."""
    s, c = mpf(1) / 2 - mp.fresnels(x), mpf(1) / 2 - mp.fresnelc(x)
    sin, cos = mp.sin(mp.pi * x * x / 2), mp.cos(mp.pi * x * x / 2)
    return s * cos - c * sin, c * cos + s * sin


SERIES: dict[str, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "ERFCX": ("(1 + 2x) erfcx(x) of t = (x - 3.75) / (x + 3.75)",
              half_line(3.75), lambda x: (1 + 2 * x) * scaled_erfc(x)),
    "DAWSON_SMALL": ("dawsn(x) / x of t = 2 (x / 2.5)² - 1, |x| ≤ 2.5",
                     lambda t: mp.sqrt((1 + t) / 2) * mpf(2.5), lambda x: dawson(x) / x),
    "DAWSON_LARGE": ("2x dawsn(x) of t = 2 · 2.5 / x - 1, x ≥ 2.5",
                     beyond(2.5), lambda x: 2 * x * dawson(x)),
    "SINE_F": ("x f(x) of t = 2 · 4 / x - 1, x ≥ 4", beyond(4), lambda x: x * auxiliary(x)[0]),
    "SINE_G": ("x² g(x) of t = 2 · 4 / x - 1, x ≥ 4", beyond(4), lambda x: x * x * auxiliary(x)[1]),
    "E1": ("x eˣ E₁(x) of t = 2 / x - 1, x ≥ 1", beyond(1), lambda x: x * mp.exp(x) * mp.e1(x)),
    "EI_SMALL": ("(Ei(x) - γ - log x) / x of t = x / 3 - 1, 0 ≤ x ≤ 6", between(0, 6),
                 lambda x: (mp.ei(x) - mp.euler - mp.log(x)) / x),
    "EI_MIDDLE": ("x e⁻ˣ Ei(x) of t = (x - 12) / 6, 6 ≤ x ≤ 18", between(6, 18),
                  lambda x: x * mp.exp(-x) * mp.ei(x)),
    "EI_LARGE": ("x e⁻ˣ Ei(x) of t = (x - 39) / 21, 18 ≤ x ≤ 60", between(18, 60),
                 lambda x: x * mp.exp(-x) * mp.ei(x)),
    "EI_HUGE": ("x e⁻ˣ Ei(x) of t = 2 · 60 / x - 1, x ≥ 60", beyond(60),
                lambda x: x * mp.exp(-x) * mp.ei(x)),
    "FRESNEL_F": ("πx f(x) of t = 2 · 1.6 / x - 1, x ≥ 1.6", beyond(1.6),
                  lambda x: mp.pi * x * fresnel_auxiliary(x)[0]),
    "FRESNEL_G": ("π²x³ g(x) of t = 2 · 1.6 / x - 1, x ≥ 1.6", beyond(1.6),
                  lambda x: mp.pi ** 2 * x ** 3 * fresnel_auxiliary(x)[1]),
    "DILOGARITHM": ("Li₂(z) / z of t = 4z - 1, 0 ≤ z ≤ 1/2", between(0, 0.5),
                    lambda z: mp.polylog(2, z) / z if z else mpf(1)),
}


def main() -> None:
    print('"""Chebyshev series of special functions, written by tools/fit_special.py."""')
    for name, (meaning, variable, function) in SERIES.items():
        coefficients = chebyshev(lambda t, f=function, v=variable: mp.re(f(v(t))))
        print(f"\n# {meaning}\n{name} = (")
        for start in range(0, len(coefficients), 3):
            print("    " + " ".join(f"{c!r}," for c in coefficients[start:start + 3]))
        print(")")
        assert all(map(math.isfinite, coefficients)), name


if __name__ == "__main__":
    main()
