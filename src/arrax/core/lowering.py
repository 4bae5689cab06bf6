"""What an op block says about its compilation: the values of `Primitive.lower`.

The compiler dispatches on these classes, never on names of primitives.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arrax.core.primitive import Primitive
from arrax.core.record import Record


class Elementwise(Record):
    """`emit(b, *values, **params)` computes one element (or one vector of them).

    `b` is a `kernels.scalar_builder.ScalarBuilder`; values carry their dtype; `b.out_dtype` is the
    dtype of the result. Params that the function doesn't name are not passed. `cost` counts
    additions, roughly.
    """

    emit: Callable[..., Any]
    cost: int = 1


class View(Record):
    """`build(index, *operands, out=aval, **params)` gives the element at `index`.

    `index` is a tuple of `loop_ir.Index`; an operand's `at(index)` is the expression of one of its
    elements. `flat` views keep the row-major order of elements, so that element i of the result
    is element i of the operand (`reshape`). `gathers` marks views that may read an element of
    operand 0 many times or in any order, so that it is materialized first where it is costly.
    """

    build: Callable[..., Any]
    flat: bool = False
    gathers: bool = False
    pieces: Callable[..., Any] | None = None


class Pairs(Record):
    """An operation on two (value, position) pairs that gives one of them: `emit(b, pair, pair)` by
    `ScalarBuilder`, `evaluate(pair, pair)` by NumPy."""

    emit: Callable[..., Any]
    evaluate: Callable[..., Any]


class Reduce(Record):
    """A fold of elements along the param `axes`, from `initial(dtype)`, an identity of the fold.

    `fold` is the elementwise primitive that joins two values; or `Pairs`: then each value comes
    with its position, and the results are positions, as for argmax.
    """

    fold: Primitive | Pairs
    initial: Callable[[Any], Any]


class Expand(Record):
    """`rewrite(*operands, **params)`, traced at the operands' avals, gives an equal program of
    primitives with lowerings (one value, or a list), or None where that does not apply."""

    rewrite: Callable[..., Any]


class Part(Record):
    """A result that is zero but for a part, where operand `base` is zero; so that a sum with it is
    an update of the other summand (`passes/accumulate.py`).

    `add(total, *operands, **params)` gives `total` with the part added to it, or None where the sum
    costs no more. `adds`: the part is added to the base, which then need not be zero.
    """

    add: Callable[..., Any]
    base: int = 0
    adds: bool = False


class SumInside(Record):
    """Results of control flow to which a total can be added inside.

    `rewrite(eqn, number, total, is_zero)` gives an equation whose result `number` is `total` plus
    that of `eqn`, with the other results as they are, or None; `is_zero(atom)` says whether an
    operand is known to be zero.
    """

    rewrite: Callable[..., Any]


class Reinterpret(Record):
    """The result is the operand's memory, read as another dtype or shape."""


class Choice(Record):
    """`choose(eqn)` gives the lowering of one equation."""

    choose: Callable[[Any], Any]


class Form(Record):
    """One of the compiler's own forms, found by the primitive in `op_lowerings.FORMS`.

    For what is built from the compiler's parts, which op blocks cannot import: index maps, updates
    in place, control flow. `element` is what happens to one element, where that is all.
    """

    element: Elementwise | None = None


class Scatter(Record):
    """Updates of operand 0 at the indices of operand 1, joined with what is there by the
    elementwise primitive `combine` or, without one, replacing it; in place when operand 0 dies.
    Where `spec(operand, indices, updates, params)` covers them, long ones are a library call.
    """

    spec: Callable[..., Any]
    combine: Primitive | None = None


class Product(Record):
    """A contraction of two operands: small ones are loops that join elements by the primitive
    `times` and fold these products by `plus`, others a library call (see `Library`)."""

    call: Callable[..., Any]
    times: Primitive
    plus: Primitive


class Update(Record):
    """A copy of operand 0 in which a part is replaced, made in place when operand 0 dies.

    `build(lowerer, eqn, target, operands)` gives the steps that write the part into `target`.
    """

    build: Callable[..., Any]


class Library(Record):
    """A call of the native library: `call(operands, results, params)` gives a `library.calls.Call`,
    or None for dtypes and params that the library does not cover; then it is a host call."""

    call: Callable[..., Any]


class Control(Record):
    """An equation with regions: `build(lowerer, eqn)` adds its step.

    `invariants(eqn)` says of a long loop which inputs of its body are the same in every iteration:
    (the body's param, the position of the first operand that is such an input, how many); they
    are the body's first inputs.
    """

    build: Callable[..., Any]
    invariants: Callable[[Any], tuple[str, int, int] | None] = lambda eqn: None


class Inline(Record):
    """The equation stands for the program `jaxpr(params)` (a `ClosedJaxpr`, or a `Jaxpr` without
    constvars) applied to its operands."""

    jaxpr: Callable[..., Any]


class HostCall(Record):
    """Run by the NumPy evaluation, called from native code, because of `reason`.

    `keeps_operands` says that the evaluation may hand its operands to somebody who keeps them (a
    user's callback): it then gets copies. Otherwise it gets views of the program's memory, which
    is other values' once the call is over, so it must not keep them.
    """

    reason: str
    keeps_operands: bool = False
