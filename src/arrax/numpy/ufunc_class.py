"""`ufunc`: an elementwise function with the methods `reduce`, `accumulate`, `at`, `outer`."""
from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from arrax import lax
from arrax.core import dtypes
from arrax.core.trace import Tracer
from arrax.numpy import creation, elementwise, joining, shaping
from arrax.numpy.index_update import IndexUpdateRef
from arrax.numpy.promotion import (as_array, canonical_axes, canonical_axis, check_arraylike,
                                   convert, refuse_out)
from arrax.numpy.vectorization import vectorize
from arrax.transforms.api_vmap import vmap
from arrax.ops.arguments import integer

_CALL = inspect.signature(lambda *args, out=None, where=None: None)


class ufunc:
    """An elementwise function of `nin` arrays with NumPy's ufunc methods.

    `jnp.add` and its kin are ufuncs; `jnp.frompyfunc` makes others from functions of scalars.

    Args:
      func: the function.
      nin, nout: how many arguments it takes and how many results it gives.
      name: what it is called; the name of `func` if None.
      nargs: as in NumPy: nin, unless some arguments are not arrays.
      identity: what `reduce` starts from, so that it takes empty arrays.
      call, reduce, accumulate, at, reduceat: faster implementations of the methods.
    """

    def __init__(self, func: Callable[..., Any], /, nin: int, nout: int, *,
                 name: str | None = None, nargs: int | None = None, identity: Any = None,
                 call: Callable[..., Any] | None = None,
                 reduce: Callable[..., Any] | None = None,
                 accumulate: Callable[..., Any] | None = None,
                 at: Callable[..., Any] | None = None,
                 reduceat: Callable[..., Any] | None = None):
        if not callable(func):
            raise TypeError(f"ufunc: func must be callable, got {func!r}")
        self.__doc__ = func.__doc__
        self.__name__ = self.__qualname__ = name or getattr(func, "__name__", type(func).__name__)
        self.__wrapped__ = func
        self.__signature__ = _CALL
        self._nin, self._nout = integer(nin, "nin"), integer(nout, "nout")
        self._nargs = integer(nargs if nargs is not None else nin, "nargs")
        self._identity = identity
        self._call = call or vectorize(func)
        self._reduce, self._accumulate = reduce, accumulate
        self._at, self._reduceat = at, reduceat

    nin = property(lambda self: self._nin, doc="How many arguments the function takes.")
    nout = property(lambda self: self._nout, doc="How many results the function gives.")
    nargs = property(lambda self: self._nargs, doc="How many of the arguments are arrays.")
    identity = property(lambda self: self._identity, doc="The neutral value, or None.")

    def __repr__(self) -> str:
        return f"<jnp.ufunc '{self.__name__}'>"

    def __hash__(self) -> int:
        return hash((self.__wrapped__, self.__name__, self._nin, self._nout))

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, ufunc) and self._identify() == other._identify()

    def _identify(self) -> Any:
        return self.__wrapped__, self.__name__, self._nin, self._nout, self._identity

    def __call__(self, *args: Any, out: None = None, where: None = None) -> Any:
        if out is not None:
            raise NotImplementedError(f"out argument of {self}")
        if where is not None:
            raise NotImplementedError(f"where argument of {self}")
        return self._call(*args)

    def _check_binary(self, method: str) -> None:
        if self._nin != 2:
            raise ValueError(f"{method} only supported for binary ufuncs")
        if self._nout != 1:
            raise ValueError(f"{method} only supported for functions returning a single value")

    def reduce(self, a: Any, axis: Any = 0, dtype: Any = None, out: None = None,
               keepdims: bool = False, initial: Any = None, where: Any = None) -> Any:
        """The elements along `axis` combined, from first to last.

        ValueError for functions that are not binary, for empty arrays without identity, and for
        `where` without identity or `initial`.
        """
        self._check_binary("reduce")
        refuse_out(f"{self.__name__}.reduce()", out)
        check_arraylike(f"{self.__name__}.reduce", a)
        x = as_array(f"{self.__name__}.reduce", a)
        if initial is None and where is not None and self._identity is None:
            raise ValueError(f"reduction operation {self.__name__!r} does not have an identity, "
                             "so to use a where mask one has to specify 'initial'.")
        if self._reduce is not None:
            return self._reduce(x, axis=axis, dtype=dtype, keepdims=keepdims, initial=initial,
                                where=where)
        return self._reduce_by_scan(x, axis, dtype, keepdims, initial, where)

    def _reduce_by_scan(self, x: Any, axis: Any, dtype: Any, keepdims: bool, initial: Any,
                        where: Any) -> Any:
        if dtype is not None:
            x = convert(x, dtypes.check_user_dtype(dtype, f"{self.__name__}.reduce"))
        axes = canonical_axes(axis, x.ndim)
        rest = [i for i in range(x.ndim) if i not in axes]
        flat = shaping.transpose(x, [*axes, *rest])
        flat = shaping.reshape(flat, (-1, *(x.shape[i] for i in rest))) if axes else flat[None]
        start = self._identity if initial is None else initial
        if start is None:
            if flat.shape[0] == 0:
                raise ValueError("zero-size array to reduction operation "
                                 f"{self.__name__} which has no identity")
            total, flat = flat[0], flat[1:]
        else:
            total = shaping.broadcast_to(as_array("reduce", start), flat.shape[1:])
        total = convert(as_array("reduce", total), self._result_dtype(total, x))
        if where is not None:
            mask = shaping.broadcast_to(where, x.shape)
            mask = shaping.reshape(shaping.transpose(mask, [*axes, *rest]), (-1, *flat.shape[1:]))
            out, _ = lax.scan(lambda c, v: (elementwise.where(
                v[1], convert(self(c, v[0]), c.dtype), c), None), total, (flat, mask))
        else:
            out, _ = lax.scan(lambda c, v: (convert(self(c, v), c.dtype), None), total, flat)
        return shaping.expand_dims(out, axes) if keepdims else out

    def _result_dtype(self, total: Any, x: Any) -> Any:
        """The dtype of the function's results, which the running value has."""
        one = creation.zeros((), x.dtype)
        return self(one, one).dtype

    def accumulate(self, a: Any, axis: int = 0, dtype: Any = None, out: None = None) -> Any:
        """What `reduce` would give for each leading part along `axis`."""
        self._check_binary("accumulate")
        refuse_out(f"{self.__name__}.accumulate()", out)
        x = as_array(f"{self.__name__}.accumulate", a)
        if self._accumulate is not None:
            return self._accumulate(x, axis=axis, dtype=dtype)
        if dtype is not None:
            x = convert(x, dtypes.check_user_dtype(dtype, f"{self.__name__}.accumulate"))
        axis = canonical_axis(axis, x.ndim)
        rows = shaping.moveaxis(x, axis, 0)
        if rows.shape[0] == 0:
            return x
        result = self._result_dtype(None, x)

        def step(carry: Any, row: Any) -> tuple[Any, Any]:
            new = convert(self(carry, row), result)
            return new, new
        first = convert(rows[0], result)
        _, others = lax.scan(step, first, rows[1:])
        return shaping.moveaxis(joining.concatenate([first[None], others]), 0, axis)

    def outer(self, A: Any, B: Any, /) -> Any:
        """The function of each pair of an element of `A` and one of `B`."""
        if self._nin != 2:
            raise ValueError("outer only supported for binary ufuncs")
        x, y = as_array(f"{self.__name__}.outer", A), as_array(f"{self.__name__}.outer", B, 1)
        return self(shaping.reshape(x, (*x.shape, *(1,) * y.ndim)),
                    shaping.reshape(y, (*(1,) * x.ndim, *y.shape)))

    def at(self, a: Any, indices: Any, b: Any = None, /, *, inplace: bool = True) -> Any:
        """A copy of `a` with the function applied to the elements at `indices` (and `b`).

        `inplace=False` must be given: arrays are immutable.
        """
        if inplace:
            raise NotImplementedError("JAX immutable arrays do not support inplace modification. "
                                      f"Pass inplace=False to {self.__name__}.at.")
        x = as_array(f"{self.__name__}.at", a)
        if self._nin == 1:
            if b is not None:
                raise ValueError("second operand provided to unary ufunc")
            return IndexUpdateRef(x, indices).apply(self)
        if b is None:
            raise ValueError("second operand needed for ufunc")
        if self._at is not None:
            return self._at(x, indices, b)
        chosen = x[indices]
        values = shaping.broadcast_to(b, chosen.shape)
        return IndexUpdateRef(x, indices).set(self(chosen, values).astype(x.dtype))

    def reduceat(self, a: Any, indices: Any, axis: int = 0, dtype: Any = None,
                 out: None = None) -> Any:
        """What `reduce` gives for the parts of `a` between consecutive `indices`."""
        self._check_binary("reduceat")
        refuse_out(f"{self.__name__}.reduceat()", out)
        x = as_array(f"{self.__name__}.reduceat", a)
        axis = canonical_axis(axis, x.ndim)
        if isinstance(indices, Tracer) or not np.size(indices) or not x.size:
            if dtype is not None:
                x = convert(x, dtypes.check_user_dtype(dtype, f"{self.__name__}.reduceat"))
            return shaping.moveaxis(self._reduce_parts(
                shaping.moveaxis(x, axis, 0), as_array("reduceat", indices, 1)), 0, axis)
        places = np.asarray(indices)
        parts = []
        for i, start in enumerate(places):
            stop = int(places[i + 1]) if i + 1 < len(places) else x.shape[axis]
            stop = stop if stop > start else int(start) + 1
            part = lax.slice_in_dim(x, int(start), stop, axis=axis)
            parts.append(self.reduce(part, axis=axis, dtype=dtype, keepdims=True))
        joined = joining.concatenate(parts, axis)
        return convert(joined, x.dtype) if dtype is None else joined


    def _reduce_parts(self, rows: Any, starts: Any) -> Any:
        """`reduceat` along the first axis, a loop for each part, whose ends only the program knows.
        """
        size = rows.shape[0]
        if not starts.shape[0]:
            return lax.full((0, *rows.shape[1:]), 0, rows.dtype)
        ends = joining.concatenate([starts[1:], creation.full(1, size, starts.dtype)])

        def reduce_part(start: Any, end: Any) -> Any:
            return lax.fori_loop(start + 1, end, lambda i, total: convert(
                self(total, rows[i]), rows.dtype), rows[start])
        return vmap(reduce_part)(starts, elementwise._maximum(ends, starts))


def frompyfunc(func: Callable[..., Any], /, nin: int, nout: int, *, identity: Any = None) -> ufunc:
    """A ufunc from a function of scalars, which must be traceable."""
    return ufunc(func, nin, nout, identity=identity)

