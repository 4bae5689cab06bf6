"""`arrax.custom_derivatives`: functions that bring their own derivatives."""
from arrax.core.lazy import listing as _listing
from arrax.transforms.custom_gradients import closure_convert, custom_gradient, linear_call
from arrax.transforms.custom_jvp import custom_jvp, custom_jvp_call_p
from arrax.transforms.custom_rules import SymbolicZero, zero_from_primal
from arrax.transforms.custom_vjp import (CustomVJPPrimal, custom_vjp, custom_vjp_call_p,
                                         custom_vjp_primal_tree_values)

__all__ = ["CustomVJPPrimal", "SymbolicZero", "closure_convert", "custom_gradient", "custom_jvp",
           "custom_jvp_call_p", "custom_vjp", "custom_vjp_call_p", "custom_vjp_primal_tree_values",
           "linear_call", "zero_from_primal"]

__dir__ = _listing(__name__)
