"""Primitives: the operations that programs are made of, each with all its rules in one place.

Rule signatures (`params` are the keyword parameters given to `bind`):

type_rule(*avals, **params) -> aval, or a list of avals if `multiple_results`
    Shapes and dtypes of the results; raises TypeError or ValueError that names function, argument
    and values.
evaluate(*ndarrays, **params) -> ndarray (or list)
    The meaning, by NumPy, on storage arrays. The reference for the compiler's tests, the eager
    implementation and the compiler's fallback. May return views of its operands, never writes them.
execute(*values, **params) -> Array (or list)
    Instead of `evaluate`, for primitives whose eager meaning is not a NumPy call (`jit`, `scan`).
jvp(primals, tangents, **params) -> (primal_out, tangent_out)  (lists if `multiple_results`)
    Tangents may be `Zero`s (`core.ad_values`); results too.
transpose(cotangent, *operands, **params) -> list with one cotangent or None per operand
    Operands that the operation is linear in come as `UndefinedPrimal(aval)`; `cotangent` is a list
    if `multiple_results`, and may be (or contain) a `Zero`.
batch(axis, operands, dims, **params) -> (out, out_dim)  (lists if `multiple_results`)
    `axis` has `.size` and `.name`; a dim is an int, or None for an operand without the batch axis.
partial_eval, stage, dce
    Overrides for primitives that carry jaxprs or callables; see `transforms.partial_eval` and
    `transforms.staging`.
lower
    How the CPU compiler builds it (`core.lowering`), or `HostCall(reason)`.
stablehlo
    How it reads in StableHLO (`engines.pjrt.stablehlo`).

A rule that cannot exist is `NotApplicable(reason)`; one that is missing is None, and a test fails.
A primitive with a `jvp` and no `transpose` is not linear: its derivative is made of others.
"""
from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from arrax import _native
from arrax.core.aval import ShapedArray
from arrax.core.effects import Effects, no_effects
from arrax.core.errors import InternalError
from arrax.core.record import Record
from arrax.core.trace import bottom, use

registry: dict[str, Primitive] = {}
_awaited: dict[str, Primitive] = {}  # handles whose blocks have not been read

LARGE = 1 << 16  # elements of an operand from which a loop over all threads is worth a compile
FEW = 1 << 12  # the same for functions whose `Elementwise` lowering costs as much as `COSTLY`
COSTLY = 4


BY_TYPES = "by types"  # in `Primitive.varying` and `Primitive.sharding`
BY_EXECUTION = "by execution"  # in `Primitive.sharding`


class NotApplicable(Record):
    """A rule that is absent on purpose; `error` is what is raised where it is asked for."""

    reason: str
    error: type[Exception] = NotImplementedError


NOT_LINEAR = NotApplicable("not linear")


class Primitive(_native.PrimitiveBase):
    """One operation: a name, its rules and the facts that passes read.

    `bind(*args, **params)` applies it: the C++ base hands over to the current trace's `process`,
    or, under the evaluating trace and for plain arrays, calls `evaluate` and wraps its result.

    Facts: `elementwise` (result element i depends on element i of each operand, scalars broadcast),
    `commutative` (in its first two operands), `linear` (in all operands of inexact dtypes together,
    the others held fixed, so that terms of power series pass through it one by one; rule helpers
    that know it say it), `exact` (the kinds of dtypes, as `np.floating`, whose
    results are exact or the correctly rounded ones, so that NumPy and machine code give the same
    bits; those of integers and bools always are), `native` (whether, by avals and params,
    `evaluate` is as fast as a compiled loop, so that eager calls on large operands keep it),
    `large` (elements of an operand from which eager calls ask the engine first, see
    `transforms.large_arrays`: few for functions that NumPy is slow at),
    `weak_type` ("all": the result is weak if all operands are; "first": if the first operand is;
    "none": never; "rule": as the type rule says, the default for primitives with `execute`; or a
    function of the avals and params),
    `effects` (a set, or a function of the params), `sharding` (how results are split over mesh
    axes, given how operands are: see `core/spread.py`; BY_TYPES, as the type rule says;
    BY_EXECUTION, so, and `execute` places results itself), `typed_results` (the type rule gives the
    avals of eager results because NumPy cannot tell them, as for key arrays), `stored` (whether, by
    avals, `evaluate` does what `execute` does, so that recorded calls keep to it), `hidden`
    (params that the printer omits when they have the value given here), `shown` (how the printer
    writes a param that has a form of its own), `named_axes` (for collectives:
    the axis names among the params, so that batching over one of them reaches unbatched operands),
    `varying` (how results vary over the axes of a `shard_map`, `ShapedArray.vma`: None, over all
    axes that an operand varies over, and all operands are made to vary alike; BY_TYPES, as the
    type rule says; or `varying(**params)` gives the axes that operands must vary over and those of
    them that results do not; BY_TYPES is the default for primitives with `named_axes`),
    `part` (a `lowering.Part` or `SumInside`: how a sum with a result updates the other summand),
    `masked` (the update of operand 0 where a mask holds, see `passes/masked_updates.py`), `guard`
    (a `guarding.Guard`: how programs inside leave arrays as they are), `check` (raises for an
    equation that its carried jaxprs do not fit, see `core.checker`), `inside` (given an equation
    and a result's number, what that is in a carried jaxpr, and the jaxpr). Primitives that programs
    outside arrax make are not `registered`: their names are their owners'.
    """

    def __new__(cls, *args: Any, **rules: Any) -> Primitive:
        """The handle of that name, where there is one."""
        return (_awaited.pop(args[0], None) if args else None) or super().__new__(cls)

    def __init__(
            self, name: str, *, multiple_results: bool = False,
            type_rule: Any = None, evaluate: Any = None, execute: Any = None,
            jvp: Any = None, transpose: Any = None, batch: Any = None,
            partial_eval: Any = None, stage: Any = None, dce: Any = None,
            lower: Any = None, stablehlo: Any = None, part: Any = None,
            check: Callable[[Any], None] | None = None,
            inside: Callable[[Any, int], Any] | None = None,
            masked: Any = None, guard: Any = None,
            elementwise: bool = False, commutative: bool = False, linear: bool = False,
            exact: tuple[Any, ...] = (), native: Callable[..., bool] | None = None,
            weak_type: str | Callable[..., bool] | None = None,
            effects: Effects | Callable[..., Effects] = no_effects,
            named_axes: Callable[..., Collection[Any]] | None = None,
            varying: Any = None, sharding: Any = None,
            typed_results: bool = False, stored: Callable[..., bool] | None = None,
            hidden: dict[str, Any] | None = None,
            shown: dict[str, Callable[[Any], str]] | None = None, registered: bool = True):
        self.name = name
        self.multiple_results = multiple_results
        self.type_rule, self.evaluate = type_rule, evaluate
        self.execute, self.jvp = _attach(execute, self), _attach(jvp, self)
        if transpose is None and jvp is not None:
            transpose = jvp if isinstance(jvp, NotApplicable) else NOT_LINEAR
        self.transpose, self.batch = _attach(transpose, self), _attach(batch, self)
        self.partial_eval, self.stage, self.dce = partial_eval, stage, dce
        self.lower, self.stablehlo, self.check, self.inside = lower, stablehlo, check, inside
        self.part, self.masked, self.guard = part, _attach(masked, self), guard
        self.elementwise, self.commutative = elementwise, commutative
        self.linear = linear or getattr(jvp, "linear", False)
        self.exact, self.native = exact, native
        costly = elementwise and not exact and getattr(lower, "cost", 0) >= COSTLY
        self.large = FEW if costly else LARGE
        self.weak_type = weak_type or ("rule" if execute is not None else "all")
        self.effects = effects
        self.named_axes = named_axes
        self.sharding = sharding or (BY_TYPES if named_axes is not None else None)
        self.varying = varying or (BY_TYPES if named_axes is not None else None)
        self._avals: dict[tuple[Any, ...], Any] = {}
        self._accepted: set[tuple[Any, ...]] = set()
        self.typed_results, self.stored = typed_results, stored
        self.hidden = hidden or {}
        self.shown = shown or {}
        if not registered:
            return
        if name in registry:
            raise InternalError(f"primitive {name!r} is declared twice")
        registry[name] = self

    def rule(self, kind: str) -> Any:
        """The rule named `kind`; NotImplementedError that says which and why when absent."""
        rule = getattr(self, kind)
        if rule is None or isinstance(rule, NotApplicable):
            reason = f": {rule.reason}" if rule is not None else ""
            raise (NotImplementedError if rule is None else rule.error)(
                f"{_RULE_NAMES.get(kind, kind)} rule for '{self.name}' not implemented{reason}")
        return rule

    # ---- what interpreters outside arrax call ----

    def bind_with_trace(self, trace: Any, args: Any, params: dict[str, Any]) -> Any:
        """Apply the primitive under `trace`."""
        with use(trace):
            return self.bind(*args, **params)

    def get_bind_params(self, params: dict[str, Any]) -> dict[str, Any]:
        """The keyword arguments with which `bind` repeats an equation that has `params`."""
        return params

    def impl(self, *args: Any, **params: Any) -> Any:
        """The results on concrete arrays."""
        return self.bind_with_trace(bottom(), args, params)

    def abstract_eval(self, *avals: Any, **params: Any) -> tuple[Any, Effects]:
        """(aval or avals of the results, effects)."""
        return self.result_avals(list(avals), params), self.effects_of(params)

    def effects_of(self, params: dict[str, Any]) -> Effects:
        return self.effects(**params) if callable(self.effects) else self.effects

    def check_dtypes(self, args: Any, params: dict[str, Any]) -> None:
        """Let the type rule of an elementwise primitive judge the dtypes of Arrays.

        Evaluation by NumPy would compute something from the bits of dtypes that are not accepted.
        Shapes are left to NumPy's broadcasting; `native/eager.cpp` remembers what has passed.
        """
        if not self.elementwise:
            return
        found = tuple(a.aval.dtype for a in args)
        if found not in self._accepted:
            self.type_rule(*[ShapedArray((), dtype) for dtype in found], **params)
            self._accepted.add(found)

    def result_avals(self, avals: Any, params: dict[str, Any]) -> Any:
        """The avals of the results: the type rule's, with weak types by the `weak_type` fact."""
        if self.elementwise and not params:  # the commonest case is remembered: avals are interned
            key = tuple(avals)
            known = self._avals.get(key)
            if known is None:
                if len(self._avals) > 4096:
                    self._avals.clear()
                known = self._avals[key] = self._result_avals(avals, params)
            return known
        return self._result_avals(avals, params)

    def _result_avals(self, avals: Any, params: dict[str, Any]) -> Any:
        out = self.type_rule(*avals, **params)
        if self.weak_type == "rule":
            return out
        weak = self.is_weak(avals, params)
        if self.multiple_results:
            return [a if a.weak_type == weak else a.update(weak_type=weak) for a in out]
        return out if out.weak_type == weak else out.update(weak_type=weak)

    def is_weak(self, avals: Any, params: dict[str, Any]) -> bool:
        """Whether results are weakly typed, by the `weak_type` fact."""
        kind = self.weak_type
        if kind == "all":
            return all(aval.weak_type for aval in avals) and bool(avals)
        if kind == "first":
            return bool(avals[0].weak_type)
        if kind in ("none", "rule"):
            return False
        return kind(*avals, **params)  # type: ignore[operator]

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> Any:
        return registry.__getitem__, (self.name,)


def _attach(rule: Any, primitive: Primitive) -> Any:
    """A rule helper (`ops.rules`) that must know its primitive is told it here."""
    return rule.attach(primitive) if hasattr(rule, "attach") else rule


_RULE_NAMES = {"jvp": "Differentiation", "transpose": "Transpose", "batch": "Batching",
               "evaluate": "Evaluation", "type_rule": "Type"}


def is_registered(primitive: Primitive) -> bool:
    """Whether the primitive is arrax's own."""
    return registry.get(primitive.name) is primitive


def handle(name: str) -> Primitive:
    """A primitive to import where its block cannot be; `Primitive(name, ...)` makes it whole."""
    known = registry.get(name) or _awaited.get(name)
    if known is None:
        known = _awaited[name] = Primitive.__new__(Primitive, name)
        known.name = name
    return known


def check_declared() -> None:
    """InternalError for handles that no block has made whole."""
    if _awaited:
        raise InternalError(f"no block declares the primitives {sorted(_awaited)}")
