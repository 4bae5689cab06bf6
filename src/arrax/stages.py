"""`arrax.stages`: the objects between a function and its compiled program."""
from arrax.core.lazy import listing as _listing
from arrax.transforms.jit import JitFunction as Wrapped
from arrax.transforms.stages import ArgInfo, Compiled, CompilerOptions, Lowered, Traced

__all__ = ["ArgInfo", "Compiled", "CompilerOptions", "Lowered", "Traced", "Wrapped"]

__dir__ = _listing(__name__)
