"""`vectorize`: a function of cores (scalars, vectors, …) mapped over broadcast leading axes."""
from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection
from typing import Any

from arrax.core import config
from arrax.core.warn import warn
from arrax.numpy.promotion import as_array
from arrax.transforms.api_vmap import vmap

_NAME = r"\w+"
_CORE = rf"\((?:{_NAME}(?:,{_NAME})*,?)?\)"
_SIGNATURE = rf"^{_CORE}(?:,{_CORE})*->{_CORE}(?:,{_CORE})*$"

CoreDims = tuple[str, ...]


def _parse_signature(signature: str) -> tuple[list[CoreDims], list[CoreDims]]:
    """The dimension names of the arguments' and results' cores, from "(m,n),(n)->(m)"."""
    if not isinstance(signature, str):
        raise TypeError(f"vectorize: signature must be a string, got {signature!r}")
    text = signature.replace(" ", "")
    if not re.match(_SIGNATURE, text):
        raise ValueError(f"not a valid gufunc signature: {signature}")

    def cores(side: str) -> list[CoreDims]:
        return [tuple(re.findall(_NAME, core)) for core in re.findall(_CORE, side)]
    left, right = text.split("->")
    return cores(left), cores(right)


def _bind_sizes(sizes: dict[str, int], shape: tuple[int, ...], names: CoreDims,
                context: str) -> None:
    for name, size in zip(names, shape, strict=True):
        if sizes.setdefault(name, size) != size:
            raise ValueError(f"inconsistent size for core dimension {name!r}: {size} vs "
                             f"{sizes[name]} {context}")


def _check_outputs(function: Callable[..., Any], results: list[CoreDims], sizes: dict[str, int],
                   context: str) -> Callable[..., Any]:
    """`function` with its results checked against the signature."""
    def checked(*args: Any) -> Any:
        out = function(*args)
        outs = list(out) if isinstance(out, tuple) else [out]
        if len(outs) != len(results):
            raise TypeError("wrong number of output arguments: expected "
                            f"{len(results)}, got {len(outs)} {context}")
        found = dict(sizes)
        for value, names in zip(outs, results, strict=True):
            shape = as_array("vectorize", value).shape
            if len(shape) != len(names):
                raise ValueError(f"output shape {shape} does not match core dimensions {names} "
                                 f"{context}")
            _bind_sizes(found, shape, names, context)
        return out
    return checked


def vectorize(pyfunc: Callable[..., Any], *, excluded: Collection[int | str] = frozenset(),
              signature: str | None = None) -> Callable[..., Any]:
    """`pyfunc`, written for single elements (or cores), mapped over arrays that broadcast.

    Args:
      pyfunc: a traceable function of positional arguments.
      excluded: positions and names of arguments to hand over unmapped.
      signature: the dimensions of the cores, such as "(m,n),(n)->(m)"; scalars if None.

    Raises:
      ValueError: a bad signature or arguments that do not fit it. TypeError: a wrong number of
      arguments or results.

    Example:
      >>> @functools.partial(jnp.vectorize, signature="(k),(k)->()")
      ... def distance(x, y):
      ...   return jnp.sqrt(jnp.sum((x - y) ** 2))
      >>> distance(jnp.ones((5, 3)), jnp.zeros(3)).shape
      (5,)
    """
    if any(not isinstance(e, (str, int)) for e in excluded):
        raise TypeError("jax.numpy.vectorize can only exclude integer or string arguments, but "
                        f"excluded={excluded!r}")
    if any(isinstance(e, int) and e < 0 for e in excluded):
        raise ValueError(f"excluded={excluded!r} contains negative numbers")
    parsed = None if signature is None else _parse_signature(signature)

    @functools.wraps(pyfunc)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        context = (f"on vectorized function with excluded={excluded!r} and "
                   f"signature={signature!r}")
        function, mapped = _without_excluded(pyfunc, excluded, args, kwargs)
        absent = [i for i, a in enumerate(mapped) if a is None]
        if absent:
            if parsed is not None and any(parsed[0][i] for i in absent if i < len(parsed[0])):
                raise ValueError(f"Cannot pass None at locations {set(absent)} with "
                                 f"signature={signature!r}")
            function, mapped = _without_none(function, mapped)
        arrays = [as_array("vectorize", a, i) for i, a in enumerate(mapped)]
        inputs = None if parsed is None else [d for i, d in enumerate(parsed[0])
                                              if i not in absent]
        if inputs is not None and len(inputs) != len(arrays):
            raise TypeError(f"wrong number of positional arguments: expected {len(inputs)}, "
                            f"got {len(arrays)} {context}")
        cores: list[CoreDims] = [()] * len(arrays) if inputs is None else inputs
        return _map(function, arrays, cores, None if parsed is None else parsed[1], context)
    return wrapped


def _without_excluded(function: Callable[..., Any], excluded: Collection[int | str],
                      args: tuple[Any, ...], kwargs: dict[str, Any]
                      ) -> tuple[Callable[..., Any], list[Any]]:
    """`function` of the mapped arguments only, and those arguments; keywords come last."""
    fixed = {i: args[i] for i in excluded if isinstance(i, int) and i < len(args)}
    fixed_names = {k: v for k, v in kwargs.items() if k in excluded}
    names = [k for k in kwargs if k not in excluded]
    mapped = [a for i, a in enumerate(args) if i not in fixed]
    count = len(mapped)

    def call(*values: Any) -> Any:
        positional = list(values[:count])
        for i in sorted(fixed):
            positional.insert(i, fixed[i])
        return function(*positional, **fixed_names, **dict(zip(names, values[count:],
                                                               strict=True)))
    return call, mapped + [kwargs[k] for k in names]


def _without_none(function: Callable[..., Any], args: list[Any],
                  ) -> tuple[Callable[..., Any], list[Any]]:
    """`function` of the arguments that are not None, and these."""
    is_none = [a is None for a in args]

    def call(*values: Any) -> Any:
        given = iter(values)
        return function(*(None if none else next(given) for none in is_none))
    return call, [a for a in args if a is not None]


def _map(function: Callable[..., Any], arrays: list[Any], cores: list[CoreDims],
         results: list[CoreDims] | None, context: str) -> Any:
    sizes: dict[str, int] = {}
    loops = []
    for x, names in zip(arrays, cores, strict=True):
        if x.ndim < len(names):
            raise ValueError(f"input with shape {x.shape} does not have enough dimensions for all "
                             f"core dimensions {names} {context}")
        split = x.ndim - len(names)
        _bind_sizes(sizes, x.shape[split:], names, context)
        loops.append(x.shape[:split])
    rank = max(map(len, loops), default=0)
    if results is not None:
        function = _check_outputs(function, results, sizes, context)
    _check_broadcast(loops)
    _check_ranks(loops, [x.shape for x in arrays])
    squeezed, mapped_axes = _squeeze_loops(arrays, loops, rank)
    for axis in range(rank - 1, -1, -1):
        dims = tuple(0 if axis in axes else None for axes in mapped_axes)
        if any(d is not None for d in dims):
            function = vmap(function, in_axes=dims)
    out = function(*squeezed)
    missing = [i for i in range(rank) if all(i not in axes for axes in mapped_axes)]
    if not missing:
        return out
    if isinstance(out, tuple):
        return tuple(_with_axes(o, missing) for o in out)
    return _with_axes(out, missing)


def _with_axes(x: Any, axes: list[int]) -> Any:
    shape = list(x.shape)
    for axis in axes:
        shape.insert(axis, 1)
    return x.reshape(shape)


def _check_broadcast(loops: list[tuple[int, ...]]) -> None:
    rank = max(map(len, loops), default=0)
    for axis in range(1, rank + 1):
        if len({s[-axis] for s in loops if len(s) >= axis} - {1}) > 1:
            raise ValueError(f"Incompatible shapes for broadcasting: shapes={loops}")


def _check_ranks(loops: list[tuple[int, ...]], shapes: list[tuple[int, ...]]) -> None:
    """What `numpy_rank_promotion` says of loops over different numbers of axes."""
    mode = config.numpy_rank_promotion.value
    if mode == "allow" or len({len(s) for s in loops if s}) < 2:
        return
    message = (f"operands with shapes {shapes} require rank promotion, and the config option "
               f"jax_numpy_rank_promotion is {mode!r}. For more information, see "
               "https://docs.jax.dev/en/latest/rank_promotion_warning.html.")
    if mode == "raise":
        raise ValueError(message)
    warn(message, stacklevel=4)


def _squeeze_loops(arrays: list[Any], loops: list[tuple[int, ...]], rank: int
                   ) -> tuple[list[Any], list[list[int]]]:
    """The arrays without loop axes of size 1, and which of the `rank` loop axes each has."""
    squeezed, axes = [], []
    for x, loop in zip(arrays, loops, strict=True):
        offset = rank - len(loop)
        axes.append([i + offset for i, d in enumerate(loop) if d != 1])
        kept = tuple(d for d in loop if d != 1) + x.shape[len(loop):]
        squeezed.append(x.reshape(kept) if kept != x.shape else x)
    return squeezed, axes
