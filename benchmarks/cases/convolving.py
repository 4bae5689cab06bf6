"""Convolutions, with both gradients."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from cases.case import BFLOAT16, Case, normal

NCHW, NHWC = ("NCHW", "OIHW", "NCHW"), ("NHWC", "HWIO", "NHWC")
NCH, NCDHW = ("NCH", "OIH", "NCH"), ("NCDHW", "OIDHW", "NCDHW")


@dataclass
class Layer:
    """One convolution: shapes as the layout says."""

    name: str
    image: tuple[int, ...]
    kernel: tuple[int, ...]
    layout: Any = NCHW
    stride: int = 1
    dilation: int = 1
    image_dilation: int = 1
    groups: int = 1
    padding: Any = "SAME"
    dtype: Any = np.float32

    def apply(self, jax: Any, x: Any, w: Any) -> Any:
        rank = len(self.image) - 2
        return jax.lax.conv_general_dilated(
            x, w, (self.stride,) * rank, self.padding, lhs_dilation=(self.image_dilation,) * rank,
            rhs_dilation=(self.dilation,) * rank, dimension_numbers=self.layout,
            feature_group_count=self.groups)


LAYERS = (
    Layer("1d", (32, 16, 10_000), (32, 16, 5), NCH),
    Layer("1d-last", (32, 10_000, 16), (5, 16, 32), ("NHC", "HIO", "NHC")),
    Layer("3x3", (8, 64, 56, 56), (64, 64, 3, 3)),
    Layer("3x3-last", (8, 56, 56, 64), (3, 3, 64, 64), NHWC),
    Layer("1x1", (8, 64, 56, 56), (256, 64, 1, 1)),
    Layer("1x1-last", (8, 56, 56, 64), (1, 1, 64, 256), NHWC),
    Layer("5x5", (8, 32, 32, 32), (64, 32, 5, 5)),
    Layer("5x5-last", (8, 32, 32, 32), (5, 5, 32, 64), NHWC),
    Layer("3x3-stride2", (8, 64, 56, 56), (128, 64, 3, 3), stride=2),
    Layer("3x3-stride2-last", (8, 56, 56, 64), (3, 3, 64, 128), NHWC, stride=2),
    Layer("1x1-stride2-last", (8, 56, 56, 64), (1, 1, 64, 128), NHWC, stride=2),
    Layer("3x3-dilation2", (8, 32, 56, 56), (32, 32, 3, 3), dilation=2),
    Layer("depthwise", (8, 64, 56, 56), (64, 1, 3, 3), groups=64),
    Layer("depthwise-last", (8, 56, 56, 64), (3, 3, 1, 64), NHWC, groups=64),
    Layer("depthwise-stride2-last", (8, 56, 56, 64), (3, 3, 1, 64), NHWC, groups=64, stride=2),
    Layer("groups4", (8, 64, 56, 56), (64, 16, 3, 3), groups=4),
    Layer("transposed", (8, 64, 28, 28), (32, 64, 4, 4), image_dilation=2,
          padding=((2, 2), (2, 2))),
    Layer("transposed-last", (8, 28, 28, 64), (4, 4, 64, 32), NHWC, image_dilation=2,
          padding=((2, 2), (2, 2))),
    Layer("3d", (2, 16, 24, 24, 24), (16, 16, 3, 3, 3), NCDHW),
    Layer("3d-last", (2, 24, 24, 24, 16), (3, 3, 3, 16, 16), ("NDHWC", "DHWIO", "NDHWC")),
    Layer("bf16", (8, 64, 56, 56), (64, 64, 3, 3), dtype=BFLOAT16),
    Layer("bf16-last", (8, 56, 56, 64), (3, 3, 64, 64), NHWC, dtype=BFLOAT16),
    Layer("image-last", (8, 112, 112, 3), (7, 7, 3, 64), NHWC, stride=2),
    Layer("image", (8, 3, 112, 112), (64, 3, 3, 3)),
    Layer("digits-last", (128, 28, 28, 1), (3, 3, 1, 32), NHWC),
    Layer("f64", (4, 32, 32, 32), (32, 32, 3, 3), dtype=np.float64),
)


def cases() -> Iterator[Case]:
    for layer in LAYERS:
        x, w = normal(*layer.image, dtype=layer.dtype), normal(*layer.kernel, dtype=layer.dtype)
        yield Case(f"conv/{layer.name}", layer.apply, (x, w))

        def loss(jax, x, w, layer=layer):
            return (layer.apply(jax, x, w).astype(np.float32) ** 2).sum()
        yield Case(f"conv-grad-image/{layer.name}",
                   lambda j, x, w, f=loss: j.grad(lambda x: f(j, x, w))(x), (x, w))
        yield Case(f"conv-grad-kernel/{layer.name}",
                   lambda j, x, w, f=loss: j.grad(lambda w: f(j, x, w))(w), (x, w))
    signal = normal(100_000)
    for taps in (10, 100, 1000):
        for mode in ("full", "same"):
            yield Case(f"convolve/{taps}-{mode}", lambda j, x, k, m=mode: j.numpy.convolve(x, k, m),
                       (signal, normal(taps, seed=1)))
    yield Case("convolve/correlate", lambda j, x, k: j.numpy.correlate(x, k),
               (signal, normal(1000, seed=1)))
    yield Case("convolve/f64", lambda j, x, k: j.numpy.convolve(x, k),
               (normal(100_000, dtype=np.float64), normal(100, seed=1, dtype=np.float64)))
    yield Case("convolve/long-kernel", lambda j, x, k: j.numpy.convolve(x, k),
               (normal(10_000), normal(10_000, seed=1)))
