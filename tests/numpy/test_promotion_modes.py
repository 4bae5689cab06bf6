"""The modes that forbid promotion are about what programs write: functions work under them as long
as their operands share a dtype, and ranks where these matter."""
from __future__ import annotations

from typing import Any

import arrax
import arrax.numpy as jnp
import arrax.scipy as jsp
import numpy as np
import pytest
from arrax.core.dtypes import TypePromotionError
from arrax.numpy.promotion import promotes_arguments, promotes_freely

V = jnp.arange(1.0, 6.0)
X = jnp.arange(24.0).reshape(2, 3, 4) / 7 + 1
A = jnp.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]])
B = jnp.stack([A, 2 * A])
Z = A.astype("complex64")
I = jnp.array([[3, 200], [5, 255]], "uint8")
N = jnp.array([4, 6, 9])

CALLS = """
jnp.iscomplex(X) · jnp.isreal(I) · jnp.ldexp(X, N[0]) · jnp.packbits(I, axis=None)
jnp.unpackbits(I)
jnp.gcd(I, N[:2].astype("uint8")) · jnp.array_equiv(V, V[None]) · jnp.corrcoef(Z) · jnp.cov(Z)
jnp.linalg.matrix_rank(B) · jnp.linalg.pinv(B) · jnp.histogram(V, 3) · jnp.nanvar(X) · jnp.nanstd(N)
jnp.quantile(X, jnp.array([0.1, 0.5]), axis=1) · jnp.nanpercentile(X, jnp.array([10.0]), axis=1)
jnp.median(X, axis=(0, 1)) · jnp.add.outer(A, V) · jnp.mgrid[0:2:0.5, 0:2] · jnp.ogrid[0:2:0.5, 0:2]
jnp.dot(A, A, preferred_element_type="complex64") · jnp.histogram2d(V, V, 3)
jnp.einsum("ij,jk", N[:, None], N[None], preferred_element_type="float32")
jsp.fft.dctn(X) · jsp.fft.idct(X) · jsp.signal.welch(X, nperseg=3) · jsp.signal.stft(X, nperseg=3)
jsp.signal.detrend(X) · jsp.signal.fftconvolve(V, V) · jsp.linalg.lu(B) · jsp.linalg.sqrtm(A)
jsp.linalg.polar(A) · jsp.linalg.solve_sylvester(A, A, A) · jsp.linalg.expm(B)
jsp.linalg.toeplitz(V)
jsp.ndimage.map_coordinates(A, [V, V], 1) · jsp.linalg.solve(A, A) · jsp.linalg.funm(A, jnp.exp)
jsp.spatial.transform.Rotation.from_rotvec(A).as_euler("xyz")
jsp.spatial.transform.Rotation.from_rotvec(A).inv().apply(A)
""".replace("\n", " · ").split(" · ")


@pytest.mark.parametrize("text", [c for c in CALLS if c.strip()])
@pytest.mark.parametrize("mode", ["dtypes", "ranks"])
def test_functions_promote_inside(text: str, mode: str) -> None:
    expected = eval(text)
    setting = arrax.numpy_dtype_promotion("strict") if mode == "dtypes" else \
        arrax.numpy_rank_promotion("raise")
    with setting:
        found = eval(text)
    for a, b in zip(arrax.tree.leaves(found), arrax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b)


def test_arguments_are_still_refused() -> None:
    with arrax.numpy_dtype_promotion("strict"):
        for call in (lambda: jsp.linalg.solve(A, N), lambda: jsp.signal.convolve(V, N),
                     lambda: jnp.maximum(V, N[0])):
            with pytest.raises(TypePromotionError):
                call()
    with arrax.numpy_rank_promotion("raise"), pytest.raises(ValueError, match="rank_promotion"):
        jnp.maximum(X, X[0, 0])


@pytest.mark.parametrize("decorator", [promotes_freely, promotes_arguments])
def test_modes_come_back(decorator: Any) -> None:
    @decorator
    def add(x: Any, y: Any) -> Any:
        """A sum."""
        return x + y * 2.5
    assert add.__name__ == "add" and add.__doc__ == "A sum."
    with arrax.numpy_dtype_promotion("strict"):
        add(N, N)
        with pytest.raises(TypePromotionError):
            N + V[:3]
