"""`arrax.api_util`: how transformations turn user functions into functions of flat arrays."""
from arrax.core.lazy import listing as _listing
from arrax.core.pairing import safe_map
from arrax.transforms.flat_functions import (argnums_partial, debug_info, donation_vector,
                                             flatten_axes, flatten_fun, flatten_fun_nokwargs,
                                             rebase_donate_argnums, shaped_abstractify)

__all__ = ["argnums_partial", "debug_info", "donation_vector", "flatten_axes", "flatten_fun",
           "flatten_fun_nokwargs", "rebase_donate_argnums", "safe_map", "shaped_abstractify"]

__dir__ = _listing(__name__)
