"""`arrax.example_libraries`: small libraries that show how programs are written: `optimizers` of
gradient descent and `stax` for neural networks. For real ones use optax and flax."""
from __future__ import annotations

from arrax.core.lazy import submodules as _submodules

__getattr__, __dir__ = _submodules(__name__)
