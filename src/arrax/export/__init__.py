"""Programs that can be stored, and called without the Python code that made them.

`export(jit(f))(*specs)` gives an `Exported`: types of arguments and results, the program, `call`,
`serialize`. Shapes may be symbolic (`symbolic_shape`).
"""
from arrax.export.exported import (
    DisabledSafetyCheck, Exported, default_export_platform, deserialize, export,
    maximum_supported_calling_convention_version, minimum_supported_calling_convention_version)
from arrax.export.scopes import SymbolicScope
from arrax.export.shapes import is_symbolic_dim, symbolic_args_specs, symbolic_shape
from arrax.export.structures import (register_namedtuple_serialization,
                                     register_pytree_node_serialization)

__all__ = [
    "DisabledSafetyCheck", "Exported", "SymbolicScope", "default_export_platform", "deserialize",
    "export", "is_symbolic_dim", "maximum_supported_calling_convention_version",
    "minimum_supported_calling_convention_version", "register_namedtuple_serialization",
    "register_pytree_node_serialization", "symbolic_args_specs", "symbolic_shape"]
