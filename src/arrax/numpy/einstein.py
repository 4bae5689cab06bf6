"""`einsum`: sums of products by index notation.

opt_einsum finds the order of pairwise contractions; each becomes one `dot_general`, with its
operands in the order that saves a transposition.
"""
from __future__ import annotations

import functools
from collections import Counter
from typing import Any

import numpy as np

from arrax import lax
from arrax.core import dtypes
from arrax.core.dimension import Dimension
from arrax.core.array import Array
from arrax.core.remembered import remembered
from arrax.numpy import elementwise, reductions, shaping
from arrax.numpy.promotion import as_array, check_arraylike, convert, promote_dtypes
from arrax.transforms.api_placement import sharded
from arrax.typing import DTypeLike

_TYPICAL_SIZE = 64  # what symbolic sizes count as where contractions are ordered


@remembered
@sharded
def einsum(subscripts: Any, /, *operands: Any, out: None = None, optimize: Any = "auto",
           precision: Any = None, preferred_element_type: DTypeLike | None = None,
           _dot_general: Any = lax.dot_general, out_sharding: Any = None) -> Array:
    """The sums of products that `subscripts`, such as "ij,jk->ik", say.

    Args:
      subscripts: a name for each axis of each operand, and those of the result; names that the
        result lacks are summed over. "..." stands for axes that broadcast. Or operands and lists
        of names in turns, as in NumPy.
      optimize: how to look for the order of contractions (see opt_einsum), or a path.
      precision, preferred_element_type: as for `lax.dot_general`.

    Raises:
      ValueError: subscripts that do not fit the operands.

    Example:
      >>> jnp.einsum("ij,j->i", jnp.ones((2, 3)), jnp.ones(3))
      Array([3., 3.], dtype=float32)
    """
    if out is not None:
        raise NotImplementedError("The 'out' argument to jnp.einsum is not supported.")
    names, arrays = _operands(subscripts, operands)
    known = dtypes.check_user_dtype(preferred_element_type, "einsum")
    arrays = promote_dtypes("einsum", *arrays)
    arrays = [as_array("einsum", a) for a in arrays]
    dtype = arrays[0].dtype if known is None else known
    weak = known is None and all(a.weak_type for a in arrays)
    path = "optimal" if optimize is True else "auto" if optimize is False else optimize
    if isinstance(path, list):
        path = tuple(path)
    inputs, result, steps = _plan(names, tuple(a.shape for a in arrays), path, optimize is False)
    dot = functools.partial(_dot_general, precision=precision,
                            preferred_element_type=dtype)
    terms = list(zip(inputs, arrays, strict=True))
    for places, target in steps:
        chosen = [terms[i] for i in sorted(places)]
        for i in sorted(places, reverse=True):
            terms.pop(i)
        value = _single(chosen[0], target) if len(chosen) == 1 \
            else _pair(chosen[0], chosen[1], target, dot)
        terms.append((target, value))
    name, value = terms[0]
    return convert(shaping.transpose(value, [name.index(n) for n in result]), dtype, weak)


def einsum_path(subscripts: Any, /, *operands: Any, optimize: Any = "auto") -> Any:
    """(path, description): the order of contractions that `einsum` would take."""
    import opt_einsum
    _operands(subscripts, operands)
    if isinstance(optimize, bool):
        optimize = "optimal" if optimize else [tuple(range(len(operands)))]
    return opt_einsum.contract_path(subscripts, *operands, optimize=optimize)


def _operands(subscripts: Any, operands: tuple[Any, ...]) -> tuple[Any, list[Any]]:
    """The subscripts in a hashable form, and the arrays."""
    if isinstance(subscripts, str):
        check_arraylike("einsum", *operands)
        if not operands:
            raise ValueError("einsum must have at least one operand")
        return subscripts, [as_array("einsum", a, i) for i, a in enumerate(operands)]
    everything = [subscripts, *operands]
    if len(everything) < 2:
        raise ValueError("einsum must have at least one operand")
    result = None
    if len(everything) % 2:
        result = tuple(everything.pop())
    arrays = everything[::2]
    check_arraylike("einsum", *arrays)
    lists = tuple(tuple(names) for names in everything[1::2])
    return (lists, result), [as_array("einsum", a, i) for i, a in enumerate(arrays)]


Step = tuple[tuple[int, ...], str]


@functools.lru_cache(maxsize=1024)
def _plan(names: Any, shapes: tuple[tuple[int, ...], ...], optimize: Any,
          in_order: bool) -> tuple[list[str], str, list[Step]]:
    """(names of the operands, names of the result, contractions: places and names)."""
    import opt_einsum
    if isinstance(names, str):
        parts: tuple[Any, ...] = (names, *shapes)
    else:
        lists, result = names
        parts = tuple(x for pair in zip(shapes, map(list, lists), strict=True) for x in pair)
        if result is not None:
            parts = (*parts, list(result))
    left, result, _ = opt_einsum.parser.parse_einsum_input(parts, shapes=True)
    inputs = left.split(",")
    for position, (operand, shape) in enumerate(zip(inputs, shapes, strict=True)):
        if len(operand) != len(shape):
            raise ValueError(f"Einstein sum subscript '{operand}' does not contain the correct "
                             f"number of indices for operand {position}.")
    _check_sizes(inputs, shapes)
    if in_order:
        optimize = [(0, 1)] + [(0, len(inputs) - i) for i in range(2, len(inputs))] \
            if len(inputs) > 1 else [(0,)]
    elif isinstance(optimize, tuple):
        optimize = [p for p in optimize if not isinstance(p, str)]
    _, contractions = opt_einsum.contract_path(
        f"{left}->{result}", *map(_with_numbers, shapes), shapes=True, einsum_call=True,
        optimize=optimize)
    steps: list[Step] = []
    for contraction in contractions:
        steps.append((tuple(contraction[0]), contraction[2].split("->")[1]))
    return inputs, result, _pairwise(inputs, result, steps)


def _with_numbers(shape: tuple[Any, ...]) -> tuple[int, ...]:
    """With a number in the place of each symbolic size: the order of contractions must not depend
    on its value."""
    return tuple(_TYPICAL_SIZE if isinstance(size, Dimension) else size for size in shape)


def _pairwise(inputs: list[str], result: str, steps: list[Step]) -> list[Step]:
    """The contractions with those of three and more operands taken pair by pair."""
    names = list(inputs)
    out: list[Step] = []
    for places, target in steps:
        chosen = sorted(places, reverse=True)
        while len(chosen) > 2:
            i, j = chosen[0], chosen[1]
            rest = set("".join(n for k, n in enumerate(names) if k not in (i, j))) | set(target) \
                | set(result)
            kept = "".join(dict.fromkeys(n for n in names[i] + names[j] if n in rest))
            out.append(((i, j), kept))
            names.pop(i)
            names.pop(j)
            names.append(kept)
            chosen = sorted([*chosen[2:], len(names) - 1], reverse=True)
        out.append((tuple(chosen), target))
        for k in chosen:
            names.pop(k)
        names.append(target)
    return out


def _check_sizes(inputs: list[str], shapes: Any) -> None:
    sizes: dict[str, int] = {}
    for position, (operand, shape) in enumerate(zip(inputs, shapes, strict=True)):
        for name, size in zip(operand, shape, strict=True):
            if size != 1 and sizes.setdefault(name, size) not in (size, 1):
                raise ValueError(f"Size of label '{name}' for operand {position} ({size}) does "
                                 f"not match previous terms ({sizes[name]}).")


# ---- contractions --------------------------------------------------------------------------------

def _diagonal(names: str, x: Any) -> tuple[str, Any]:
    """Names that are repeated in one operand joined: only the diagonal counts."""
    for name, count in Counter(names).items():
        while count > 1:
            first = names.index(name)
            second = names.index(name, first + 1)
            row = lax.broadcasted_iota(np.uint32, x.shape, first)
            column = lax.broadcasted_iota(np.uint32, x.shape, second)
            kept = elementwise.where(elementwise.equal(row, column), x, lax.full_like(x, 0))
            x = _sum(kept, first)
            names = names[:first] + names[first + 1:]
            count -= 1
    return names, x


def _sum_out(names: str, x: Any, kept: Any) -> tuple[str, Any]:
    """Names that nothing else has summed over."""
    gone = tuple(i for i, n in enumerate(names) if n not in kept)
    if not gone:
        return names, x
    return "".join(n for n in names if n in kept), _sum(x, gone)


def _sum(x: Any, axes: Any) -> Any:
    """The sum in the dtype of `x`; of bools, whether any is true."""
    total = reductions.sum(x, axis=axes, promote_integers=False)
    return lax.convert_element_type(total, x.dtype)


def _single(term: tuple[str, Any], target: str) -> Any:
    names, x = _sum_out(*_diagonal(*term), target)
    return shaping.transpose(x, [names.index(n) for n in target])


def _pair(first: tuple[str, Any], second: tuple[str, Any], target: str, dot: Any) -> Any:
    """Two operands contracted to the axes `target`."""
    a, x = _diagonal(*first)
    b, y = _diagonal(*second)
    a, x = _sum_out(a, x, set(b) | set(target))
    b, y = _sum_out(b, y, set(a) | set(target))
    a, x, b, y = _drop_single(a, x, b, y)
    a, x = _sum_out(a, x, set(b) | set(target))
    b, y = _sum_out(b, y, set(a) | set(target))
    if _result_names(b, a, target) == target and _result_names(a, b, target) != target:
        a, x, b, y = b, y, a, x
    batch = [n for n in a if n in b and n in target]
    contracted = [n for n in a if n in b and n not in target]
    out = dot(x, y, ((tuple(a.index(n) for n in contracted), tuple(b.index(n) for n in contracted)),
                     (tuple(a.index(n) for n in batch), tuple(b.index(n) for n in batch))))
    names = _result_names(a, b, target)
    return shaping.transpose(out, [names.index(n) for n in target])


def _result_names(a: str, b: str, target: str) -> str:
    """The axes of `dot_general`'s result: batch, free ones of the left, free ones of the right."""
    batch = "".join(n for n in a if n in b and n in target)
    return batch + "".join(n for n in a if n not in b) + "".join(n for n in b if n not in a)


def _drop_single(a: str, x: Any, b: str, y: Any) -> tuple[str, Any, str, Any]:
    """Shared axes that have size 1 in one operand broadcast: dropped from it."""
    for name in [n for n in a if n in b]:
        mine, other = x.shape[a.index(name)], y.shape[b.index(name)]
        if mine == other:
            continue
        if mine == 1:
            x = lax.squeeze(x, (a.index(name),))
            a = a.replace(name, "")
        else:
            y = lax.squeeze(y, (b.index(name),))
            b = b.replace(name, "")
    return a, x, b, y
