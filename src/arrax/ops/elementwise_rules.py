"""What the elementwise families share: operand conversion, type rules, evaluation, declaration.

Invariant of elementwise primitives: operands have one rank and shapes that differ by sizes of 1
alone, except that some may be 0-d. (`select_n` and `clamp` want equal shapes.)
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.array import ArrayImpl
from arrax.core.aval import ShapedArray
from arrax.core.primitive import NotApplicable, Primitive
from arrax.core.lowering import Elementwise, HostCall
from arrax.ops.accuracy import check_accuracy
from arrax.ops.arguments import operand
from arrax.ops.formulas import Formula
from arrax.ops.p import convert_element_type_p
from arrax.ops.quiet import quiet
from arrax.ops.rules import batch_elementwise, zero_jvp

Kinds = tuple[Any, ...]

INTEGER: Kinds = (np.integer,)
FLOAT: Kinds = (np.floating,)
COMPLEX: Kinds = (np.complexfloating,)
INEXACT: Kinds = (np.floating, np.complexfloating)
NUMBER: Kinds = (np.integer, np.floating, np.complexfloating)
SIGNED: Kinds = (np.floating, np.complexfloating, np.signedinteger)
REAL: Kinds = (np.integer, np.floating)
ORDERED: Kinds = (np.integer, np.floating, np.bool_)
LOGICAL: Kinds = (np.integer, np.bool_)
ANY: Kinds = (np.integer, np.floating, np.complexfloating, np.bool_)

_KIND_NAMES = {np.bool_: "bool"}
_JNP_NAMES = {
    "add": "add", "sub": "subtract", "mul": "multiply", "div": "divide", "max": "maximum",
    "min": "minimum", "atan2": "arctan2", "nextafter": "nextafter", "eq": "equal",
    "ne": "not_equal", "shift_left": "left_shift", "shift_right_logical": "right_shift",
    "shift_right_arithmetic": "right_shift", "select": "where"}


# ---- type rules ------------------------------------------------------------------------------

def accepted(dtype: Any, kinds: Kinds) -> bool:
    """Whether `dtype` belongs to one of `kinds`."""
    return any(dtypes.issubdtype(dtype, kind) for kind in kinds)


def check_kind(name: str, dtype: Any, kinds: Kinds, where: str = "") -> None:
    """TypeError unless `dtype` is of one of `kinds`."""
    if not accepted(dtype, kinds):
        names = ", ".join(_KIND_NAMES.get(kind, getattr(kind, "__name__", str(kind)))
                          for kind in kinds)
        raise TypeError(f"{name} does not accept dtype {dtypes.dtype_name(dtype)}{where}. "
                        f"Accepted dtypes{where} are subtypes of {names}.")


def check_same_dtypes(name: str, avals: Sequence[Any]) -> None:
    """TypeError unless all dtypes are the same."""
    first = avals[0].dtype
    if all(aval.dtype == first for aval in avals):
        return
    came = ", ".join(dtypes.dtype_name(aval.dtype) for aval in avals)
    jnp_name = _JNP_NAMES.get(name)
    tip = (f" (Tip: jnp.{jnp_name} is a similar function that does automatic type promotion on "
           "inputs).") if jnp_name else ""
    raise TypeError(f"lax.{name} requires arguments to have the same dtypes, got {came}.{tip}")


def joint_shape(name: str, avals: Sequence[Any]) -> tuple[int, ...]:
    """The shape that the operands that are not 0-d have when sizes of 1 are repeated."""
    shapes = [aval.shape for aval in avals if aval.ndim]
    if not shapes:
        return ()
    if all(shape == shapes[0] for shape in shapes):
        return shapes[0]
    if len({len(shape) for shape in shapes}) > 1:
        raise _shape_error(name, shapes)
    sizes = [set(column) - {1} for column in zip(*shapes, strict=True)]
    if any(len(size) > 1 for size in sizes):
        raise _shape_error(name, shapes)
    return tuple(size.pop() if size else 1 for size in sizes)


def _shape_error(name: str, shapes: Sequence[tuple[int, ...]]) -> TypeError:
    ranks = {len(shape) for shape in shapes}
    if len(ranks) > 1:
        text = ", ".join(map(str, sorted(ranks)))
        return TypeError(f"{name}: arrays must have the same number of dimensions, got {{{text}}}")
    return TypeError(f"{name} got incompatible shapes for broadcasting: "
                     f"{', '.join(map(str, shapes))}.")


class unary_type:
    """Type rule of one operand of `kinds`; `result` maps its dtype to the result's."""

    def __init__(self, name: str, kinds: Kinds, result: Callable[[Any], Any] | None = None):
        self.name, self.kinds, self.result = name, kinds, result

    def __call__(self, x: Any, **params: Any) -> Any:
        check_kind(self.name, x.dtype, self.kinds)
        dtype = self.result(x.dtype) if self.result else x.dtype
        return ShapedArray(x.shape, dtype)


class nary_type:
    """Type rule of several operands of one dtype, each of the kinds at its position."""

    def __init__(self, name: str, kinds: Sequence[Kinds],
                 result: Callable[[Any], Any] | None = None, same: bool = True):
        self.name, self.kinds, self.result, self.same = name, kinds, result, same

    def __call__(self, *avals: Any, **params: Any) -> Any:
        for i, (aval, kinds) in enumerate(zip(avals, self.kinds, strict=True)):
            check_kind(self.name, aval.dtype, kinds, f" at position {i}")
        if self.same:
            check_same_dtypes(self.name, avals)
        dtype = self.result(avals[0].dtype) if self.result else avals[0].dtype
        return ShapedArray(joint_shape(self.name, avals), dtype)


def to_bool(dtype: Any) -> Any:
    """The result dtype of predicates."""
    return _BOOL


_BOOL = np.dtype(bool)
_REAL = {np.dtype("complex64"): np.dtype("float32"), np.dtype("complex128"): np.dtype("float64")}


def to_real(dtype: Any) -> Any:
    """The dtype of the parts of a complex dtype; others unchanged."""
    return _REAL.get(dtype, dtype)


# ---- evaluation --------------------------------------------------------------------------------

def is_small(dtype: np.dtype[Any]) -> bool:
    """Whether `dtype` is one of ml_dtypes', which NumPy's own code does not know."""
    return dtype.num >= 256


def wide_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which operations on a small dtype are computed: float32 or an 8-bit integer."""
    if dtypes.issubdtype(dtype, np.floating):
        return np.dtype(np.float32)
    return np.dtype(np.uint8 if dtypes.issubdtype(dtype, np.unsignedinteger) else np.int8)


def evaluate_by(fn: Callable[..., Any], silence: bool = True) -> Callable[..., Any]:
    """The evaluation that applies the NumPy function `fn`, without floating-point warnings.

    Small dtypes are computed in a wider one; a result of that wider dtype is rounded back.
    """
    def evaluate(x: Any, *rest: Any, **params: Any) -> Any:
        if is_small(x.dtype):
            return _evaluate_wide(fn, (x, *rest), params)
        return fn(x, *rest, **params)
    return quiet(fn, evaluate) if silence else evaluate


def _evaluate_wide(fn: Callable[..., Any], operands: tuple[Any, ...], params: Any) -> Any:
    small = operands[0].dtype
    wide = wide_dtype(small)
    out = fn(*(x.astype(wide) if is_small(x.dtype) else x for x in operands), **params)
    return out.astype(small) if out.dtype == wide else out


def ignoring_accuracy(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn` that also takes the `accuracy` parameter; NumPy has one accuracy."""
    def evaluate(x: Any, accuracy: Any = None) -> Any:
        return fn(x)
    return evaluate


_DOUBLE = {"f": np.dtype(np.float64), "F": np.dtype(np.complex128)}


def in_double(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn` with single precision, real or complex, computed in double and rounded once: NumPy's own
    loops for it err by several ulp, and differ between machines."""
    is_ufunc = isinstance(fn, np.ufunc)

    def evaluate(*operands: Any) -> Any:
        dtype = operands[0].dtype
        wide = _DOUBLE.get(dtype.char)
        if wide is None:
            return fn(*operands)
        if is_ufunc:
            return fn(*operands, dtype=wide).astype(dtype)
        return fn(*[x.astype(wide) for x in operands]).astype(dtype)
    return evaluate


def in_complex_double(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn` with complex64 alone computed in double: for functions that are exact in float32."""
    wide = in_double(fn)

    def evaluate(x: Any) -> Any:
        return wide(x) if x.dtype.char == "F" else fn(x)
    return evaluate


# ---- pieces of rules ---------------------------------------------------------------------------

def converted(x: Any, dtype: Any) -> Any:
    """`x` in `dtype`, strongly typed."""
    return convert_element_type_p.bind(x, new_dtype=dtype, weak_type=False, sharding=None)


# ---- declaration -------------------------------------------------------------------------------

def emits(method: str, cost: int = 1) -> Elementwise:
    """The lowering by the method of `ScalarBuilder` of that name."""
    def emit(builder: Any, *values: Any) -> Any:
        return getattr(builder, method)(*values)
    return Elementwise(emit, cost)


def host(reason: str) -> HostCall:
    """The lowering of a function that native code has no formula for."""
    return HostCall(reason)


piecewise_constant = zero_jvp()


def unary(name: str, kinds: Kinds, fn: Callable[..., Any], *, jvp: Any,
          result: Callable[[Any], Any] | None = None, cost: int = 1, lower: Any = None,
          accuracy: bool = False, transpose: Any = None, stablehlo: Any = None,
          definition: Callable[[Any], Any] | None = None, **facts: Any) -> Primitive:
    """Declare an elementwise primitive of one operand.

    A composition has a `definition`, a formula from which lowering and StableHLO form follow.
    """
    if definition is not None:
        formula = Formula(definition)
        lower, stablehlo = lower or formula.lowering(cost), stablehlo or formula.stablehlo
    evaluate = ignoring_accuracy(fn) if accuracy else fn
    if accuracy:
        facts["hidden"] = {"accuracy": None}
    return Primitive(
        name, type_rule=unary_type(name, kinds, result), evaluate=evaluate_by(evaluate),
        jvp=jvp, transpose=transpose or NotApplicable("not linear"), batch=batch_elementwise(),
        lower=lower or emits(name, cost), stablehlo=stablehlo, elementwise=True, **facts)


def binary(name: str, kinds: Kinds, fn: Callable[..., Any], *, jvp: Any,
           result: Callable[[Any], Any] | None = None, cost: int = 1, lower: Any = None,
           method: str = "", transpose: Any = None, stablehlo: Any = None, same: bool = True,
           second: Kinds | None = None, **facts: Any) -> Primitive:
    """Declare an elementwise primitive of two operands."""
    return Primitive(
        name, type_rule=nary_type(name, (kinds, second or kinds), result, same),
        evaluate=evaluate_by(fn), jvp=jvp, transpose=transpose or NotApplicable("not linear"),
        batch=batch_elementwise(), lower=lower or emits(method or name, cost),
        stablehlo=stablehlo, elementwise=True, **facts)


# ---- calls -------------------------------------------------------------------------------------

def call_unary(primitive: Primitive, x: Any) -> Any:
    """Apply a unary elementwise primitive to a user's operand."""
    if type(x) is not ArrayImpl:
        x = operand(x, primitive.name)
    if x.aval.dtype not in _known(primitive):
        _accept(primitive, (x.aval,))
    return primitive.bind(x)


def call_accurate(primitive: Primitive, x: Any, accuracy: Any) -> Any:
    """`call_unary` for the functions with an `accuracy` parameter."""
    if type(x) is not ArrayImpl:
        x = operand(x, primitive.name)
    if x.aval.dtype not in _known(primitive):
        _accept(primitive, (x.aval,))
    if accuracy is not None:
        check_accuracy(accuracy)
    return primitive.bind(x, accuracy=accuracy)


def call_binary(primitive: Primitive, x: Any, y: Any) -> Any:
    """Apply a binary elementwise primitive to a user's operands."""
    if type(x) is not ArrayImpl:
        x = operand(x, primitive.name, 0)
    if type(y) is not ArrayImpl:
        y = operand(y, primitive.name, 1)
    first, second = x.aval, y.aval
    if first.dtype is second.dtype and first.dtype in _known(primitive) and (
            first.shape == second.shape or not first.shape or not second.shape):
        return primitive.bind(x, y)
    _accept(primitive, (x.aval, y.aval))
    return primitive.bind(x, y)


def call_nary(primitive: Primitive, *operands: Any) -> Any:
    """Apply an elementwise primitive to users' operands."""
    values = [operand(x, primitive.name, i) for i, x in enumerate(operands)]
    primitive.type_rule(*(x.aval for x in values))
    return primitive.bind(*values)


def accept_once(primitive: Primitive, *avals: Any) -> None:
    """Run the type rule of a primitive without parameters, but once only for the same avals."""
    key = (primitive, avals)
    if key not in _accepted:
        primitive.type_rule(*avals)
        if len(_accepted) > 4096:
            _accepted.clear()
        _accepted.add(key)


_accepted: set[tuple[Primitive, tuple[Any, ...]]] = set()
_known_dtypes: dict[Primitive, set[Any]] = {}


def _known(primitive: Primitive) -> set[Any]:
    """The dtypes that the type rule of `primitive` has accepted before, for all operands alike."""
    try:
        return _known_dtypes[primitive]
    except KeyError:
        return _known_dtypes.setdefault(primitive, set())


def _accept(primitive: Primitive, avals: tuple[Any, ...]) -> None:
    """Run the type rule (it raises for wrong operands); remember the dtype if there is just one."""
    primitive.type_rule(*avals)
    if all(aval.dtype == avals[0].dtype for aval in avals):
        _known(primitive).add(avals[0].dtype)

