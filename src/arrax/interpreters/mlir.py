"""`arrax.interpreters.mlir`: what primitives of one's own become in compiled programs.

A lowering is a function of traced values here, usually made by `lower_fun`; see
`transforms.user_primitives`. There is no MLIR in arrax: rules that build it cannot run.
"""
from arrax.transforms.rule_tables import lower_fun, register_lowering
from arrax.transforms.user_primitives import LoweringContext as LoweringRuleContext

__all__ = ["LoweringRuleContext", "lower_fun", "register_lowering"]
