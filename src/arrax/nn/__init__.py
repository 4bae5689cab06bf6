"""`arrax.nn`: activation functions, normalizations, attention and initializers."""
from __future__ import annotations

import importlib
from typing import Any

from arrax.core.lazy import listing as _listing
from arrax.nn.attention import dot_product_attention, scaled_matmul
from arrax.nn.functions import (celu, elu, gelu, glu, hard_sigmoid, hard_silu, hard_swish,
                                hard_tanh, identity, leaky_relu, log1mexp, log_sigmoid, mish, relu,
                                relu6, selu, sigmoid, silu, soft_sign, softplus, sparse_plus,
                                sparse_sigmoid, squareplus, swish, tanh)
from arrax.nn.normalization import (log_softmax, logmeanexp, logsumexp, one_hot, softmax,
                                    standardize)

__all__ = [
    "celu", "dot_product_attention", "elu", "gelu", "glu", "hard_sigmoid", "hard_silu",
    "hard_swish", "hard_tanh", "identity", "initializers", "leaky_relu", "log1mexp",
    "log_sigmoid", "log_softmax", "logmeanexp", "logsumexp", "mish", "one_hot", "relu", "relu6",
    "scaled_matmul", "selu", "sigmoid", "silu", "soft_sign", "softmax", "softplus", "sparse_plus",
    "sparse_sigmoid", "squareplus", "standardize", "swish", "tanh"]


def __getattr__(name: str) -> Any:
    """`initializers` is imported at first use, for it needs the random generators."""
    if name == "initializers":
        return importlib.import_module("arrax.nn.initializers")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

__dir__ = _listing(__name__)
