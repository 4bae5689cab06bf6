"""`arrax.errors`: the classes of errors that users see, named as in `jax.errors`."""
from arrax.core.errors import (ConcretizationTypeError, InconclusiveDimensionOperation,
                               JAXIndexError, JaxprTypeError, JaxRuntimeError, JAXTypeError,
                               KeyReuseError, NonConcreteBooleanIndexError,
                               TracerArrayConversionError, TracerBoolConversionError,
                               TracerIntegerConversionError, UnexpectedTracerError)
from arrax.core.lazy import listing as _listing

__all__ = [
    "ConcretizationTypeError", "InconclusiveDimensionOperation", "JAXIndexError", "JAXTypeError",
    "JaxRuntimeError", "JaxprTypeError", "KeyReuseError", "NonConcreteBooleanIndexError",
    "TracerArrayConversionError", "TracerBoolConversionError", "TracerIntegerConversionError",
    "UnexpectedTracerError"]

__dir__ = _listing(__name__)
