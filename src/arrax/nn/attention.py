"""Scaled dot-product attention, and matrix products of block-scaled operands."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax import numpy as jnp
from arrax.core.array import Array
from arrax.core.trace import Tracer
from arrax.nn.normalization import logsumexp, softmax
from arrax.numpy.promotion import as_array
from arrax.typing import ArrayLike, DTypeLike


def _mask_of(shape: tuple[int, ...], mask: Any, is_causal: bool, query_lengths: Any,
             key_lengths: Any, window: Any) -> Any:
    """Which logits [batch, head, query, key] count; None for all."""
    batch, _, queries, keys = shape
    if mask is None and not is_causal and query_lengths is key_lengths is window is None:
        return None
    row = jnp.arange(queries)[:, None]
    column = jnp.arange(keys)[None, :]
    parts = [] if mask is None else [mask]
    if is_causal:
        parts.append((row >= column)[None, None])
    if window is not None:
        left, right = (window, window) if isinstance(window, int) else window
        parts.append(((column >= row - left) & (column <= row + right))[None, None])
    for lengths, places in ((query_lengths, row), (key_lengths, column)):
        if lengths is not None:
            limits = jnp.asarray(lengths)
            if limits.shape != (batch,):
                raise ValueError("dot_product_attention: sequence lengths must have shape "
                                 f"{(batch,)}, got {limits.shape}")
            parts.append((places[None] < limits[:, None, None])[:, None])
    out = parts[0]
    for part in parts[1:]:
        out = jnp.logical_and(out, part)
    return jnp.broadcast_to(out, shape)


def dot_product_attention(query: ArrayLike, key: ArrayLike, value: ArrayLike,
                          bias: ArrayLike | None = None, mask: ArrayLike | None = None, *,
                          scale: float | None = None, is_causal: bool = False,
                          query_seq_lengths: ArrayLike | None = None,
                          key_value_seq_lengths: ArrayLike | None = None,
                          local_window_size: Any = None, implementation: str | None = None,
                          return_residual: bool = False) -> Any:
    """softmax(scale · q kᵀ + bias) v (Vaswani et al., arXiv:1706.03762).

    Args:
      query: [batch, queries, heads, depth], or without batch.
      key, value: [batch, keys, key heads, depth]; the key heads divide the heads: groups of heads
        share them.
      bias, mask: broadcast to [batch, heads, queries, keys]; false in the mask means excluded.
      scale: 1/√depth if None.
      is_causal: each query sees keys up to its own place.
      query_seq_lengths, key_value_seq_lengths: [batch], the places that count.
      local_window_size: how many keys to the (left, right) each query sees.
      implementation: None or "xla", the same here.
      return_residual: also return the log-sum-exp of the logits, [batch, queries, heads].

    Raises:
      ValueError: shapes or dtypes that do not go together, masks that are not boolean.
      RuntimeError: implementation "cudnn".
    """
    if implementation == "cudnn":
        raise RuntimeError("dot_product_attention: cuDNN is not there; use implementation=None or "
                           "'xla'")
    if implementation not in (None, "xla"):
        raise ValueError(f"dot_product_attention: unknown implementation {implementation!r}")
    q, k, v = (jnp.asarray(x) for x in (query, key, value))
    unbatched = q.ndim == 3
    if unbatched:
        q, k, v = (x[None] if x.ndim == 3 else x for x in (q, k, v))
    _check_operands(q, k, v)
    mask = None if mask is None else jnp.asarray(mask)
    if mask is not None and mask.dtype != bool:
        raise ValueError(f"dot_product_attention: mask dtype should be bool, got {mask.dtype}")
    out, logits = _attend(q, k, v, bias, mask, scale, is_causal, query_seq_lengths,
                          key_value_seq_lengths, local_window_size)
    out = out[0] if unbatched else out
    if not return_residual:
        return out
    residual = jnp.moveaxis(logsumexp(logits, axis=-1), 1, 2).astype(q.dtype)
    return out, residual[0] if unbatched else residual


def _check_operands(q: Any, k: Any, v: Any) -> None:
    for name, x in (("key", k), ("value", v)):
        if x.dtype != q.dtype:
            raise ValueError(f"dot_product_attention: {name} dtype should be {q.dtype} as the "
                             f"query's, got {x.dtype}")
    if not q.ndim == k.ndim == v.ndim == 4:
        raise ValueError("dot_product_attention: query, key and value must all have 3 or all 4 "
                         f"dimensions, got shapes {q.shape}, {k.shape}, {v.shape}")
    if k.shape != v.shape or q.shape[0] != k.shape[0] or q.shape[3] != k.shape[3]:
        raise ValueError("dot_product_attention: key and value must have one shape, and the "
                         f"query's batch and depth, got shapes {q.shape}, {k.shape}, {v.shape}")
    if q.shape[2] % k.shape[2]:
        raise ValueError("dot_product_attention: the number of key heads must divide that of query "
                         f"heads, got shapes {q.shape} and {k.shape}")


def _attend(q: Any, k: Any, v: Any, bias: Any, mask: Any, scale: float | None, is_causal: bool,
            query_lengths: Any, key_lengths: Any, window: Any) -> tuple[Any, Any]:
    batch, queries, heads, depth = q.shape
    keys, groups = k.shape[1], k.shape[2]
    if scale is None:
        scale = 1 / (np.sqrt(depth) if isinstance(depth, int) else jnp.sqrt(depth))
    grouped = q.reshape(batch, queries, groups, heads // groups, depth)
    logits = jnp.einsum("btgnh,bsgh->bgnts", grouped, k,
                        preferred_element_type=np.float32 if q.dtype.itemsize < 4 else None)
    factor = scale if isinstance(scale, Tracer) else float(scale)
    logits = logits.reshape(batch, heads, queries, keys) * factor
    if bias is not None:
        logits = (logits + _four(bias)).astype(logits.dtype)
    known = _mask_of((batch, heads, queries, keys), None if mask is None else _four(mask),
                     is_causal, query_lengths, key_lengths, window)
    if known is not None:
        logits = jnp.where(known, logits, float(0.7 * np.finfo(np.float32).min)
                           if logits.dtype.itemsize >= 4 else -1e4)
    weights = softmax(logits, axis=-1).astype(q.dtype)
    out = jnp.einsum("bgnts,bsgh->btgnh",
                     weights.reshape(batch, groups, heads // groups, queries, keys), v)
    if query_lengths is not None:
        inside = jnp.arange(queries)[None, :] < jnp.asarray(query_lengths)[:, None]
        out = jnp.where(inside[:, :, None, None, None], out, 0)
    return out.reshape(batch, queries, heads, v.shape[3]).astype(q.dtype), logits


def _four(x: Any) -> Any:
    """A bias or mask with four dimensions."""
    x = jnp.asarray(x)
    return x.reshape((1,) * (4 - x.ndim) + x.shape)


def scaled_matmul(lhs: Any, rhs: Any, lhs_scales: Any, rhs_scales: Any,
                  preferred_element_type: DTypeLike = np.float32) -> Array:
    """lhs rhsᵀ of operands [batch, rows, k] whose blocks along k have scales
    [batch, rows, k / block].

    The result is [batch, lhs rows, rhs rows] of `preferred_element_type`.
    """
    lhs, rhs, lhs_scales, rhs_scales = (
        as_array("scaled_matmul", x, i) for i, x in enumerate((lhs, rhs, lhs_scales, rhs_scales)))
    if not all(x.ndim == 3 for x in (lhs, rhs, lhs_scales, rhs_scales)):
        raise ValueError("scaled_matmul requires all inputs to be 3-dimensional arrays")
    a, b = _unscaled(lhs, lhs_scales), _unscaled(rhs, rhs_scales)
    if a.shape[0] != b.shape[0] or a.shape[2] != b.shape[2]:
        raise ValueError("scaled_matmul: batch and contracted sizes must match, got shapes "
                         f"{lhs.shape} and {rhs.shape}")
    return jnp.einsum("bmk,bnk->bmn", a, b).astype(preferred_element_type)


def _unscaled(x: Any, scales: Any) -> Any:
    if scales.shape[:2] != x.shape[:2] or x.shape[2] % scales.shape[2]:
        raise ValueError("scaled_matmul: scales must divide the operand into blocks, got shapes "
                         f"{x.shape} and {scales.shape}")
    wide = jnp.repeat(scales.astype(np.float32), x.shape[2] // scales.shape[2], axis=2)
    return x.astype(np.float32) * wide
