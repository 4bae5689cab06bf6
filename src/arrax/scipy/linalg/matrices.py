"""Special matrices."""
from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from arrax import numpy as jnp
from arrax.core import dtypes
from arrax.core.array import Array
from arrax.numpy.promotion import as_array, promote_dtypes, promotes_freely
from arrax.ops.arguments import integer
from arrax.transforms.api_vmap import vmap
from arrax.typing import ArrayLike, DTypeLike


def _floats(values: Any, dtype: Any = None) -> Any:
    """An array of Python numbers, in the default float dtype unless one is given."""
    return jnp.asarray(np.asarray(values), dtype=dtype or jnp.result_type(float))


def _size(name: str, n: Any, least: int = 0) -> int:
    size = integer(n, "n")
    if size < least:
        what = "a positive integer" if least == 1 else f"at least {least}"
        raise ValueError(f"{name}: n must be {what}; got {size}.")
    return size


def _batched(function: Any, *arrays: Any) -> Any:
    """`function` of vectors over all leading axes, which are broadcast together."""
    leading = jnp.broadcast_shapes(*(a.shape[:-1] for a in arrays))
    arrays = tuple(jnp.broadcast_to(a, (*leading, a.shape[-1])) for a in arrays)
    for _ in leading:
        function = vmap(function)
    return function(*arrays)


@promotes_freely
def block_diag(*arrs: ArrayLike) -> Array:
    """The matrices along the diagonal of one matrix, zeros elsewhere.

    Args:
      arrs: matrices; vectors count as rows, scalars as 1 × 1.

    Returns: a matrix as high and as wide as all of them together; (1, 0) for none.

    Errors: ValueError for more than two dimensions.

    Example:
      >>> block_diag(jnp.ones((1, 2)), 3.)
      Array([[1., 1., 0.],
             [0., 0., 3.]], dtype=float32)

    Source: `scipy.linalg.block_diag`.
    """
    parts = promote_dtypes("block_diag", *(arrs or (jnp.zeros((1, 0)),)))
    bad = [i for i, x in enumerate(parts) if jnp.ndim(x) > 2]
    if bad:
        raise ValueError("block_diag takes arrays of at most 2 dimensions; argument "
                         f"{bad[0]} has {jnp.ndim(parts[bad[0]])}")
    matrices = [jnp.atleast_2d(x) for x in parts]
    width = sum(m.shape[1] for m in matrices)
    rows, before = [], 0
    for matrix in matrices:
        after = width - before - matrix.shape[1]
        rows.append(jnp.pad(matrix, ((0, 0), (before, after))))
        before += matrix.shape[1]
    return jnp.concatenate(rows)


@promotes_freely
def toeplitz(c: ArrayLike, r: ArrayLike | None = None) -> Array:
    """The matrix with constant diagonals: `c` the first column, `r` the first row.

    Args:
      c: the first column, of shape (..., m).
      r: the first row, of shape (..., n), whose first element does not count; conj(c) if None.
        Leading axes are broadcast together.

    Returns: an array (..., m, n).

    Example:
      >>> toeplitz(jnp.array([1, 2, 3]), jnp.array([1, 4]))
      Array([[1, 4],
             [2, 1],
             [3, 2]], dtype=int32)

    Source: `scipy.linalg.toeplitz`.
    """
    c = jnp.atleast_1d(as_array("toeplitz", c))
    r = jnp.conj(c) if r is None else jnp.atleast_1d(as_array("toeplitz", r, 1))
    c, r = promote_dtypes("toeplitz", c, r)
    return _batched(_toeplitz, c, r)


def _toeplitz(c: Any, r: Any) -> Any:
    m, n = c.shape[0], r.shape[0]
    if not m or not n:
        return jnp.zeros((m, n), c.dtype)
    values = jnp.concatenate([c[::-1], r[1:]])  # element (i, j) is values[m - 1 - i + j]
    return values[np.arange(m - 1, -1, -1)[:, None] + np.arange(n)]


@promotes_freely
def circulant(c: Any) -> Array:
    """The matrix whose columns are `c`, each rolled by one more place.

    Args:
      c: the first column, of shape (..., n).

    Returns: an array (..., n, n).

    Example:
      >>> circulant(jnp.array([1, 2, 3]))
      Array([[1, 3, 2],
             [2, 1, 3],
             [3, 2, 1]], dtype=int32)

    Source: `scipy.linalg.circulant`.
    """
    c = jnp.atleast_1d(as_array("circulant", c))
    n = c.shape[-1]
    if n == 0:
        return jnp.zeros((*c.shape[:-1], 0, 0), c.dtype)
    return c[..., (np.arange(n)[:, None] - np.arange(n)) % n]


@promotes_freely
def hankel(c: ArrayLike, r: ArrayLike | None = None) -> Array:
    """The matrix with constant anti-diagonals: `c` the first column, `r` the last row.

    Args:
      c: the first column, of shape (..., m).
      r: the last row, of shape (..., n), whose first element does not count; zeros if None.

    Returns: an array (..., m, n).

    Example:
      >>> hankel(jnp.array([1, 2, 3]))
      Array([[1, 2, 3],
             [2, 3, 0],
             [3, 0, 0]], dtype=int32)

    Source: `scipy.linalg.hankel`.
    """
    c = jnp.atleast_1d(as_array("hankel", c))
    r = jnp.zeros_like(c) if r is None else jnp.atleast_1d(as_array("hankel", r, 1))
    c, r = promote_dtypes("hankel", c, r)
    return _batched(_hankel, c, r)


def _hankel(c: Any, r: Any) -> Any:
    m, n = c.shape[0], r.shape[0]
    if not m or not n:
        return jnp.zeros((m, n), c.dtype)
    return jnp.concatenate([c, r[1:]])[np.arange(m)[:, None] + np.arange(n)]


@promotes_freely
def companion(a: Any) -> Array:
    """The companion matrix of a polynomial, whose eigenvalues are its roots.

    Args:
      a: coefficients, highest power first, of shape (..., n) with n ≥ 2; the first is not zero.

    Returns: an array (..., n - 1, n - 1).

    Errors: ValueError for fewer than two coefficients.

    Example:
      >>> companion(jnp.array([1., -3., 2.]))
      Array([[ 3., -2.],
             [ 1.,  0.]], dtype=float32)

    Source: `scipy.linalg.companion`.
    """
    a, = _inexact("companion", a)
    if a.ndim == 0 or a.shape[-1] < 2:
        raise ValueError("companion: the length of `a` along the last axis must be at least 2; got "
                         f"shape {a.shape}.")
    n = a.shape[-1] - 1
    below = jnp.broadcast_to(jnp.eye(n - 1, n, dtype=a.dtype), (*a.shape[:-1], n - 1, n))
    return jnp.concatenate([(-a[..., 1:] / a[..., :1])[..., None, :], below], axis=-2)


def _inexact(name: str, *values: Any) -> list[Any]:
    from_user = [as_array(name, v, i) for i, v in enumerate(values)]
    return [jnp.asarray(v, jnp.promote_types(v.dtype, jnp.result_type(float)))
            if not jnp.issubdtype(v.dtype, jnp.inexact) else v for v in from_user]


@promotes_freely
def convolution_matrix(a: Any, n: int, mode: str = "full") -> Array:
    """The matrix that convolves a vector of length `n` with `a`.

    Args:
      a: the kernel, of shape (..., k), not empty.
      n: the length of the vector, at least 1.
      mode: "full", "same" or "valid", as in `convolve`.

    Returns: an array (..., rows, n).

    Errors: ValueError for an empty kernel, n < 1 or another mode.

    Example:
      >>> convolution_matrix(jnp.array([1, 2]), 2)
      Array([[1, 0],
             [2, 1],
             [0, 2]], dtype=int32)

    Source: `scipy.linalg.convolution_matrix`.
    """
    n = _size("convolution_matrix", n, 1)
    a = jnp.atleast_1d(as_array("convolution_matrix", a))
    k = a.shape[-1]
    if k == 0:
        raise ValueError(f"convolution_matrix: len(a) must be at least 1; got shape {a.shape}.")
    if mode not in ("full", "same", "valid"):
        raise ValueError("convolution_matrix: mode must be one of 'full', 'valid', 'same'; got "
                         f"{mode!r}.")
    pad = [(0, 0)] * (a.ndim - 1)
    column = jnp.pad(a, [*pad, (0, n - 1)])
    row = jnp.pad(a[..., :1], [*pad, (0, n - 1)])
    whole = toeplitz(column, row)
    if mode == "same":
        start, stop = (min(n, k) - 1) // 2, (min(n, k) - 1) // 2 + max(n, k)
    elif mode == "valid":
        start, stop = min(n, k) - 1, max(n, k)
    else:
        start, stop = 0, whole.shape[-2]
    return whole[..., start:stop, :]


def dft(n: int, scale: str | None = None, *, dtype: Any = None) -> Array:
    """The matrix of the discrete Fourier transform.

    Args:
      n: the size.
      scale: None, "sqrtn" (divided by √n, unitary) or "n" (divided by n).
      dtype: a complex dtype; the default complex one if None.

    Errors: ValueError for another scale or dtype.

    Example:
      >>> dft(2).real
      Array([[ 1.,  1.],
             [ 1., -1.]], dtype=float32)

    Source: `scipy.linalg.dft`.
    """
    n = _size("dft", n)
    if scale not in (None, "sqrtn", "n"):
        raise ValueError(f"dft: scale must be None, 'sqrtn', or 'n'; got {scale!r}.")
    dtype = dtypes.check_user_dtype(complex if dtype is None else dtype, "dft")
    if dtype.kind != "c":
        raise ValueError("dft: dtype must be a complex floating-point type; got "
                         f"{dtypes.dtype_name(dtype)}.")
    places = np.outer(np.arange(n), np.arange(n)) % max(n, 1)
    matrix = np.exp(-2j * np.pi * places / max(n, 1))
    matrix /= {None: 1, "sqrtn": math.sqrt(n), "n": n}[scale] or 1
    return jnp.asarray(matrix, dtype)


@promotes_freely
def fiedler(a: Any) -> Array:
    """The symmetric matrix |a[i] - a[j]|.

    Args:
      a: numbers, of shape (..., n).

    Returns: an array (..., n, n).

    Example:
      >>> fiedler(jnp.array([1, 4]))
      Array([[0, 3],
             [3, 0]], dtype=int32)

    Source: `scipy.linalg.fiedler`.
    """
    a = jnp.atleast_1d(as_array("fiedler", a))
    return jnp.abs(a[..., :, None] - a[..., None, :])


@promotes_freely
def fiedler_companion(a: Any) -> Array:
    """A five-diagonal matrix whose eigenvalues are the roots of a polynomial.

    Args:
      a: coefficients, highest power first, of shape (..., n); the first is not zero.

    Returns: an array (..., n - 1, n - 1); of no elements for fewer than two coefficients.

    Example:
      >>> fiedler_companion(jnp.array([1., -3., 2.]))
      Array([[ 3., -2.],
             [ 1.,  0.]], dtype=float32)

    Source: Fiedler, "A note on companion matrices", 2003; `scipy.linalg.fiedler_companion`.
    """
    a, = _inexact("fiedler_companion", a)
    a = jnp.atleast_1d(a)
    n = a.shape[-1] - 1
    if n < 0:
        raise ValueError("fiedler_companion requires the last axis of 'a' to have nonzero length, "
                         f"but got an array of shape {a.shape}.")
    if n < 1:
        return jnp.zeros((*a.shape[:-1], 0, 0), a.dtype)
    a = a / a[..., :1]
    matrix = jnp.zeros((*a.shape[:-1], n, n), a.dtype)
    i = np.arange(0, n - 1, 2)
    matrix = matrix.at[..., i, i + 1].set(-a[..., 2:][..., i])
    i = np.arange(0, n - 2, 2)
    matrix = matrix.at[..., i, i + 2].set(1)
    i = np.arange(2, n, 2)
    matrix = matrix.at[..., i, i - 1].set(-a[..., i + 1])
    i = np.arange(1, n - 2, 2)
    matrix = matrix.at[..., i + 2, i].set(1)
    matrix = matrix.at[..., 0, 0].set(-a[..., 1])
    return matrix.at[..., 1, 0].set(1) if n > 1 else matrix


def hadamard(n: int, dtype: DTypeLike = int) -> Array:
    """The matrix of ±1 with orthogonal rows, by Sylvester's construction.

    Args:
      n: the size, a power of 2; ValueError otherwise.
      dtype: of the result.

    Example:
      >>> hadamard(2)
      Array([[ 1,  1],
             [ 1, -1]], dtype=int32)

    Source: `scipy.linalg.hadamard`.
    """
    n = integer(n, "n")
    if n < 1 or n & (n - 1):
        raise ValueError(f"hadamard: n must be a positive power of 2; got {n}.")
    matrix = np.ones((1, 1), np.int8)
    while matrix.shape[0] < n:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return jnp.asarray(matrix, jnp.result_type(dtype))


@promotes_freely
def helmert(n: int, full: bool = False) -> Array:
    """Helmert's matrix: orthonormal rows, each comparing an element with the mean of those before.

    Args:
      n: the size, at least 1.
      full: whether the first row, of equal elements, is there too.

    Returns: a matrix (n - 1, n), or (n, n).

    Example:
      >>> helmert(2, full=True).round(4)
      Array([[ 0.7071,  0.7071],
             [ 0.7071, -0.7071]], dtype=float32)

    Source: `scipy.linalg.helmert`.
    """
    n = _size("helmert", n, 1)
    matrix = np.tril(np.ones((n, n)), -1) - np.diag(np.arange(n, dtype=float))
    scale = np.arange(n, dtype=float)
    scale = scale * (scale + 1)
    matrix[0], scale[0] = 1, n
    matrix /= np.sqrt(scale)[:, None]
    return _floats(matrix if full else matrix[1:])


def hilbert(n: int) -> Array:
    """The matrix 1 / (i + j + 1), a famous case of bad condition.

    Args:
      n: the size.

    Example:
      >>> hilbert(2).round(4)
      Array([[1.    , 0.5   ],
             [0.5   , 0.3333]], dtype=float32)

    Source: `scipy.linalg.hilbert`.
    """
    n = _size("hilbert", n)
    return _floats(1 / (np.arange(n)[:, None] + np.arange(n) + 1.0))


@functools.lru_cache(maxsize=32)
def _inverse_hilbert(n: int) -> tuple[tuple[int, ...], ...]:
    c = math.comb
    return tuple(tuple((-1) ** (i + j) * (i + j + 1) * c(n + i, n - j - 1) * c(n + j, n - i - 1)
                       * c(i + j, i) ** 2 for j in range(n)) for i in range(n))


def invhilbert(n: int) -> Array:
    """The inverse of the Hilbert matrix, whose elements are integers, rounded to floats.

    Args:
      n: the size.

    Example:
      >>> invhilbert(2)
      Array([[ 4., -6.],
             [-6., 12.]], dtype=float32)

    Source: `scipy.linalg.invhilbert`.
    """
    n = _size("invhilbert", n)
    return _floats(np.array(_inverse_hilbert(n), dtype=float).reshape(n, n))


_KINDS = ("symmetric", "lower", "upper")


def _pascal(name: str, n: Any, kind: str | None) -> tuple[int, np.ndarray, str]:
    """The size, the lower triangle of Pascal's triangle, and the kind."""
    n = _size(name, n)
    kind = "symmetric" if kind is None else kind
    if kind not in _KINDS:
        raise ValueError(f"{name}: kind must be one of {_KINDS}, got {kind!r}")
    low = np.array([[math.comb(i, j) for j in range(n)] for i in range(n)], dtype=object)
    return n, low.reshape(n, n), kind


def pascal(n: int, kind: str | None = None) -> Array:
    """The matrix of binomial coefficients.

    Args:
      n: the size.
      kind: "symmetric" (also None): i + j over i; "lower": i over j; "upper": its transpose.

    Errors: ValueError for another kind.

    Example:
      >>> pascal(3)
      Array([[1., 1., 1.],
             [1., 2., 3.],
             [1., 3., 6.]], dtype=float32)

    Source: `scipy.linalg.pascal`.
    """
    n, low, kind = _pascal("pascal", n, kind)
    matrix = {"symmetric": low @ low.T if n else low, "lower": low, "upper": low.T}[kind]
    return _floats(matrix.astype(float))


def invpascal(n: int, kind: str | None = None) -> Array:
    """The inverse of the matrix of binomial coefficients.

    Args:
      n: the size.
      kind: as for `pascal`.

    Errors: ValueError for another kind.

    Example:
      >>> invpascal(2)
      Array([[ 2., -1.],
             [-1.,  1.]], dtype=float32)

    Source: `scipy.linalg.invpascal`.
    """
    n, low, kind = _pascal("invpascal", n, kind)
    signs = (-1) ** (np.arange(n)[:, None] + np.arange(n))
    inverse = low * signs
    matrix = {"symmetric": inverse.T @ inverse if n else inverse, "lower": inverse,
              "upper": inverse.T}[kind]
    return _floats(matrix.astype(float))


@promotes_freely
def leslie(f: Any, s: Any) -> Array:
    """The Leslie matrix of a population: fecundities in the first row, survivals below it.

    Args:
      f: fecundities, of shape (..., n), n ≥ 2.
      s: survivals, of shape (..., n - 1).

    Returns: an array (..., n, n).

    Errors: ValueError when the sizes do not go together.

    Example:
      >>> leslie(jnp.array([0.1, 2.]), jnp.array([0.5]))
      Array([[0.1, 2. ],
             [0.5, 0. ]], dtype=float32)

    Source: `scipy.linalg.leslie`.
    """
    f, s = promote_dtypes("leslie", f, s)
    f, s = jnp.atleast_1d(f), jnp.atleast_1d(s)
    if f.shape[-1] < 2:
        raise ValueError("leslie: the length of f along the last axis must be at least 2; got "
                         f"shape {f.shape}.")
    if f.shape[-1] != s.shape[-1] + 1:
        raise ValueError("leslie: Incorrect lengths for f and s. The length of s along the last "
                         "axis must be one less than the length of f; got f shape "
                         f"{f.shape} and s shape {s.shape}.")
    return _batched(lambda f, s: jnp.diag(s, -1).at[0].set(f), f, s)
