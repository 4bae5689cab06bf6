"""`arrax.interpreters.ad`: derivatives of primitives.

Example:
  >>> from arrax.extend.core import Primitive
  >>> from arrax.interpreters import ad
  >>> cube_p = Primitive("cube")
  >>> impl = cube_p.def_impl(lambda x: x ** 3)
  >>> rule = cube_p.def_abstract_eval(lambda x: x)
  >>> ad.defjvp(cube_p, lambda t, x: t * 3 * x ** 2)
  >>> arrax.grad(cube_p.bind)(2.0)
  Array(12., dtype=float32, weak_type=True)
"""
from arrax.core.ad_values import UndefinedPrimal, Zero
from arrax.core.ad_values import is_undefined as is_undefined_primal
from arrax.core.lazy import listing as _listing
from arrax.ops.arithmetic import add_any_p as add_jaxvals_p
from arrax.ops.rules import add_tangents
from arrax.transforms.jvp import JVPTrace, JVPTracer
from arrax.transforms.rule_definitions import (add_jaxvals, defbilinear, defjvp, defjvp2, deflinear,
                                               deflinear2, get_primitive_transpose,
                                               instantiate_zeros, zeros_like_aval)
from arrax.transforms.rule_tables import primitive_jvps, primitive_transposes

__all__ = [
    "JVPTrace", "JVPTracer", "UndefinedPrimal", "Zero", "add_jaxvals", "add_jaxvals_p",
    "add_tangents", "defbilinear", "defjvp", "defjvp2", "deflinear", "deflinear2",
    "get_primitive_transpose", "instantiate_zeros", "is_undefined_primal",
    "primitive_jvps", "primitive_transposes", "zeros_like_aval"]

__dir__ = _listing(__name__)
