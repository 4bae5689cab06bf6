"""`arrax.scipy.optimize` and `arrax.scipy.spatial.transform`."""
from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation as Theirs, Slerp as TheirSlerp

import arrax as jax
import arrax.numpy as jnp
from arrax.scipy.optimize import minimize
from arrax.scipy.spatial.transform import Rotation, Slerp
from arrax.test_util import check_grads

RANDOM = np.random.default_rng(7)
LIMITED = "l-bfgs-experimental-do-not-rely-on-this"


def rosenbrock(x: Any) -> Any:
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def himmelblau(p: Any) -> Any:
    x, y = p
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


def matyas(p: Any) -> Any:
    x, y = p
    return 0.26 * (x**2 + y**2) - 0.48 * x * y


@pytest.mark.parametrize("method", ["BFGS", LIMITED])
@pytest.mark.parametrize("function, start, minimum", [
    (rosenbrock, np.zeros(2), np.ones(2)), (rosenbrock, np.zeros(12), np.ones(12)),
    (himmelblau, np.ones(2), [3, 2]), (matyas, np.ones(2), [0, 0])])
def test_minima(function: Any, start: Any, minimum: Any, method: str) -> None:
    with jax.enable_x64(True):
        for run in (lambda x: minimize(function, x, method=method), jax.jit(
                lambda x: minimize(function, x, method=method, options={"gtol": 1e-6}))):
            found = run(jnp.asarray(start))
            assert found.success
            np.testing.assert_allclose(found.x, minimum, atol=1e-4)
            np.testing.assert_allclose(found.fun, function(found.x))
            np.testing.assert_allclose(found.jac, jax.grad(function)(found.x))
            assert found.nit > 0 and found.nfev >= found.nit


def test_the_inverse_hessian_is_found() -> None:
    with jax.enable_x64(True):
        a = RANDOM.standard_normal((5, 5))
        a = a @ a.T + np.eye(5)
        found = minimize(lambda x: 0.5 * x @ a @ x - x.sum(), jnp.zeros(5), method="BFGS",
                         tol=1e-10)
        np.testing.assert_allclose(found.x, np.linalg.solve(a, np.ones(5)), atol=1e-8)
        np.testing.assert_allclose(found.hess_inv, np.linalg.inv(a), rtol=0.05, atol=0.05)


def test_minimizations_map() -> None:
    starts = jnp.array([[1.0, 1], [-1, 1], [-2, -3]])
    found = jax.vmap(lambda x: minimize(himmelblau, x, method="BFGS").x)(starts)
    np.testing.assert_allclose(found, [[3, 2], [-2.805118, 3.131313], [-3.779310, -3.283186]],
                               atol=1e-3)


def test_minimizations_end() -> None:
    few = minimize(rosenbrock, jnp.zeros(5), method="BFGS", options={"maxiter": 3})
    assert (few.status, few.nit, bool(few.success)) == (1, 3, False)
    assert minimize(himmelblau, jnp.array([3.0, 2]), method="BFGS").nit == 0
    endless = minimize(lambda x: x.sum(), jnp.zeros(2), method="BFGS", options={"maxiter": 50})
    assert not endless.success
    broken = minimize(lambda x: jnp.sum(x * jnp.nan), jnp.ones(2), method=LIMITED)
    assert not broken.success
    for call, kind in [(lambda: minimize(matyas, jnp.ones(2), [1], method="BFGS"), TypeError),
                       (lambda: minimize(matyas, jnp.ones(2), method="newton"), ValueError),
                       (lambda: minimize(matyas, jnp.ones((2, 2)), method="BFGS"), ValueError),
                       (lambda: minimize(matyas, jnp.ones(2, int), method="BFGS"), TypeError),
                       (lambda: minimize(lambda x: x, jnp.ones(2), method="BFGS"), TypeError),
                       (lambda: minimize(matyas, jnp.ones(2), method="BFGS",
                                         options={"ftol": 1}), TypeError)]:
        with pytest.raises(kind):
            call()


# ---- rotations ---------------------------------------------------------------------------------

QUATERNIONS = RANDOM.standard_normal((20, 4))


@pytest.fixture()
def pair():
    with jax.enable_x64(True):
        yield Rotation.from_quat(QUATERNIONS), Theirs.from_quat(QUATERNIONS)


def _equal(ours: Any, theirs: Any, atol: float = 1e-9) -> None:
    found = ours.as_matrix() if isinstance(ours, Rotation) else ours
    want = theirs.as_matrix() if isinstance(theirs, Theirs) else theirs
    np.testing.assert_allclose(found, want, atol=atol)


def test_descriptions_of_rotations(pair: Any) -> None:
    r, s = pair
    for settings in ({}, {"canonical": True}, {"scalar_first": True}):
        _equal(r.as_quat(**settings), s.as_quat(**settings))
    for name in ("as_matrix", "as_rotvec", "as_mrp", "magnitude"):
        _equal(getattr(r, name)(), getattr(s, name)())
        _equal(getattr(r[3], name)(), getattr(s[3], name)())
        _equal(jax.jit(lambda r, n=name: getattr(r, n)())(r), getattr(s, name)())
    _equal(r.as_rotvec(degrees=True), s.as_rotvec(degrees=True))
    _equal(Rotation.from_matrix(s.as_matrix()), s)
    _equal(Rotation.from_rotvec(s.as_rotvec()), s)
    _equal(Rotation.from_rotvec(s.as_rotvec(True), degrees=True), s)
    _equal(Rotation.from_mrp(s.as_mrp()), s)


def test_what_rotations_do(pair: Any) -> None:
    r, s = pair
    v, w = RANDOM.standard_normal((20, 3)), RANDOM.random(20)
    _equal(r.inv(), s.inv())
    _equal(r * r[::-1], s * s[::-1])
    _equal(r.mean(), s.mean())
    _equal(r.mean(w), s.mean(w))
    for inverse in (False, True):
        _equal(r.apply(v, inverse), s.apply(v, inverse))
        _equal(r[0].apply(v, inverse), s[0].apply(v, inverse))
        _equal(r.apply(v[0], inverse), s.apply(v[0], inverse))
    assert len(r) == 20 and r[0].single and not r.single
    _equal(Rotation.concatenate([r[:3], r[4]]), Theirs.concatenate([s[:3], s[4]]))
    _equal(Rotation.identity(2), Theirs.identity(2))
    drawn = Rotation.random(jax.random.key(0), 500)
    np.testing.assert_allclose(drawn.as_matrix().mean(0), 0, atol=0.15)
    with pytest.raises(TypeError):
        r[0][0]
    with pytest.raises(TypeError):
        len(r[0])


@pytest.mark.parametrize("count", [1, 2, 3])
def test_euler_angles(pair: Any, count: int) -> None:
    r, s = pair
    for axes in itertools.product("xyz", repeat=count):
        if any(a == b for a, b in zip(axes, axes[1:])):
            continue
        for seq in ("".join(axes), "".join(axes).upper()):
            angles = RANDOM.standard_normal((5, count))
            _equal(Rotation.from_euler(seq, angles), Theirs.from_euler(seq, angles))
            _equal(Rotation.from_euler(seq, angles[0], True),
                   Theirs.from_euler(seq, angles[0], True))
            if count == 3:
                _equal(r.as_euler(seq), s.as_euler(seq))
                _equal(r[3].as_euler(seq, True), s[3].as_euler(seq, True), 1e-7)
                for middle in (0, np.pi / 2, np.pi, -np.pi / 2):
                    lock = [0.3, middle, 0.4]
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")  # of gimbal lock
                        want = Theirs.from_euler(seq, lock).as_euler(seq)
                    _equal(Rotation.from_euler(seq, lock).as_euler(seq), want, 1e-6)
    for seq in ("", "xx", "xY", "abc", "xyzx"):
        with pytest.raises(ValueError):
            Rotation.from_euler(seq, jnp.zeros(3))


def test_rotations_between_rotations(pair: Any) -> None:
    r, s = pair
    times, at = np.array([0, 1, 2.5, 4]), np.linspace(0, 4, 9)
    _equal(Slerp.init(times, r[:4])(at), TheirSlerp(times, s[:4])(at))
    _equal(Slerp.init(times, r[:4])(1.7), TheirSlerp(times, s[:4])(1.7))
    with pytest.raises(ValueError):
        Slerp.init(times, r[0])
    with pytest.raises(ValueError):
        Slerp.init(times[:2], r[:4])
    with pytest.raises(TypeError):
        Slerp.init(times, QUATERNIONS)


def test_derivatives_of_rotations() -> None:
    with jax.enable_x64(True):
        v = RANDOM.standard_normal(3)
        for vector in (np.zeros(3), np.array([1e-5, 0, 0]), RANDOM.standard_normal(3)):
            check_grads(lambda a: Rotation.from_rotvec(a).apply(v), (vector,), 1, atol=1e-4,
                        rtol=1e-4)
            check_grads(lambda a: Rotation.from_rotvec(a).as_rotvec(), (vector,), 1, atol=1e-4,
                        rtol=1e-4)
