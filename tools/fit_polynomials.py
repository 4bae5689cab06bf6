"""Prints `arrax/ops/coefficients.py`: the polynomials of the vector math.

Each row names a smooth function on an interval; it is interpolated at Chebyshev nodes with 60
digits, which is within a small factor of the minimax polynomial, and its monomial coefficients are
rounded to the working precision, highest power first (Horner's order). Needs mpmath.

usage: python tools/fit_polynomials.py > src/arrax/ops/coefficients.py
"""

import struct

import mpmath as mp

mp.mp.dps = 60


def fit(function, low, high, degree):
    """Monomial coefficients (highest first) of the Chebyshev interpolant of `function`."""
    low, high = mp.mpf(low), mp.mpf(high)
    count = degree + 1
    nodes = [
        (low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * (2 * k + 1) / (2 * count))
        for k in range(count)
    ]
    matrix = mp.matrix(count, count)
    for row, node in enumerate(nodes):
        for column in range(count):
            matrix[row, column] = node ** (count - 1 - column)
    return list(mp.lu_solve(matrix, mp.matrix([function(node) for node in nodes])))


def series(function, center=0, terms=40):
    """Evaluates a function with a removable singularity at 0 by its Taylor series near 0."""
    taylor = mp.taylor(function, center, terms)
    return taylor


def removable(direct, expansion):
    """`direct(t)` away from 0 and the Taylor coefficients `expansion` near it."""

    def value(t):
        return mp.polyval(expansion[::-1], t) if abs(t) < mp.mpf(10) ** -12 else direct(t)

    return value


def odd_tail(function, cubic):
    """g with function(x) = x + x^3 g(x^2)."""
    return removable(lambda z: (function(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, cubic)


exp_low, exp_high = (mp.log(2) * mp.mpf(t) for t in ("-0.42", "0.59"))  # with EXP_BIAS
quarter_pi = mp.pi / 4 * mp.mpf("1.01")
sqrt_half, sqrt_two = mp.sqrt(mp.mpf(1) / 2), mp.sqrt(2)

exp_tail = removable(
    lambda r: (mp.expm1(r) - r) / r**2, [mp.mpf(1) / 2, mp.mpf(1) / 6, mp.mpf(1) / 24]
)
exp2_tail = removable(lambda r: mp.expm1(r * mp.log(2)) / r, [mp.log(2), mp.log(2) ** 2 / 2])
log_tail = removable(lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3, [mp.mpf(1) / 3, -mp.mpf(1) / 4])
# log((1+s)/(1-s)) = 2s + s * R(s^2), R(z) = z * G(z)
log_ratio = removable(
    lambda z: (mp.log((1 + mp.sqrt(z)) / (1 - mp.sqrt(z))) / mp.sqrt(z) - 2) / z,
    [mp.mpf(2) / 3, mp.mpf(2) / 5],
)
sin_tail = odd_tail(mp.sin, [-mp.mpf(1) / 6, mp.mpf(1) / 120])
cos_tail = removable(
    lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2, [mp.mpf(1) / 24, -mp.mpf(1) / 720]
)
tan_tail = odd_tail(mp.tan, [mp.mpf(1) / 3, mp.mpf(2) / 15])
atan_tail = odd_tail(mp.atan, [-mp.mpf(1) / 3, mp.mpf(1) / 5])
asin_tail = odd_tail(mp.asin, [mp.mpf(1) / 6, mp.mpf(3) / 40])
tanh_tail = odd_tail(mp.tanh, [-mp.mpf(1) / 3, mp.mpf(2) / 15])
sinh_tail = odd_tail(mp.sinh, [mp.mpf(1) / 6, mp.mpf(1) / 120])
two_over_sqrt_pi = 2 / mp.sqrt(mp.pi)
erf_ratio = removable(
    lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1, [two_over_sqrt_pi - 1, -two_over_sqrt_pi / 3]
)


def log_erfc_tail(t):
    """log(erfc(c + t)), whose exponential is what erf lacks to 1."""
    return mp.log(mp.erfc(mp.mpf("1.0556640625") + t))


def scaled_erfc(t):
    """(1 + 2a) erfc(a) exp(a^2) as a function of t = (a - 2) / (a + 2), t < 1."""
    if t == 1:
        return two_over_sqrt_pi
    a = 2 * (1 + t) / (1 - t)
    return (1 + 2 * a) * mp.erfc(a) * mp.exp(a * a)


def bessel(order, far):
    """e^-x I(x), for order 1 divided by x, in x/4 - 1; or (`far`) times sqrt(x) in 16/x - 1."""

    def near_value(t):
        x = 4 * (t + 1)
        if order and x < mp.mpf(10) ** -20:
            return mp.mpf(1) / 2
        return mp.exp(-x) * mp.besseli(order, x) / (x if order else 1)

    def far_value(t):
        x = 16 / (t + 1)
        return mp.sqrt(x) * mp.exp(-x) * mp.besseli(order, x)

    return far_value if far else near_value


ROWS = [
    ("EXP_TAIL_F32", "(exp(r) - 1 - r) / r^2", exp_tail, exp_low, exp_high, 4, "f"),
    ("EXP_TAIL_F64", "(exp(r) - 1 - r) / r^2", exp_tail, exp_low, exp_high, 10, "d"),
    ("EXPM1_TAIL_F32", "(exp(r) - 1 - r) / r^2 for |r| <= 1/2", exp_tail, -0.51, 0.51, 5, "f"),
    ("EXPM1_TAIL_F64", "(exp(r) - 1 - r) / r^2 for |r| <= 1/2", exp_tail, -0.51, 0.51, 12, "d"),
    ("EXP2_TAIL_F32", "(2^r - 1) / r", exp2_tail, -0.5, 0.5, 6, "f"),
    ("EXP2_TAIL_F64", "(2^r - 1) / r", exp2_tail, -0.5, 0.5, 11, "d"),
    (
        "EXP2_LIGHT_F64",
        "(2^r - 1) / r, for results rounded to float32",
        exp2_tail,
        -0.5,
        0.5,
        6,
        "d",
    ),
    ("LOG_TAIL_F32", "(log1p(f) - f + f^2/2) / f^3", log_tail, sqrt_half - 1, sqrt_two - 1, 8, "f"),
    (
        "LOG_RATIO_F64",
        "(log((1+s)/(1-s)) - 2s) / s^3 in s^2",
        log_ratio,
        0,
        mp.mpf("0.02945"),
        6,
        "d",
    ),
    (
        "LOG_RATIO_LIGHT_F64",
        "the same, for results rounded to float32",
        log_ratio,
        0,
        mp.mpf("0.02945"),
        4,
        "d",
    ),
    (
        "SIN_HALF_TURN_F64",
        "(sin(r) - r) / r^3 in r^2 for |r| <= pi/2, for results rounded to float32",
        sin_tail,
        0,
        4 * quarter_pi**2,
        4,
        "d",
    ),
    ("SIN_TAIL_F64", "(sin(r) - r) / r^3 in r^2", sin_tail, 0, quarter_pi**2, 6, "d"),
    ("COS_TAIL_F64", "(cos(r) - 1 + r^2/2) / r^4 in r^2", cos_tail, 0, quarter_pi**2, 6, "d"),
    ("TAN_TAIL_F32", "(tan(r) - r) / r^3 in r^2", tan_tail, 0, quarter_pi**2, 6, "f"),
    ("ATAN_TAIL_F32", "(atan(r) - r) / r^3 in r^2", atan_tail, 0, 1, 8, "f"),
    ("ASIN_TAIL_F32", "(asin(r) - r) / r^3 in r^2", asin_tail, 0, mp.mpf("0.25"), 5, "f"),
    ("TANH_TAIL_F32", "(tanh(r) - r) / r^3 in r^2", tanh_tail, 0, mp.mpf("0.91"), 6, "f"),
    ("TANH_TAIL_F64", "(tanh(r) - r) / r^3 in r^2", tanh_tail, 0, mp.mpf("0.31"), 9, "d"),
    ("SINH_TAIL_F32", "(sinh(r) - r) / r^3 in r^2", sinh_tail, 0, 1, 3, "f"),
    ("SINH_TAIL_F64", "(sinh(r) - r) / r^3 in r^2", sinh_tail, 0, 1, 7, "d"),
    ("ERF_RATIO_F32", "erf(r) / r - 1 in r^2", erf_ratio, 0, mp.mpf("0.86"), 6, "f"),
    (
        "LOG_ERFC_F32",
        "log(erfc(1.0556640625 + t)) for -0.14 <= t <= 2.95",
        log_erfc_tail,
        mp.mpf("-0.14"),
        mp.mpf("2.95"),
        8,
        "f",
    ),
    (
        "SCALED_ERFC_F64",
        "(1 + 2a) erfc(a) exp(a^2) in (a-2)/(a+2), for results rounded to float32",
        scaled_erfc,
        -1,
        mp.mpf("0.7"),
        12,
        "d",
    ),
    *(
        (
            f"BESSEL_I{order}_{'FAR' if far else 'NEAR'}_{'LIGHT_' if light else ''}F64",
            ("sqrt(x) e^-x I(x) in 16/x - 1" if far else "e^-x I(x) / x^order in x/4 - 1")
            + (", for results rounded to float32" if light else ""),
            bessel(order, far),
            -1,
            1,
            degree,
            "d",
        )
        for order in (0, 1)
        for far, light, degree in (
            (False, False, 29), (False, True, 16), (True, False, 24), (True, True, 8))
    ),
]


def rounded(value, code):
    return struct.unpack(code, struct.pack(code, float(value)))[0]


def main():
    print(
        '"""Polynomials of the vector math, highest power first. '
        'By `tools/fit_polynomials.py`."""\n'
    )
    for name, text, function, low, high, degree, code in ROWS:
        coefficients = fit(function, low, high, degree)
        print(f"# {text}\n{name} = (")
        for value in coefficients:
            print(f"    {rounded(value, code)!r},")
        print(")")


if __name__ == "__main__":
    main()
