"""Indices of every integer dtype, its extreme values too: reads and writes mean what they say."""
import numpy as np
import pytest

import arrax
import arrax.numpy as jnp

CASES = [(dtype, wide) for dtype in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
                                     "uint64")
         for wide in (False, True) if wide or not dtype.endswith("64")]
SIZE = 8


def _indices(dtype: str) -> np.ndarray:
    limits = np.iinfo(dtype)
    values = {limits.min, limits.min + 1, limits.max, limits.max - 1, limits.max // 2 + 1,
              -SIZE - 1, -SIZE, -1, 0, SIZE - 1, SIZE}
    return np.array(sorted(v for v in values if limits.min <= v <= limits.max), dtype)


def _place(value: int, mode: str) -> int | None:
    """Where the index points to in an axis of SIZE; None for nowhere."""
    if mode == "wrap":
        return value % SIZE
    if mode == "clip":  # take does not count from the end in this mode
        return min(max(value, 0), SIZE - 1)
    value += SIZE if value < 0 else 0
    return value if 0 <= value < SIZE else None


@pytest.mark.parametrize(("dtype", "wide"), CASES)
@pytest.mark.parametrize("mode", ["fill", "clip", "wrap"])
def test_take_at_extreme_indices(dtype: str, mode: str, wide: bool) -> None:
    x = np.arange(1, SIZE + 1, dtype=np.float32)
    with arrax.enable_x64(wide):
        index = jnp.asarray(_indices(dtype))
        places = [_place(int(i), mode) for i in np.asarray(index)]
        want = np.array([np.nan if p is None else x[p] for p in places], np.float32)

        def take(x: arrax.Array, index: arrax.Array) -> arrax.Array:
            return jnp.take(x, index, axis=0, mode=mode)
        np.testing.assert_array_equal(take(jnp.asarray(x), index), want)
        np.testing.assert_array_equal(arrax.jit(take)(x, index), want)
        np.testing.assert_array_equal(arrax.jit(lambda x: take(x, index))(x), want)


@pytest.mark.parametrize(("dtype", "wide"), CASES)
def test_updates_at_extreme_indices(dtype: str, wide: bool) -> None:
    with arrax.enable_x64(wide):
        index = jnp.asarray(_indices(dtype))
        want = np.zeros(SIZE, np.float32)
        for i in np.asarray(index):
            place = _place(int(i), "drop")
            if place is not None:
                want[place] += 1

        def count(index: arrax.Array) -> arrax.Array:
            return jnp.zeros(SIZE).at[index].add(1, mode="drop")

        def in_a_loop(index: arrax.Array) -> arrax.Array:
            return arrax.lax.fori_loop(0, 1, lambda i, x: jnp.where(i == 0, x.at[index].add(1), x),
                                       jnp.zeros(SIZE))
        for function in (count, in_a_loop):
            np.testing.assert_array_equal(function(index), want)
            np.testing.assert_array_equal(arrax.jit(function)(index), want)
            np.testing.assert_array_equal(arrax.jit(lambda f=function: f(index))(), want)
