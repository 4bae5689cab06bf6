"""`arrax.interpreters.xla`: running a primitive by its lowering."""
from arrax.transforms.user_primitives import run_lowering as apply_primitive

__all__ = ["apply_primitive"]
