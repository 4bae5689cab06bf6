"""`arrax.experimental.sparse.api`: what works for every format.

Source: `jax.experimental.sparse.api`.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arrax import numpy as jnp
from arrax import tree_util
from arrax.core.lazy import listing as _listing
from arrax.core.lowering import Expand
from arrax.core.primitive import Primitive
from arrax.experimental.sparse._arrays import BCOO, BCSR
from arrax.experimental.sparse.coo import COO
from arrax.experimental.sparse.csr import CSC, CSR
from arrax.experimental.sparse.util import JAXSparse
from arrax.transforms.api_vmap import vmap
from arrax.transforms.jvp import jvp_flat
from arrax.transforms.staging import trace_to_jaxpr

__all__ = ["empty", "eye", "todense", "todense_p"]

_FORMATS: dict[str, Any] = {"bcoo": BCOO, "bcsr": BCSR, "coo": COO, "csr": CSR, "csc": CSC}


def todense(arr: Any) -> Any:
    """The dense array that an array of any format stands for; dense arrays as they are.

    Inside of `sparsify`, arguments that were sparse become dense.

    Example:
      >>> todense(BCOO.fromdense(jnp.array([1, 0, 2])))
      Array([1, 0, 2], dtype=int32)

    Source: `jax.experimental.sparse.todense`.
    """
    leaves, tree = tree_util.tree_flatten(arr)
    return todense_p.bind(*leaves, tree=tree)


def _todense(*leaves: Any, tree: Any) -> Any:
    value = tree_util.tree_unflatten(tree, leaves)
    return value.todense() if isinstance(value, JAXSparse) else value


def _jvp(primals: Any, tangents: Any, *, tree: Any) -> Any:
    outs, dots = jvp_flat(lambda *xs: [_todense(*xs, tree=tree)], primals, tangents)
    return outs[0], dots[0]


def _batch(axis: Any, operands: Any, dims: Any, *, tree: Any) -> Any:
    return vmap(lambda *xs: _todense(*xs, tree=tree), tuple(dims))(*operands), 0


def _type_rule(*avals: Any, tree: Any) -> Any:
    return trace_to_jaxpr(lambda *xs: [_todense(*xs, tree=tree)], list(avals)).out_avals[0]


# One operation, so that `sparsify` finds it in programs; it stands for its composition.
todense_p = Primitive(
    "todense", type_rule=_type_rule, jvp=_jvp,
    execute=lambda *xs, tree: jnp.asarray(_todense(*xs, tree=tree)),
    batch=_batch, lower=Expand(_todense), registered=False,
    stablehlo=lambda b, *xs, tree: _todense(*xs, tree=tree))


def empty(shape: Sequence[int], dtype: Any = None, index_dtype: Any = "int32",
          sparse_format: str = "bcoo", **kwds: Any) -> JAXSparse:
    """A sparse array without elements.

    Args:
      shape: the shape.
      dtype: that of the elements; by default the default float.
      index_dtype: that of the indices.
      sparse_format: "bcoo", "bcsr", "coo", "csr" or "csc".
      **kwds: for the format: `nse`, `n_batch`, `n_dense` of BCOO and BCSR.

    Errors: ValueError for unknown formats.

    Source: `jax.experimental.sparse.empty`.
    """
    made: JAXSparse = _format(sparse_format)._empty(tuple(shape), dtype=dtype,
                                                    index_dtype=index_dtype, **kwds)
    return made


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None, index_dtype: Any = "int32",
        sparse_format: str = "bcoo", **kwds: Any) -> JAXSparse:
    """A sparse matrix with ones on a diagonal.

    Args:
      N, M: the numbers of rows and columns; as many by default.
      k: which diagonal, counted upwards from the main one.
      dtype, index_dtype, sparse_format, **kwds: as for `empty`.

    Example:
      >>> eye(2, 3, k=1).todense()
      Array([[0., 1., 0.],
             [0., 0., 1.]], dtype=float32)

    Source: `jax.experimental.sparse.eye`.
    """
    made: JAXSparse = _format(sparse_format)._eye(
        int(N), int(N if M is None else M), int(k), dtype=dtype, index_dtype=index_dtype, **kwds)
    return made


def _format(name: str) -> Any:
    if name not in _FORMATS:
        raise ValueError(f"sparse_format must be one of {', '.join(_FORMATS)}, got {name!r}")
    return _FORMATS[name]

__dir__ = _listing(__name__)
