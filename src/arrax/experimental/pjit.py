"""`arrax.experimental.pjit`: `jit` under its former name."""
from arrax.transforms.jit import jit as pjit

__all__ = ["pjit"]
