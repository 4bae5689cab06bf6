"""Traces and tracers: the ways to interpret a primitive.

There is one current trace per thread. `Primitive.bind` hands the operation to it. A trace treats
operands that are not its own tracers as constants; it finds the values of an outer trace in its
tracers and continues under its `parent`. Invariant: outside `use`, the current trace is `EVAL`.
"""
from __future__ import annotations

from types import TracebackType
from typing import Any, TYPE_CHECKING

import numpy as np

from arrax import _native
from arrax.core import errors
from arrax.core.aval import LikeAval

current = _native.get_trace
set_current = _native.set_trace


class use:
    """Make `trace` the current one inside a `with` block; the former one comes back on any exit."""

    __slots__ = ("trace", "before")

    def __init__(self, trace: Trace):
        self.trace = trace

    def __enter__(self) -> None:
        self.before = current()
        set_current(self.trace)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        set_current(self.before)


class Trace:
    """One interpretation of primitives."""

    __slots__ = ("__weakref__",)
    watches_indices = False  # whether static indices out of bounds must reach it as they are

    def process(self, primitive: Any, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """The result(s) of `primitive` under this interpretation.

        Traces of programs outside arrax define `process_primitive` instead, which is called under
        evaluation: such a trace makes its parent current itself where it goes on.
        """
        with use(bottom()):
            return self.process_primitive(primitive, args, params)

    def process_primitive(self, primitive: Any, tracers: Any, params: dict[str, Any]) -> Any:
        """`process` as interpreters outside arrax write it; ours hand over to `process`."""
        if type(self).process is Trace.process:
            raise NotImplementedError(f"{type(self).__name__} must define process_primitive")
        with use(self):
            return self.process(primitive, tuple(tracers), params)

    @property
    def main(self) -> Any:
        """The tag of an interpreter outside arrax that has one."""
        return getattr(self, "tag", None)

    def is_valid(self) -> bool:
        """Whether the function that this trace interprets is still running."""
        return getattr(self, "alive", True)


_bottom: list[Trace] = []


def set_bottom(trace: Trace) -> None:
    """Declare the trace that evaluates: that of threads that set none."""
    _bottom[:] = [trace]
    _native.set_default_trace(trace)


def bottom() -> Trace:
    """The trace that evaluates."""
    return _bottom[0]


if TYPE_CHECKING:
    from arrax.core.array import Array

    class _LikeArray(LikeAval, Array):
        """To type checkers a tracer is an `Array`, as it is to `isinstance`."""
else:
    _LikeArray = LikeAval


class Tracer(_LikeArray):
    """A stand-in for an array while a transformation runs a function.

    Subclasses set `aval` (a property or slot). Operators and array methods are installed by
    `arrax.numpy` on this class and on `ArrayImpl` alike.
    """

    __slots__ = ("_trace", "__weakref__")
    _trace: Trace
    aval: Any = None  # of tracers that programs outside arrax make without one
    __array_priority__ = 1000
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, trace: Any, aval: Any = None):
        """For tracers of programs outside arrax; those that have `aval` as a property omit it."""
        self._trace = trace
        if aval is not None:
            self.aval = aval

    def concrete(self) -> Any:
        """The concrete array behind this tracer, or None when there is none."""
        return None

    def origin(self) -> str:
        """A sentence that tells how this value became a tracer, for error messages."""
        return ""

    def __len__(self) -> int:
        if not self.aval.shape:
            raise TypeError("len() of unsized object")
        return self.aval.shape[0]  # type: ignore[no-any-return]

    def __bool__(self) -> bool:
        value = self.concrete()
        if value is None:
            check_scalar_conversion(self, "bool")
            raise errors.TracerBoolConversionError(self)
        return bool(value)

    def __int__(self) -> int:
        return int(self._concrete_for("int"))

    def __float__(self) -> float:
        return float(self._concrete_for("float"))

    def __complex__(self) -> complex:
        return complex(self._concrete_for("complex"))

    def _concrete_for(self, name: str) -> Any:
        value = self.concrete()
        if value is None:
            if name in ("tolist", "tobytes"):
                raise errors.ConcretizationTypeError(
                    self, f"The {name}() method was called on {errors.described(self)}.")
            check_scalar_conversion(self, name)
            raise errors.ConcretizationTypeError(
                self, f"The problem arose with the `{name}` function. If trying to convert the "
                f"data type of a value, try using `x.astype({name})` or `jnp.array(x, {name})` "
                "instead.")
        return value

    def __index__(self) -> int:
        value = self.concrete()
        if value is None:
            check_integer_conversion(self)
            raise errors.TracerIntegerConversionError(self)
        return value.__index__()  # type: ignore[no-any-return]

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise errors.TracerArrayConversionError(self)

    def tobytes(self, order: Any = "C") -> bytes:
        return self._concrete_for("tobytes").tobytes(order)  # type: ignore[no-any-return]

    def tolist(self) -> Any:
        return self._concrete_for("tolist").tolist()

    def item(self, *args: int) -> Any:
        return self._concrete_for("item").item(*args)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self

    def block_until_ready(self) -> Any:
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}<{tracer_text(self.aval)}>"


def tracer_text(aval: Any) -> str:
    """An aval as tracers print it: `float32[3]`, with `~` before weak types."""
    if aval is None:
        return "of unknown type"
    text: str = aval.str_short()
    return f"~{text}" if getattr(aval, "weak_type", False) else text


def check_scalar_conversion(value: Any, name: str) -> None:
    """Raise for `bool(x)`, `float(x)`, … of an array that is no scalar."""
    if name == "bool":
        if value.size != 1:
            raise ValueError(
                "The truth value of an array with more than one element is ambiguous. Use a.any() "
                "or a.all()" if value.size else
                "The truth value of an empty array is ambiguous.")
    elif value.ndim > 0:
        raise TypeError("Only scalar arrays can be converted to Python scalars; "
                        f"got arr.ndim={value.ndim}")


def check_integer_conversion(value: Any) -> None:
    """Raise for `operator.index(x)` of an array that is no integer scalar."""
    if not (value.shape == () and getattr(value.dtype, "kind", "?") in "iu"):
        raise TypeError("Only integer scalar arrays can be converted to a scalar index.")
