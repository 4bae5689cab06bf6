"""`arrax.scipy.spatial.transform`: rotations of three-dimensional space, as unit quaternions.

A quaternion has the order (x, y, z, w), w being the real part; formulas are written for one
rotation and carried along the leading axis by broadcasting.

Source of the formulas: J. Diebel, "Representing attitude: Euler angles, unit quaternions, and
rotation vectors" (2006); for the quaternion of a matrix S. Shepperd (1978); for Euler angles of any
axes E. Bernardes and S. Viollet, "Quaternion to Euler angles conversion" (2022).
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from arrax import numpy as jnp
from arrax import random
from arrax.core.lazy import listing as _listing
from arrax.numpy.promotion import promote_dtypes_inexact, promotes_freely

__all__ = ["Rotation", "Slerp"]


def _float_array(name: str, value: Any, last: tuple[int, ...]) -> Any:
    """`value` as floats of shape `last`, or with one axis more in front."""
    (x,) = promote_dtypes_inexact(name, jnp.asarray(value))
    rank = len(last)
    if x.ndim not in (rank, rank + 1) or x.shape[x.ndim - rank:] != last:
        sizes = ", ".join(map(str, last))
        raise ValueError(f"{name}: expected an array of shape ({sizes}) or (N, {sizes}), got "
                         f"{x.shape}")
    return x


def _normalized(q: Any) -> Any:
    return q / jnp.linalg.norm(q, axis=-1, keepdims=True)


def _product(p: Any, q: Any) -> Any:
    """The quaternion of first q, then p."""
    (a, b, c, w), (x, y, z, v) = jnp.moveaxis(p, -1, 0), jnp.moveaxis(q, -1, 0)
    return jnp.stack([w * x + a * v + b * z - c * y, w * y - a * z + b * v + c * x,
                      w * z + a * y - b * x + c * v, w * v - a * x - b * y - c * z], -1)


def _safe_norm(v: Any) -> Any:
    """Lengths along the last axis, with derivative 0 at 0."""
    squares = jnp.sum(v * v, -1, keepdims=True)
    zero = squares == 0
    return jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, squares)))


def _from_vector(v: Any) -> Any:
    """The quaternion of a rotation vector: its direction is the axis, its length the angle."""
    angle = _safe_norm(v)
    small = angle < 1e-3
    square = angle * angle
    series = 0.5 - square / 48 + square * square / 3840
    share = jnp.where(small, series, jnp.sin(angle / 2) / jnp.where(small, 1, angle))
    return jnp.concatenate([share * v, jnp.cos(angle / 2)], -1)


def _vector_of(q: Any) -> Any:
    """The rotation vector of a quaternion, of length π at most."""
    q = jnp.where(q[..., 3:] < 0, -q, q)
    sine = _safe_norm(q[..., :3])
    angle = 2 * jnp.arctan2(sine, q[..., 3:])
    small = angle < 1e-3
    square = angle * angle
    series = 2 + square / 12 + 7 * square * square / 2880
    share = jnp.where(small, series, angle / jnp.sin(jnp.where(small, 1, angle) / 2))
    return share * q[..., :3]


_AXES = {"x": 0, "y": 1, "z": 2}


def _sequence(seq: str) -> tuple[list[int], bool]:
    """The axes of a sequence of Euler angles, and whether they turn with the body."""
    if not re.fullmatch(r"[xyz]{1,3}|[XYZ]{1,3}", seq):
        raise ValueError("Expected axes to be from 'xyz' (extrinsic) or 'XYZ' (intrinsic), 1 to 3 "
                         f"of them, got {seq!r}")
    if any(a == b for a, b in zip(seq, seq[1:])):
        raise ValueError(f"Expected consecutive axes to be different, got {seq!r}")
    return [_AXES[a] for a in seq.lower()], seq.isupper()


class Rotation(NamedTuple):
    """A rotation of space, or N of them: a pytree that compiles, maps and is differentiated.

    Made by `from_quat`, `from_matrix`, `from_rotvec`, `from_mrp`, `from_euler`, `identity` and
    `random`. `p * q` first does `q`, then `p`; `p.inv()` undoes `p`; `p.apply(v)` rotates vectors;
    `p[i]`, `len(p)` see a sequence.

    Example:
      >>> r = Rotation.from_rotvec(jnp.array([0., 0., jnp.pi / 2]))
      >>> r.apply(jnp.array([1., 0., 0.])).round(3)
      Array([0., 1., 0.], dtype=float32)

    Source: `scipy.spatial.transform.Rotation`.
    """

    quat: Any

    # ---- from other descriptions ---------------------------------------------------------------

    @classmethod
    @promotes_freely
    def from_quat(cls, quat: Any) -> Rotation:
        """Of quaternions (x, y, z, w), shape (4,) or (N, 4), which are normalized."""
        return cls(_normalized(_float_array("Rotation.from_quat", quat, (4,))))

    @classmethod
    @promotes_freely
    def from_matrix(cls, matrix: Any) -> Rotation:
        """Of orthogonal matrices with determinant 1, shape (3, 3) or (N, 3, 3)."""
        m = _float_array("Rotation.from_matrix", matrix, (3, 3))
        rows = [[m[..., i, j] for j in range(3)] for i in range(3)]
        trace = rows[0][0] + rows[1][1] + rows[2][2]
        candidates = []
        for i in range(3):  # proportional to the quaternion; best where component i is the largest
            j, k = (i + 1) % 3, (i + 2) % 3
            parts: list[Any] = [None] * 4
            parts[i] = 1 - trace + 2 * rows[i][i]
            parts[j], parts[k] = rows[j][i] + rows[i][j], rows[k][i] + rows[i][k]
            parts[3] = rows[k][j] - rows[j][k]
            candidates.append(jnp.stack(parts, -1))
        candidates.append(jnp.stack([rows[2][1] - rows[1][2], rows[0][2] - rows[2][0],
                                     rows[1][0] - rows[0][1], 1 + trace], -1))
        best = jnp.argmax(jnp.stack([rows[0][0], rows[1][1], rows[2][2], trace], -1), -1)
        chosen = jnp.take_along_axis(jnp.stack(candidates, -2), best[..., None, None], -2)
        return cls(_normalized(chosen[..., 0, :]))

    @classmethod
    @promotes_freely
    def from_rotvec(cls, rotvec: Any, degrees: bool = False) -> Rotation:
        """Of rotation vectors, shape (3,) or (N, 3): axis times angle, in radians or degrees."""
        v = _float_array("Rotation.from_rotvec", rotvec, (3,))
        return cls(_from_vector(jnp.deg2rad(v) if degrees else v))

    @classmethod
    @promotes_freely
    def from_mrp(cls, mrp: Any) -> Rotation:
        """Of modified Rodrigues parameters, shape (3,) or (N, 3): axis times tan(angle / 4)."""
        v = _float_array("Rotation.from_mrp", mrp, (3,))
        square = jnp.sum(v * v, -1, keepdims=True)
        return cls(jnp.concatenate([2 * v, 1 - square], -1) / (1 + square))

    @classmethod
    @promotes_freely
    def from_euler(cls, seq: str, angles: Any, degrees: bool = False) -> Rotation:
        """Of angles about axes.

        Args:
          seq: 1 to 3 axes: "xyz" (fixed, each turn about the axes of space) or "XYZ" (which turn
            with the body).
          angles: a number or (N,) for one axis; (k,) or (N, k) for k axes.
          degrees: whether they are in degrees.
        """
        axes, intrinsic = _sequence(seq)
        (a,) = promote_dtypes_inexact("Rotation.from_euler", jnp.asarray(angles))
        if len(axes) == 1 and (a.ndim == 0 or a.shape[-1] != 1):
            a = a[..., None]
        if a.ndim not in (1, 2) or a.shape[-1] != len(axes):
            raise ValueError(f"Rotation.from_euler: expected angles of shape ({len(axes)},) or "
                             f"(N, {len(axes)}) for {seq!r}, got {jnp.shape(angles)}")
        a = jnp.deg2rad(a) if degrees else a
        total = None
        for k, axis in enumerate(axes):
            turn = _from_vector(a[..., k, None] * jnp.asarray(np.eye(3)[axis], a.dtype))
            if total is None:
                total = turn
            else:
                total = _product(total, turn) if intrinsic else _product(turn, total)
        return cls(total)

    @classmethod
    def identity(cls, num: int | None = None, dtype: Any = float) -> Rotation:
        """The rotation that does nothing, or `num` of them."""
        one = jnp.array([0, 0, 0, 1], dtype=jnp.dtype(dtype) if dtype is not float else None) \
            .astype(jnp.result_type(float) if dtype is float else dtype)
        return cls(one if num is None else jnp.tile(one, (num, 1)))

    @classmethod
    @promotes_freely
    def random(cls, random_key: Any, num: int | None = None) -> Rotation:
        """Rotations drawn uniformly, by a random key."""
        shape = (4,) if num is None else (num, 4)
        return cls.from_quat(random.normal(random_key, shape))

    @classmethod
    @promotes_freely
    def concatenate(cls, rotations: Sequence[Rotation]) -> Rotation:
        """The rotations of several, one after the other."""
        return cls(jnp.concatenate([jnp.atleast_2d(r.quat) for r in rotations]))

    # ---- to other descriptions -----------------------------------------------------------------

    @property
    def single(self) -> bool:
        """Whether it is one rotation, rather than a sequence of N."""
        return bool(self.quat.ndim == 1)

    @promotes_freely
    def as_quat(self, canonical: bool = False, scalar_first: bool = False) -> Any:
        """The quaternions (x, y, z, w), or (w, x, y, z) with `scalar_first`; `canonical`: those of
        q and -q whose w is positive (or the first other component that is not 0)."""
        q = self.quat
        if canonical:
            order = jnp.concatenate([q[..., 3:], q[..., :3]], -1)
            first = jnp.argmax(order != 0, -1)[..., None]
            q = jnp.where(jnp.take_along_axis(order, first, -1) < 0, -q, q)
        return jnp.concatenate([q[..., 3:], q[..., :3]], -1) if scalar_first else q

    @promotes_freely
    def as_matrix(self) -> Any:
        """The matrices, (3, 3) or (N, 3, 3)."""
        x, y, z, w = jnp.moveaxis(self.quat, -1, 0)
        rows = [[x * x - y * y - z * z + w * w, 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), -x * x + y * y - z * z + w * w, 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), -x * x - y * y + z * z + w * w]]
        return jnp.stack([jnp.stack(row, -1) for row in rows], -2)

    @promotes_freely
    def as_rotvec(self, degrees: bool = False) -> Any:
        """The rotation vectors, (3,) or (N, 3)."""
        v = _vector_of(self.quat)
        return jnp.rad2deg(v) if degrees else v

    @promotes_freely
    def as_mrp(self) -> Any:
        """The modified Rodrigues parameters, (3,) or (N, 3)."""
        q = jnp.where(self.quat[..., 3:] < 0, -self.quat, self.quat)
        return q[..., :3] / (1 + q[..., 3:])

    @promotes_freely
    def as_euler(self, seq: str, degrees: bool = False) -> Any:
        """The angles about three axes, (3,) or (N, 3): see `from_euler`. In gimbal lock the third
        one is 0."""
        axes, intrinsic = _sequence(seq)
        if len(axes) != 3:
            raise ValueError(f"Rotation.as_euler: expected 3 axes, got {seq!r}")
        angles = _euler_angles(self.quat, axes, intrinsic)
        return jnp.rad2deg(angles) if degrees else angles

    # ---- what rotations do ---------------------------------------------------------------------

    @promotes_freely
    def apply(self, vectors: Any, inverse: bool = False) -> Any:
        """Vectors, rotated (or back, with `inverse`).

        Args:
          vectors: (3,) or (N, 3); one rotation turns N vectors, N rotations one or N.

        Returns: (3,) or (N, 3).
        """
        v = _float_array("Rotation.apply", vectors, (3,))
        m = self.as_matrix()
        if inverse:
            m = jnp.swapaxes(m, -1, -2)
        return jnp.einsum("...ij,...j->...i", m, v, precision="highest")

    @promotes_freely
    def inv(self) -> Rotation:
        """The rotations back."""
        return Rotation(self.quat * jnp.asarray([-1, -1, -1, 1], self.quat.dtype))

    @promotes_freely
    def magnitude(self) -> Any:
        """The angles, between 0 and π."""
        return 2 * jnp.arctan2(_safe_norm(self.quat[..., :3])[..., 0], jnp.abs(self.quat[..., 3]))

    @promotes_freely
    def mean(self, weights: Any = None) -> Rotation:
        """The mean rotation, whose matrix is nearest to the (weighted) mean of the matrices."""
        q = jnp.atleast_2d(self.quat)
        w = jnp.ones(q.shape[0], q.dtype) if weights is None else jnp.asarray(weights, q.dtype)
        if w.shape != (q.shape[0],):
            raise ValueError(f"Rotation.mean: expected weights of shape ({q.shape[0]},), got "
                             f"{w.shape}")
        _, vectors = jnp.linalg.eigh(jnp.einsum("n,ni,nj->ij", w, q, q, precision="highest"))
        return Rotation(vectors[:, -1])

    @promotes_freely
    def __mul__(self, other: Rotation) -> Rotation:  # type: ignore[override]
        return Rotation(_normalized(_product(self.quat, other.quat)))

    def __getitem__(self, indexer: Any) -> Rotation:
        if self.single:
            raise TypeError("Single rotation is not subscriptable.")
        return Rotation(self.quat[indexer])

    def __len__(self) -> int:
        if self.single:
            raise TypeError("Single rotation has no len().")
        return int(self.quat.shape[0])


def _euler_angles(quat: Any, axes: list[int], intrinsic: bool) -> Any:
    """Angles about three axes, by the method of Bernardes and Viollet."""
    order = axes[::-1] if intrinsic else axes
    i, j, k = order
    symmetric = i == k
    if symmetric:
        k = 3 - i - j
    sign = (i - j) * (j - k) * (k - i) // 2
    x, w = quat[..., :3], quat[..., 3]
    if symmetric:
        a, b, c, d = w, x[..., i], x[..., j], x[..., k] * sign
    else:
        a, b = w - x[..., j], x[..., i] + x[..., k] * sign
        c, d = x[..., j] + w, x[..., k] * sign - x[..., i]
    middle = 2 * jnp.arctan2(jnp.hypot(c, d), jnp.hypot(a, b))
    near = 1e-7 if quat.dtype == np.float64 else 1e-3
    at_zero, at_pi = jnp.abs(middle) < near, jnp.abs(middle - np.pi) < near
    half_sum, half_difference = jnp.arctan2(b, a), jnp.arctan2(d, c)
    locked = at_zero | at_pi
    first, third = half_sum - half_difference, half_sum + half_difference
    # Locked: the angle that comes last in the sequence as it is written is 0.
    only = jnp.where(at_zero, 2 * half_sum, 2 * half_difference * (1 if intrinsic else -1))
    if intrinsic:
        first, third = jnp.where(locked, 0, first), jnp.where(locked, only, third)
    else:
        first, third = jnp.where(locked, only, first), jnp.where(locked, 0, third)
    if not symmetric:
        third, middle = third * sign, middle - np.pi / 2
    angles = [third, middle, first] if intrinsic else [first, middle, third]
    wrapped = jnp.stack(angles, -1)
    return jnp.where(wrapped < -np.pi, wrapped + 2 * np.pi,
                     jnp.where(wrapped > np.pi, wrapped - 2 * np.pi, wrapped))


class Slerp(NamedTuple):
    """Rotations between given ones: along the shortest arc, at constant speed.

    Made by `Slerp.init(times, rotations)`; a call gives the rotations at times.

    Example:
      >>> turns = Rotation.from_rotvec(jnp.array([[0., 0., 0.], [0., 0., 1.]]))
      >>> Slerp.init(jnp.array([0., 2.]), turns)(jnp.array(0.5)).as_rotvec().round(3)
      Array([0.  , 0.  , 0.25], dtype=float32)

    Source: `scipy.spatial.transform.Slerp`.
    """

    times: Any
    timedelta: Any
    rotations: Rotation
    rotvecs: Any

    @classmethod
    @promotes_freely
    def init(cls, times: Any, rotations: Rotation) -> Slerp:
        """Through rotations at times.

        Args:
          times: ascending numbers, shape (N,), N ≥ 2.
          rotations: N rotations.
        """
        if not isinstance(rotations, Rotation):
            raise TypeError(f"`rotations` must be a `Rotation` instance, got {type(rotations)}")
        if rotations.single or len(rotations) == 1:
            raise ValueError("`rotations` must contain at least 2 rotations.")
        (times,) = promote_dtypes_inexact("Slerp", jnp.asarray(times))
        if times.shape != (len(rotations),):
            raise ValueError("Expected times to have shape "
                             f"({len(rotations)},), as many as rotations, got {times.shape}")
        before, after = Rotation(rotations.quat[:-1]), Rotation(rotations.quat[1:])
        return cls(times, jnp.diff(times), before, (before.inv() * after).as_rotvec())

    @promotes_freely
    def __call__(self, times: Any) -> Rotation:
        """The rotations at times, a number or (M,); beyond the ends they go on turning as there."""
        (t,) = promote_dtypes_inexact("Slerp", jnp.asarray(times))
        if t.ndim > 1:
            raise ValueError(f"`times` must be at most 1-dimensional, got shape {t.shape}")
        place = jnp.clip(jnp.searchsorted(self.times, t, side="right") - 1, 0,
                         self.timedelta.shape[0] - 1)
        share = (t - self.times[place]) / self.timedelta[place]
        turn = Rotation.from_rotvec(self.rotvecs[place] * share[..., None])
        return Rotation(self.rotations.quat[place]) * turn

__dir__ = _listing(__name__)
