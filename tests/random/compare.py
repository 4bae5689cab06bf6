"""How far apart two draws are."""
from __future__ import annotations

import numpy as np

# Draws whose floats go through many roundings of other libraries: differences add up.
_LONG = ("orthogonal", "multivariate_normal", "R.ball", "R.beta", "R.dirichlet", "grad", "R.f(",
         "R.t(", "chisquare")
# One rounding of log, erf_inv or a fused multiply-add apart at the end of a short formula; log of
# log and powers magnify it.
_SHORT = {2: 4, 4: 8, 8: 16}


def allowed(call: str, dtype: np.dtype) -> int:
    """How many representable numbers a float may be away from JAX's; integers are equal."""
    size = dtype.itemsize // (2 if dtype.kind == "c" else 1)
    return _SHORT[size] * (8 if any(name in call for name in _LONG) else 1)


def is_float(dtype: np.dtype) -> bool:
    return dtype.kind in "fc" or dtype.name.startswith("bfloat")


def distance(x: np.ndarray, y: np.ndarray) -> int:
    """The largest number of representable numbers between elements of equal arrays of floats."""
    if x.dtype.kind == "c":
        x, y = (np.stack([z.real, z.imag]) for z in (x, y))
    nan = np.isnan(x.astype(np.float64))
    if not np.array_equal(nan, np.isnan(y.astype(np.float64))):
        return 2 ** 63
    ranks = [_ranks(np.ascontiguousarray(z[~nan])) for z in (x, y)]
    return max((abs(a - b) for a, b in zip(*ranks)), default=0)


def _ranks(x: np.ndarray) -> list[int]:
    """The places of floats among all floats of their dtype, with one zero."""
    least = 2 ** (8 * x.dtype.itemsize - 1)
    bits = x.view(f"int{8 * x.dtype.itemsize}").ravel().tolist()
    return [b if b >= 0 else -(b + least) for b in bits]
