"""`arrax.stages`: the objects between a function and its compiled program."""
from arrax.core.lazy import listing
from arrax.transforms.jit import JitFunction as Wrapped
from arrax.transforms.stages import Compiled, Lowered, Traced

__all__ = ["Compiled", "Lowered", "Traced", "Wrapped"]

__dir__ = listing(__name__)
