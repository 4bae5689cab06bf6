"""Sparse arrays of all layouts, and what is asked of functions on them."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import arrax
import numpy as np
from arrax import numpy as jnp
from arrax.experimental import sparse
from arrax.experimental.sparse import BCOO

SHAPES = [(5,), (4, 3), (2, 3, 4)]


def dense(shape: Sequence[int], dtype: Any = np.float32, seed: int = 0) -> np.ndarray:
    """A random array with zeros."""
    generator = np.random.default_rng(seed)
    values = generator.integers(-4, 5, shape) * (generator.random(shape) < 0.6)
    return values.astype(dtype)


def layouts(ndim: int) -> Iterator[tuple[int, int]]:
    """(n_batch, n_dense) of all layouts of as many axes."""
    for n_batch in range(ndim + 1):
        for n_dense in range(ndim + 1 - n_batch):
            yield n_batch, n_dense


def arrays(shape: Sequence[int], seed: int = 0) -> Iterator[BCOO]:
    """The same array in all layouts: with padding that has values, and stored twice in parts."""
    x = dense(shape, seed=seed)
    for n_batch, n_dense in layouts(len(shape)):
        mat = sparse.bcoo_fromdense(x, n_batch=n_batch, n_dense=n_dense)
        data = jnp.concatenate([mat.data - 1, jnp.ones_like(mat.data)], axis=n_batch)
        indices = jnp.concatenate([mat.indices] * 2, axis=n_batch)
        if mat.n_sparse:
            more = jnp.full((*data.shape[:n_batch], 1, *data.shape[n_batch + 1:]), 100.)
            ends = jnp.broadcast_to(jnp.array(mat.sparse_shape), (*data.shape[:n_batch], 1,
                                                                   mat.n_sparse))
            data = jnp.concatenate([data, more], axis=n_batch)
            indices = jnp.concatenate([indices, ends], axis=n_batch)
        yield BCOO((data, indices), shape=mat.shape)


def to_dense(x: Any) -> Any:
    """Sparse arrays in a pytree as dense ones."""
    return arrax.tree.map(sparse.todense, x, is_leaf=lambda v: isinstance(v, sparse.JAXSparse))


def check(function: Callable[..., Any], reference: Callable[..., Any], *args: Any,
          jit: bool = True, grad: bool = True) -> None:
    """`function` of sparse arrays means what `reference` of dense ones does; under `jit`, and its
    derivatives in the stored elements, too."""
    expected = reference(*to_dense(args))

    def compare(found: Any) -> None:
        for a, e in zip(arrax.tree.leaves(to_dense(found)), arrax.tree.leaves(expected),
                        strict=True):
            assert a.shape == e.shape and a.dtype == e.dtype
            np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-5)
    compare(function(*args))
    if jit:
        compare(arrax.jit(function)(*args))
    if grad and all(jnp.issubdtype(x.dtype, jnp.floating) for x in args if hasattr(x, "dtype")):
        numbers = [i for i, x in enumerate(args) if isinstance(x, BCOO)]
        dots = {i: jnp.cos(jnp.arange(args[i].data.size, dtype="float32")).reshape(
            args[i].data.shape) for i in numbers}

        def along(f: Callable[..., Any]) -> Callable[..., Any]:
            def moved(t: Any) -> Any:
                new = [BCOO((x.data + t * dots[i], x.indices), shape=x.shape) if i in dots else x
                       for i, x in enumerate(args)]
                return [y.sum() * (k + 1) + (y ** 2).sum() for k, y in enumerate(
                    arrax.tree.leaves(to_dense(f(*new))))]
            return moved
        forward = arrax.jvp(along(function), (0.,), (1.,))[1]
        wanted = arrax.jvp(along(lambda *a: reference(*to_dense(a))), (0.,), (1.,))[1]
        np.testing.assert_allclose(forward, wanted, rtol=1e-3, atol=1e-3)
        backward = arrax.grad(lambda t: sum(along(function)(t)))(0.)
        np.testing.assert_allclose(backward, sum(wanted), rtol=1e-3, atol=1e-3)
