"""Errors. User errors say what came, where and what to do; `InternalError` is a bug of arrax.

The public classes have the names and bases of `jax.errors`.
"""
from __future__ import annotations

from typing import Any

_DOCS = "https://docs.jax.dev/en/latest/errors.html#jax.errors."


class InternalError(Exception):
    """A broken invariant inside arrax: names the operation or pass and the user's line."""


class _DocumentedError:
    """Appends the documentation page of the class to its message."""

    def __init__(self, message: str):
        name = type(self).__name__
        super().__init__(f"{message}\nSee {_DOCS}{name}")  # type: ignore[call-arg]


class JAXTypeError(_DocumentedError, TypeError):
    """Base of the type errors below."""


class JAXIndexError(_DocumentedError, IndexError):
    """Base of the index errors below."""


class ConcretizationTypeError(JAXTypeError):
    """A traced value was used where Python needs a concrete one.

    Raised for instance by `float(x)` or `range(x)` inside `jit`. Mark the argument static
    (`static_argnums`), or use `lax.cond`, `lax.fori_loop` and their kin.
    """

    def __init__(self, tracer: Any, context: str = ""):
        super().__init__(
            "Abstract tracer value encountered where concrete value is expected: "
            f"{described(tracer)}\n{context}{origin(tracer)}")


class TracerArrayConversionError(JAXTypeError):
    """`np.asarray(x)` or a NumPy function was called on a traced value; use `arrax.numpy`."""

    def __init__(self, tracer: Any):
        super().__init__(
            "The numpy.ndarray conversion method __array__() was called on "
            f"{described(tracer)}{origin(tracer)}")


class TracerIntegerConversionError(JAXTypeError):
    """A traced value was used as an index or size of a Python object."""

    def __init__(self, tracer: Any):
        super().__init__(
            f"The __index__() method was called on {described(tracer)}{origin(tracer)}")


class TracerBoolConversionError(ConcretizationTypeError):
    """`if x:` (or `and`, `or`, `not`, `while`) on a traced value; use `where` or `lax.cond`."""

    def __init__(self, tracer: Any):
        JAXTypeError.__init__(
            self,
            "Attempted boolean conversion of traced array with shape "
            f"{_type_of(tracer)}.{origin(tracer)}")


class NonConcreteBooleanIndexError(JAXIndexError):
    """`x[mask]` with a traced mask: the result's shape would depend on values; use `where`."""

    def __init__(self, tracer: Any):
        super().__init__(
            f"Array boolean indices must be concrete; got {_type_of(tracer)}\n")


class UnexpectedTracerError(JAXTypeError):
    """A traced value was kept after the function that made it ended (a leak)."""

    def __init__(self, message: str):
        super().__init__(message)


class KeyReuseError(JAXTypeError):
    """A random key was consumed twice (found by `debug_key_reuse`)."""


class JaxRuntimeError(RuntimeError):
    """An error raised while compiled code ran."""


class JaxprTypeError(TypeError):
    """A jaxpr breaks the rules of the IR."""


class InconclusiveDimensionOperation(_DocumentedError, Exception):
    """A comparison of symbolic dimensions that cannot be decided."""


def _type_of(tracer: Any) -> str:
    return "of unknown type" if tracer.aval is None else str(tracer.aval.str_short())


def described(tracer: Any) -> str:
    """`traced array with shape float32[3]`; the value itself where it is no tracer."""
    strip = getattr(getattr(tracer, "aval", None), "strip_weak_type", None)
    return str(tracer) if strip is None else f"traced array with shape {strip().str_short()}"


def origin(tracer: Any) -> str:
    """The sentence that says why `tracer` is abstract, on a line of its own, or ''."""
    text = tracer.origin()
    return f"\n{text}" if text else ""
