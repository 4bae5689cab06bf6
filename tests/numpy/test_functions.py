"""Rows of calls that NumPy and arrax answer alike, eagerly and compiled."""
from __future__ import annotations

import numpy as np
import pytest

from tests.numpy.comparing import check, check_gradient

RANDOM = np.random.RandomState(1)
A = RANDOM.randn(3, 4).astype(np.float32)
B = RANDOM.randn(3, 4).astype(np.float32)
V = RANDOM.randn(4).astype(np.float32)
G = RANDOM.randn(2, 3, 4).astype(np.float32)
S = RANDOM.randn(4, 4).astype(np.float32)
P = (S @ S.T + 4 * np.eye(4)).astype(np.float32)
C = (A + 1j * B).astype(np.complex64)
I = RANDOM.randint(-5, 9, (3, 4)).astype(np.int32)
M = RANDOM.rand(3, 4) > 0.5
N = np.where(A > 0.8, np.nan, A).astype(np.float32)
W = np.sort(V)
U = RANDOM.randint(0, 200, 5).astype(np.uint8)

REDUCTIONS = [
    *[(f"{n} {axis}", lambda m, x, n=n, axis=axis: getattr(m, n)(x, axis=axis), (G,))
      for n in ("sum prod max min mean std var all any ptp median argmax argmin "
                "count_nonzero").split()
      for axis in (None, 1, (0, 2)) if not (n.startswith("arg") and axis == (0, 2))],
    *[(n, lambda m, x, n=n: getattr(m, n)(x, axis=0), (N,))
      for n in ("nansum nanprod nanmax nanmin nanmean nanstd nanvar nanmedian nancumsum "
                "nancumprod").split()],
    ("keepdims", lambda m, x: m.sum(x, axis=1, keepdims=True), (G,)),
    ("where", lambda m, x, w: [m.sum(x, where=w), m.mean(x, axis=1, where=w, keepdims=True),
                               m.max(x, axis=0, where=w, initial=-9.0)], (A, M)),
    ("ddof", lambda m, x: [m.var(x, 0, ddof=1), m.std(x, ddof=2)], (A,)),
    ("bools", lambda m, x: [m.sum(x), m.mean(x), m.prod(x, 0)], (M,)),
    ("complex", lambda m, x: [m.sum(x), m.mean(x, 0), m.var(x), m.std(x, 1)], (C,)),
    ("running", lambda m, x: [m.cumsum(x), m.cumsum(x, 1), m.cumprod(x, 0)], (A,)),
    ("average", lambda m, x, v: [m.average(x, 1, weights=v), m.average(x)], (A, V + 9)),
    ("quantiles", lambda m, x: [m.quantile(x, 0.3), m.quantile(x, m.asarray([0.0, 0.5, 1.0]), 1),
                                m.percentile(x, 70, axis=(0, 2), keepdims=True)], (G,)),
    ("nanquantile", lambda m, x: m.nanquantile(x, 0.4, axis=0), (N,)),
    *[(f"method {k}", lambda m, x, k=k: m.quantile(x, 0.37, axis=1, method=k), (A,))
      for k in "linear lower higher midpoint nearest".split()]]

SHAPES = [
    ("order", lambda m, x: [m.transpose(x, (2, 0, 1)), m.moveaxis(x, 0, 2), m.swapaxes(x, 0, 1),
                            m.rollaxis(x, 2), m.flip(x, (0, 2)), m.rot90(x, 3, (1, 2)), x.T], (G,)),
    ("reshape", lambda m, x: [m.reshape(x, (6, -1)), m.reshape(x, (4, 6), order="F"), m.ravel(x),
                              m.resize(x, (5, 7)), m.expand_dims(x, (0, 2)), m.squeeze(x[:, :1]),
                              m.broadcast_to(x, (2, 2, 3, 4))], (G,)),
    ("roll", lambda m, x: [m.roll(x, 5), m.roll(x, 1, 1), m.roll(x, (1, -2), (0, 2))], (G,)),
    ("join", lambda m, x, y, v: [m.concatenate([x, y], 1), m.stack([x, y], -1), m.hstack([x, y]),
                                 m.vstack([x, v]), m.dstack([x, y]), m.column_stack([v, v]),
                                 m.append(x, y), m.block([[x, y], [y, x]])], (A, B, V)),
    ("split", lambda m, x: [m.split(x, [1, 3], 2), m.array_split(x, 3, 2), m.hsplit(x, 3),
                            m.vsplit(x, 2), m.dsplit(x, 2)], (G,)),
    ("repeat", lambda m, x: [m.tile(x, (2, 1, 3)), m.repeat(x, 2, 1),
                             m.repeat(x, np.array([1, 0, 2]), 1), m.repeat(x, 3)], (G,)),
    ("triangles", lambda m, x, v: [m.tril(x), m.triu(x, 1), m.diag(v, 2), m.diag(v, -1),
                                   m.diag(x, 1), m.diagonal(x, -1), m.trace(x), m.diagflat(x),
                                   m.tri(3, 4, -1), m.eye(3, 4, 1)], (A, V)),
    ("grids", lambda m, v: [m.meshgrid(v, v[:2]), m.meshgrid(v, v[:2], indexing="ij", sparse=True),
                            m.indices((2, 3)), m.mgrid[0:2, 0:3], m.r_[1:3, 5],
                            m.vander(v, 3)], (V,))]

PADS = [(f"pad {mode}", lambda m, x, mode=mode: [m.pad(x, ((1, 2), (3, 0)), mode=mode),
                                                 m.pad(x, ((5, 0), (0, 9)), mode=mode)], (A,))
        for mode in ("constant edge reflect symmetric wrap linear_ramp maximum mean minimum "
                     "median").split()]

PRODUCTS = [
    ("dot", lambda m, x, y, v: [m.dot(x, v), m.matmul(x, y.T), m.inner(x, y), m.outer(v, v),
                                m.vdot(x, y), m.kron(x, y), m.tensordot(x, y, ((0, 1), (0, 1)))],
     (A, B, V)),
    ("matmul", lambda m, g, s: [g @ s, g[0] @ m.swapaxes(g, 1, 2), s[0] @ m.swapaxes(g, 1, 2),
                                g @ s[0], m.matmul(g[:, None], m.swapaxes(g, 1, 2)[None])],
     (G, S)),
    ("cross", lambda m, x: m.cross(x[:, :3], x[:, 1:]), (A,)),
    *[(f"einsum {e}", lambda m, *a, e=e: m.einsum(e, *a), ops) for e, ops in {
        "ij,jk->ki": (A, S), "ii->i": (S,), "ii": (S,), "...ij,...jk->...ik": (G, S),
        "bij,bij->b": (G, G), "ij,kj,lj->ikl": (A, A, B), "i,j,k->ijk": (V, V, V), "ij->": (A,),
        "aab->b": (G[:, :2],), "i...->...": (G,), "ij,k->ij": (A, V)}.items()],
    *[(f"convolve {mode}", lambda m, x, y, mode=mode: [
        m.convolve(x, y, mode), m.correlate(x, y, mode), m.convolve(y, x, mode),
        m.correlate(y, x, mode), m.correlate(y[:2], x, mode)], (A.ravel(), V))
      for mode in ("full", "same", "valid")]]

STATISTICS = [
    ("cov", lambda m, x, y: [m.cov(x), m.cov(x, y), m.cov(x, rowvar=False, ddof=0), m.corrcoef(x)],
     (A, B)),
    ("histogram", lambda m, x: [m.histogram(x, 5), m.histogram(
        x, m.asarray([-1.0, 0.0, 0.5, 2.0]), density=True)], (A,)),
    ("histogram2d", lambda m, x: list(m.histogram2d(x[0], x[1], 3)), (A,)),
    ("interp", lambda m, x, w, v: [m.interp(x, w, v), m.interp(x, w, v, left=-1, right=9),
                                   m.interp(x, w, v, period=2.0)], (A * 2, W, V)),
    ("differences", lambda m, x: [m.diff(x), m.diff(x, 2, 0), m.diff(x, prepend=x[:, :1]),
                                  m.ediff1d(x), m.gradient(x), m.trapezoid(x),
                                  m.gradient(x, m.asarray([0.0, 1.0, 3.0, 4.0]), axis=1)], (A,)),
    ("polynomials", lambda m, p, x: [m.polyval(p, x), m.polyadd(p, p[:2]), m.polymul(p, p[:2]),
                                     m.polyder(p, 2), m.polyint(p, 2), m.poly(p)], (V, A)),
    ("windows", lambda m: [m.hanning(5), m.hamming(6), m.blackman(5), m.bartlett(5),
                           m.kaiser(5, 2.5)], ()),
    ("bits", lambda m, u, x: [m.packbits(x, axis=1), m.unpackbits(u),
                              m.unpackbits(u[:, None], axis=1, count=5, bitorder="little")],
     (U, M)),
    ("choice", lambda m, x, w, v: [m.where(w, x, v), m.select([x > 1, x > 0], [x, -x], 9.0),
                                   m.clip(x, -0.5, 0.5), m.piecewise(x, [x > 0], [3.0, -1.0])],
     (A, M, V)),
    ("sorted", lambda m, x: [m.sort(x), m.sort(x, 0), m.argsort(x, 1), m.sort(x, None)], (A,)),
    ("search", lambda m, w, x: [m.searchsorted(w, x), m.searchsorted(w, x, side="right"),
                                m.digitize(x, w)], (W, A)),
    ("take", lambda m, x, i: [m.take(x, i), m.take(x, i, axis=1, mode="wrap"),
                              m.take_along_axis(x, i % 4, 1)], (A, np.abs(I))),
    ("close", lambda m, x, y: [m.isclose(x, y, 0.5), m.allclose(x, x), m.array_equal(x, y)],
     (A, B)),
    ("edit", lambda m, x: [m.delete(x, 1, 0), m.delete(x, np.array([0, 2]), 1),
                           m.insert(x, 1, 9.0, 0), m.insert(x, np.array([0, 3]), x[:, :2], 1)],
     (A,))]

SETS = [
    ("unique", lambda m, x: [m.unique(x), m.unique(x, axis=0), *m.unique(
        x, return_index=True, return_inverse=True, return_counts=True)], (I,)),
    ("two", lambda m, x: [m.union1d(x, x + 3), m.intersect1d(x, x + 3), m.setdiff1d(x, x + 3),
                          m.setxor1d(x, x + 3)], (I,)),
    ("nonzero", lambda m, x: [*m.nonzero(x), m.argwhere(x), m.flatnonzero(x), *m.where(x),
                              m.extract(x, x), m.compress(x[0], x, 1)], (M,))]

LINEAR_ALGEBRA = [
    ("solve", lambda m, p, v: [m.linalg.solve(p, p[:, :2]), m.linalg.inv(p), m.linalg.det(p),
                               m.linalg.slogdet(p)[1], m.linalg.cholesky(p)], (P, V)),
    ("determinants", lambda m, s: [m.linalg.det(s), m.linalg.det(s[:3, :3]),
                                   m.linalg.det(s[:2, :2]), *m.linalg.slogdet(-s)], (S,)),
    ("values", lambda m, p, x: [m.linalg.eigvalsh(p), m.linalg.svd(x, compute_uv=False),
                                m.linalg.matrix_rank(x), m.linalg.pinv(x)], (P, A)),
    *[(f"norm {o}", lambda m, v, x, o=o: [m.linalg.norm(v, o), m.linalg.norm(x, o, axis=1)], (V, A))
      for o in (None, 0, 1, 2, 3, np.inf, -np.inf)],
    *[(f"matrix norm {o}", lambda m, g, o=o: m.linalg.norm(g, o, axis=(1, 2)), (G,))
      for o in ("fro", "nuc", 1, -1, 2, -2, np.inf)],
    ("powers", lambda m, s, x, v: [m.linalg.matrix_power(s, 3), m.linalg.multi_dot([x, s, s, v]),
                                   m.linalg.cond(s)], (S, A, V))]

TRANSFORMS = [
    *[(n, lambda m, x, n=n: [getattr(m.fft, n)(x), getattr(m.fft, n)(x, n=6),
                             getattr(m.fft, n)(x, axis=0, norm="ortho"),
                             getattr(m.fft, n)(x, n=3, norm="forward")],
       (A if n in ("rfft", "ihfft") else C,)) for n in "fft ifft rfft irfft hfft ihfft".split()],
    *[(n, lambda m, x, n=n: [getattr(m.fft, n)(x), getattr(m.fft, n)(x, axes=(0, 1)),
                             getattr(m.fft, n)(x, s=(5, 4), axes=(1, 2), norm="ortho")], (G,))
      for n in "fftn ifftn rfftn irfftn".split()],
    ("frequencies", lambda m, x: [m.fft.fftfreq(5, 0.5), m.fft.rfftfreq(6), m.fft.fftshift(x),
                                  m.fft.ifftshift(x, 1)], (A,))]

COMPILED = REDUCTIONS + SHAPES + PADS + PRODUCTS + STATISTICS + LINEAR_ALGEBRA + TRANSFORMS


@pytest.mark.parametrize(("function", "operands"), [row[1:] for row in COMPILED],
                         ids=[row[0] for row in COMPILED])
def test_as_numpy(function, operands):
    check(function, *operands, tolerance=1e-3)


@pytest.mark.parametrize(("function", "operands"), [row[1:] for row in SETS],
                         ids=[row[0] for row in SETS])
def test_as_numpy_with_shapes_that_depend_on_values(function, operands):
    check(function, *operands, compiled=False)


SMOOTH = [row for row in COMPILED if row[0] in {
    "sum None", "prod 1", "max (0, 2)", "mean 1", "std None", "var 1", "where", "running",
    "order", "roll", "join", "repeat", "triangles", "pad reflect", "pad wrap", "matmul",
    "einsum ij,kj,lj->ikl", "einsum ii->i", "convolve same", "interp", "differences",
    "polynomials", "solve", "determinants", "norm 3", "matrix norm fro"}]


@pytest.mark.parametrize(("function", "operands"), [row[1:] for row in SMOOTH],
                         ids=[row[0] for row in SMOOTH])
def test_gradients(function, operands):
    floats = [i for i, o in enumerate(operands) if o.dtype == np.float32]
    if len(floats) == len(operands):
        check_gradient(function, *operands)
    else:
        rest = {i: o for i, o in enumerate(operands) if i not in floats}

        def only_floats(m, *args):
            given = dict(zip(floats, args, strict=True)) | rest
            return function(m, *(given[i] for i in range(len(given))))
        check_gradient(only_floats, *(operands[i] for i in floats))
