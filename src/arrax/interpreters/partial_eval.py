"""`arrax.interpreters.partial_eval`: functions to jaxprs, and jaxprs without what is not used."""
from arrax.core.lazy import listing as _listing
from arrax.transforms.rule_tables import dce_rules
from arrax.transforms.staging import JitTracer as DynamicJaxprTracer
from arrax.transforms.partial_eval import UnknownTracer as JaxprTracer
from arrax.transforms.tracing_functions import (PartialVal, dce_jaxpr, dce_jaxpr_call_rule,
                                                dce_jaxpr_closed_call_rule, dce_jaxpr_consts,
                                                trace_to_jaxpr_dynamic, trace_to_jaxpr_nounits)

__all__ = ["DynamicJaxprTracer", "JaxprTracer", "PartialVal", "dce_jaxpr", "dce_jaxpr_call_rule",
           "dce_jaxpr_closed_call_rule", "dce_jaxpr_consts", "dce_rules", "trace_to_jaxpr_dynamic",
           "trace_to_jaxpr_nounits"]

__dir__ = _listing(__name__)
