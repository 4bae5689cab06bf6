"""`arrax.experimental.sparse.util`: what all formats share."""
from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from arrax import lax, tree_util
from arrax import numpy as jnp
from arrax.core.aval import aval_of
from arrax.core.lazy import listing as _listing
from arrax.core.trace import Tracer
from arrax.transforms.api_vmap import vmap
from arrax.transforms.interpreting import concrete_or_error

__all__ = ["CuSparseEfficiencyWarning", "Shape", "SparseEfficiencyError", "SparseEfficiencyWarning",
           "SparseInfo", "broadcasting_vmap", "nfold_vmap"]

Shape = tuple[int, ...]


class SparseEfficiencyError(ValueError):
    """An operation that would store nearly as much as the dense array."""


class SparseEfficiencyWarning(UserWarning):
    """An operation that stores more than it should."""


class CuSparseEfficiencyWarning(SparseEfficiencyWarning):
    """JAX's, for GPUs; never raised here."""


class SparseInfo(NamedTuple):
    """The shape of a sparse array, and what is known of its indices."""

    shape: Shape
    indices_sorted: bool = False
    unique_indices: bool = False


def broadcasting_vmap(fun: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0,
                      ) -> Callable[..., Any]:
    """`vmap` of a function of arrays, for which a mapped axis of size 1 counts as any size.

    Example:
      >>> broadcasting_vmap(lambda x, y: x + y)(jnp.ones(1), jnp.arange(3.))
      Array([1., 2., 3.], dtype=float32)

    Source: `jax.experimental.sparse.util.broadcasting_vmap`.
    """
    @functools.wraps(fun)
    def mapped(*args: Any) -> Any:
        axes = [in_axes] * len(args) if in_axes is None or isinstance(in_axes, int) else in_axes
        sizes = {aval_of(x).shape[a] for x, a in zip(args, axes, strict=True) if a is not None}
        if len(sizes) > 1:
            sizes.discard(1)
        if len(sizes) > 1:
            raise ValueError("broadcasting_vmap: got inconsistent sizes of the mapped axes, "
                             f"{sorted(sizes)}")
        new, new_axes = [], []
        for x, axis in zip(args, axes, strict=True):
            single = axis is not None and sizes != {1} and aval_of(x).shape[axis] == 1
            new.append(lax.squeeze(x, [axis]) if single else x)
            new_axes.append(None if single else axis)
        return vmap(fun, tuple(new_axes), out_axes)(*new)
    return mapped


def nfold_vmap(fun: Callable[..., Any], N: int, *, broadcasted: bool = True, in_axes: Any = 0,
               ) -> Callable[..., Any]:
    """`fun` mapped `N` times over the leading axes of its arguments.

    Source: `jax.experimental.sparse.util.nfold_vmap`.
    """
    mapped = broadcasting_vmap if broadcasted else vmap
    for _ in range(N):
        fun = mapped(fun, in_axes=in_axes)
    return fun


def static_count(counts: Any, function: str) -> int:
    """The largest of `counts`, as the number of stored elements of a result.

    Raises ConcretizationTypeError where it is traced.
    """
    largest = jnp.max(counts) if aval_of(counts).size else 0
    return int(concrete_or_error(
        int, largest, f"{function}: the number of stored elements depends on traced values: pass "
        "nse, an upper bound"))


def count_stored_elements(mat: Any, n_batch: int = 0, n_dense: int = 0) -> int:
    """How many elements a dense array has to store, per batch: the largest number there is."""
    mask = mat != 0
    if n_dense:
        mask = mask.any(tuple(range(mat.ndim - n_dense, mat.ndim)))
    return static_count(mask.sum(tuple(range(n_batch, mask.ndim))), "fromdense")


def is_sparse(x: Any) -> bool:
    """Whether `x` is a sparse array."""
    return isinstance(x, JAXSparse)


class JAXSparse:
    """Base of the sparse formats: pytrees of dense arrays that stand for one array.

    Subclasses have the arrays as attributes, and `shape`.
    """

    shape: tuple[int, ...]
    data: Any
    __hash__: Any = None
    __array_priority__ = 100

    def __init__(self, args: tuple[Any, ...], *, shape: Sequence[int]):
        self.shape = tuple(map(int, shape))

    size = property(lambda self: math.prod(self.shape))
    ndim = property(lambda self: len(self.shape))
    dtype = property(lambda self: self.data.dtype)
    nse = property(lambda self: self.data.size)
    T = property(lambda self: self.transpose())

    def todense(self) -> Any:
        """The dense array."""
        raise NotImplementedError

    def transpose(self, axes: Any = None) -> Any:
        """The array with its axes in another order."""
        raise NotImplementedError

    def block_until_ready(self) -> Any:
        """The array itself, when its values are there."""
        for x in tree_util.tree_leaves(self):
            x.block_until_ready()
        return self

    def __repr__(self) -> str:
        name = type(self).__name__
        try:
            kind = f"{self.dtype}{list(self.shape)}"
            parts = "".join(f", {k}={v}" for k, v in self._layout().items())
            text = f"{name}({kind}, nse={self.nse}{parts})"
        except (AttributeError, IndexError, TypeError, ValueError):  # as pytrees make and users
            return f"{name}(<invalid>)"
        tracer = next((x for x in tree_util.tree_leaves(self) if isinstance(x, Tracer)), None)
        return text if tracer is None else f"{type(tracer).__name__}[{text}]"

    def _layout(self) -> dict[str, int]:
        return {}

    def __len__(self) -> int:
        return self.shape[0]

    def __matmul__(self, other: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}.__matmul__")


for _name in ("mul", "rmul", "add", "radd", "sub", "rsub", "rmatmul", "getitem"):
    def _absent(self: Any, other: Any, _name: str = _name) -> Any:
        raise NotImplementedError(f"{type(self).__name__}.__{_name}__")
    setattr(JAXSparse, f"__{_name}__", _absent)


def shape_of_children(stored: Shape, n_batch: int, *leaders: Any) -> Shape:
    """The shape of a batched sparse array whose arrays have other batch axes than it was made with.

    Transformations (`vmap`, `scan`) take axes away from and add axes to the arrays of a pytree.
    `leaders` are the sizes of the batch axes of each array.
    """
    if any(len(leader) != len(leaders[0]) for leader in leaders) or len(leaders[0]) == n_batch:
        return stored
    batch = tuple(max(sizes) if 0 not in sizes else 0 for sizes in zip(*leaders, strict=True))
    return batch + stored[n_batch:]

__dir__ = _listing(__name__)
