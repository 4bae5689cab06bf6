"""Strategies of index expressions: every form that NumPy has, in and out of bounds."""
from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

SHAPES = st.lists(st.sampled_from([1, 2, 3, 4, 5]), min_size=0, max_size=4).map(tuple)


def _integers(size: int, beyond: int) -> st.SearchStrategy[int]:
    return st.integers(-size - beyond, size - 1 + beyond)


def _one_integer(size: int, beyond: int) -> st.SearchStrategy[Any]:
    return st.builds(lambda value, kind: kind(value), _integers(size, beyond), st.sampled_from(
        [int, int, np.int32, np.int8, lambda value: np.array(value, np.int32)]))


@st.composite
def _array(draw: Any, size: int, beyond: int, shape: tuple[int, ...]) -> np.ndarray:
    """An integer array of a shape that broadcasts to `shape`."""
    kept = [d if draw(st.integers(0, 4)) else 1 for d in shape]
    kept = kept[draw(st.integers(0, max(len(kept) - 1, 0))):]
    count = int(np.prod(kept))
    values = draw(st.lists(_integers(size, beyond), min_size=count, max_size=count))
    return np.array(values, draw(st.sampled_from([np.int32, np.int8]))).reshape(kept)


@st.composite
def _mask(draw: Any, shape: tuple[int, ...], trues: int | None) -> np.ndarray | None:
    """A mask of `shape`, with as many true elements as the arrays beside it have, or 1."""
    size = int(np.prod(shape))
    if trues is None:
        flags = draw(st.lists(st.booleans(), min_size=size, max_size=size))
        return np.array(flags, bool).reshape(shape)
    count = draw(st.sampled_from([1, trues]))
    if count > size:
        return None
    chosen = draw(st.permutations(range(size)))[:count]
    return np.isin(np.arange(size), chosen).reshape(shape)


@st.composite
def indices(draw: Any, shape: tuple[int, ...], beyond: int = 0, masks: bool = True) -> Any:
    """An index of an array of `shape`; integers are up to `beyond` out of bounds.

    Ints, NumPy integers, 0-d arrays, slices, None, an ellipsis, integer arrays that broadcast,
    masks over one or more axes, scalar bools; as a tuple, or alone.
    """
    common = tuple(draw(st.lists(st.integers(0, 3), max_size=2)))
    beside_masks = 1 if len(common) == 1 and draw(st.booleans()) else 0
    if beside_masks:
        common = (max(common[0], 1),)
    items: list[Any] = []
    axis, stop = 0, draw(st.integers(0, len(shape)))
    while axis < stop:
        size = shape[axis]
        form = draw(st.sampled_from(["int", "slice", "slice", "array", "array", "mask"]))
        if form == "mask" and masks:
            width = draw(st.integers(1, min(2, stop - axis)))
            mask = draw(_mask(shape[axis:axis + width], common[0] if beside_masks else 1))
            if mask is not None:
                items.append(mask)
                axis += width
                continue
        if form == "array":
            items.append(draw(_array(size, beyond, common)))
        elif form == "int":
            items.append(draw(_one_integer(size, beyond)))
        else:
            items.append(draw(st.slices(size)))
        axis += 1
    for extra in draw(st.lists(st.sampled_from([None, "bool"]), max_size=2)):
        item = extra if extra is None else draw(st.sampled_from([True, np.True_]))
        if item is None or (masks and not common):
            items.insert(draw(st.integers(0, len(items))), item)
    if stop < len(shape) and draw(st.booleans()):
        items.append(Ellipsis)
    elif stop == len(shape) and draw(st.integers(0, 3)) == 0:
        items.insert(draw(st.integers(0, len(items))), Ellipsis)
    return items[0] if len(items) == 1 and draw(st.booleans()) else tuple(items)


@st.composite
def arrays_and_indices(draw: Any, beyond: int = 0, masks: bool = True) -> tuple[np.ndarray, Any]:
    """An array with different elements, and an index of it."""
    shape = draw(SHAPES)
    data = np.arange(1, 1 + int(np.prod(shape)), dtype=np.float32).reshape(shape)
    return data, draw(indices(shape, beyond, masks))
