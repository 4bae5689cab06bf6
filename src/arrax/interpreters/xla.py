"""`arrax.interpreters.xla`: running a primitive by its lowering; types of operands."""
from arrax.core.lazy import listing as _listing
from arrax.core.user_types import canonicalizers as canonicalize_dtype_handlers
from arrax.transforms.user_primitives import run_lowering as apply_primitive

__all__ = ["apply_primitive", "canonicalize_dtype_handlers"]

__dir__ = _listing(__name__)
