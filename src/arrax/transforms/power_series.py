"""Taylor mode: each value carries the coefficients of a power series.

A function of a curve x(t) = x₀ + x₁t + … + x_K t^K has a curve of results, whose coefficients up
to t^K `SeriesTrace` finds, one operation after the other:

- an operation that is linear (`Primitive.linear`) maps coefficients one by one;
- products are Leibniz sums, quotients are solved for one coefficient after the other;
- any other operation y = f(x) has y' = f'(x) x', and its JVP rule is a program for the right side.
  The rule runs *on series*, with x' shifted by one place, and y_k is coefficient k - 1 of what it
  returns, divided by k.

The rule mostly computes y itself, too (the derivative of exp is exp): there it finds the series
whose coefficients are being sought. So inside of rules series are lazy: coefficient k is computed
when somebody asks for it, once, and none that is asked for needs itself. The same operation on
the same series is one series (`_known`), so towers (sin needs cos needs sin) close.
Operations of the function itself are expanded to the end at once.

Programs inside of operations: calls are entered; other traces' forms (`forms`) do control flow.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from arrax.core.ad_values import Zero, tangent_aval
from arrax.core.aval import aval_of
from arrax.core.dtypes import inexact, issubdtype
from arrax.core.jaxpr import ClosedJaxpr, Jaxpr, eval_jaxpr, jaxprs_in_params
from arrax.core.lowering import Inline
from arrax.core.primitive import Primitive
from arrax.core.trace import Trace, Tracer, current, use
from arrax.ops.p import add_any_p, conv_general_dilated_p, div_p, dot_general_p, mul_p, neg_p
from arrax.ops.rules import constant, instantiate, linear_jvp, to_shape_of, zeros
from arrax.transforms.custom_jvp import custom_jvp_call_p

Form = Callable[["SeriesTrace", Primitive, Sequence[Any], dict[str, Any]], Any]
PRODUCTS = (mul_p, dot_general_p, conv_general_dilated_p)


class SeriesTracer(Tracer):
    """A power series: `term(k)` is its coefficient of t^k, for k up to `order`."""

    _trace: SeriesTrace
    __slots__ = ("primal", "order", "_terms", "_compute", "_shifted")

    def __init__(self, trace: SeriesTrace, primal: Any, order: int,
                 compute: Callable[[int], Any] | None = None, terms: Sequence[Any] = ()):
        self._trace = trace
        self.primal = primal
        self.order = order
        self._terms = list(terms)
        self._compute = compute
        self._shifted: Any = None

    @property
    def aval(self) -> Any:
        return aval_of(self.primal)

    def concrete(self) -> Any:
        return self.primal.concrete() if isinstance(self.primal, Tracer) else self.primal

    def origin(self) -> str:
        return self.primal.origin() if isinstance(self.primal, Tracer) else ""

    def term(self, k: int) -> Any:
        if k == 0:
            return self.primal
        if len(self._terms) < k:
            with use(self._trace.parent):
                while len(self._terms) < k:
                    self._terms.append(self._compute(len(self._terms) + 1))  # type: ignore[misc]
        return self._terms[k - 1]

    def all_terms(self) -> list[Any]:
        """The coefficients of t, t², …, t^order."""
        self.term(self.order)
        return self._terms[:self.order]

    def derivative(self) -> Any:
        """The series of the derivative by t; a plain value if only one coefficient is known."""
        if self._shifted is None:
            first = self.term(1)
            self._shifted = first if self.order == 1 else SeriesTracer(
                self._trace, first, self.order - 1, lambda k: _times(k + 1, self.term(k + 1)))
        return self._shifted

    def truncated(self) -> Any:
        """The series without its last coefficient."""
        if self.order == 1:
            return self.primal
        return SeriesTracer(self._trace, self.primal, self.order - 1, self.term)


class SeriesTrace(Trace):
    """Computes power series of results from those of operands.

    `forms` has how operations are done that the general way does not do well: functions of the
    trace, the primitive, the operands and the parameters.
    """

    __slots__ = ("parent", "forms", "_known", "_depth")

    def __init__(self, parent: Trace, forms: dict[Primitive, Form]):
        self.parent = parent
        self.forms = forms
        self._known: dict[Any, tuple[Any, Any]] = {}
        self._depth = 0  # of rules that are running

    def has(self, value: Any) -> bool:
        """Whether `value` is a series of this trace."""
        return isinstance(value, SeriesTracer) and value._trace is self

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        if not any(map(self.has, args)):
            with use(self.parent):
                return primitive.bind(*args, **params)
        form = self.forms.get(primitive)
        if form is not None:
            with use(self.parent):
                return form(self, primitive, args, params)
        if type(primitive.lower) is Inline and primitive.name not in _OWN_DERIVATIVES:
            with use(self):
                return _call(primitive.lower.jaxpr(params), args)
        key = _key(primitive, args, params)
        known = self._known.get(key)
        if known is None:
            with use(self.parent):
                known = args, self._expand(primitive, args, params, key)
            self._known[key] = known
        if not self._depth:  # nobody asks for them under way: no need to keep intermediate series
            for out in known[1]:
                if self.has(out):
                    out.all_terms()
            self._known.clear()
        return list(known[1]) if primitive.multiple_results else known[1][0]

    def _expand(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any],
                key: Any) -> list[Any]:
        primals = [x.primal if self.has(x) else x for x in args]
        outs = primitive.bind(*primals, **params)
        outs = outs if primitive.multiple_results else [outs]
        order = min(x.order for x in args if self.has(x))
        if primitive.linear:
            terms: Any = _Linear(self, primitive, args, params, primals)
        elif primitive in PRODUCTS:
            terms = _Product(self, primitive, args, params, outs[0])
        elif primitive is div_p:
            terms = _Quotient(self, args, outs[0])
        else:
            recursive = key[0] is primitive
            terms = _ByDerivative(self, primitive, args if recursive else
                                  [x.truncated() if self.has(x) else x for x in args], args, params)
        outs = [self.series(out, order, partial(terms.term, i)) for i, out in enumerate(outs)]
        terms.outs = outs
        return outs

    def series(self, primal: Any, order: int, compute: Callable[[int], Any]) -> Any:
        """The series of a result; a plain value for dtypes without derivatives."""
        if not order or not issubdtype(aval_of(primal).dtype, inexact):
            return primal
        return SeriesTracer(self, primal, order, compute)

    def run_rule(self, rule: Callable[..., Any], *args: Any, **params: Any) -> Any:
        """Run a rule on series, which stay lazy."""
        self._depth += 1
        try:
            with use(self):
                return rule(*args, **params)
        finally:
            self._depth -= 1


_OWN_DERIVATIVES = ("custom_jvp_call", "custom_linear_solve")


def _call(program: Any, args: Sequence[Any]) -> Any:
    if isinstance(program, ClosedJaxpr):
        return eval_jaxpr(program.jaxpr, program.consts, *args)
    return eval_jaxpr(program, [], *args) if isinstance(program, Jaxpr) else program(*args)


def _key(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
    """What tells an operation on given values; one that carries programs is like no other."""
    try:
        key = (primitive, tuple(map(id, args)), tuple(sorted(params.items())))
        hash(key)
    except TypeError:
        return (object(),)
    if primitive is custom_jvp_call_p or any(True for _ in jaxprs_in_params(params)):
        return (object(),)
    return key


def _times(k: int, x: Any) -> Any:
    return mul_p.bind(x, constant(k, aval_of(x)))


def _over(x: Any, k: int) -> Any:
    return x if k == 1 else div_p.bind(x, constant(k, aval_of(x)))


def _sum(parts: Sequence[Any]) -> Any:
    total = parts[0]
    for part in parts[1:]:
        total = add_any_p.bind(total, part)
    return total


# ---- how terms come about: `term(i, k)` is coefficient k of result i ----------------------------

class _Linear:
    def __init__(self, trace: SeriesTrace, primitive: Primitive, args: Sequence[Any],
                 params: dict[str, Any], primals: Sequence[Any]):
        self.primitive, self.params, self.primals = primitive, params, primals
        self.series = [x if trace.has(x) else None for x in args]
        self.found: dict[int, Any] = {}

    def term(self, i: int, k: int) -> Any:
        if k not in self.found:
            self.found[k] = self._terms(k)
        return self.found[k][i]

    def _terms(self, k: int) -> Any:
        primitive = self.primitive
        if None not in self.series and getattr(primitive.jvp, "__qualname__", "") == _PLAIN:
            outs = primitive.bind(*[x.term(k) for x in self.series if x is not None],
                                  **self.params)
        else:
            tangents = [Zero(tangent_aval(aval_of(p))) if x is None else x.term(k)
                        for p, x in zip(self.primals, self.series, strict=True)]
            outs = primitive.rule("jvp")(self.primals, tangents, **self.params)[1]
        return [instantiate(o) for o in (outs if primitive.multiple_results else [outs])]


_PLAIN = linear_jvp().attach(neg_p).__qualname__  # the rule that applies the operation to tangents


class _Product:
    def __init__(self, trace: SeriesTrace, primitive: Primitive, args: Sequence[Any],
                 params: dict[str, Any], out: Any):
        self.bind, self.out = partial(primitive.bind, **params), out
        self.series = [trace.has(x) for x in args]
        self.args = args

    def term(self, i: int, k: int) -> Any:
        x, y = self.args
        if all(self.series):
            parts = [self.bind(x.term(j), y.term(k - j)) for j in range(k + 1)]
        else:
            parts = [self.bind(x.term(k), y) if self.series[0] else self.bind(x, y.term(k))]
        return _sum(parts)


class _Quotient:
    outs: Sequence[Any]

    def __init__(self, trace: SeriesTrace, args: Sequence[Any], out: Any):
        self.args, self.out = args, out
        self.series = [trace.has(x) for x in args]

    def term(self, i: int, k: int) -> Any:
        (x, y), (quotient,) = self.args, self.outs
        if not self.series[1]:
            return div_p.bind(x.term(k), y)
        rest = neg_p.bind(_sum([mul_p.bind(quotient.term(k - j), y.term(j))
                                for j in range(1, k + 1)]))
        if self.series[0]:
            rest = add_any_p.bind(to_shape_of(x.term(k), rest), rest)
        return to_shape_of(div_p.bind(rest, y.primal), self.out)


class _ByDerivative:
    """y_k = (f'(x) x')_{k-1} / k, by the JVP rule."""

    outs: Sequence[Any]

    def __init__(self, trace: SeriesTrace, primitive: Primitive, primals: Sequence[Any],
                 args: Sequence[Any], params: dict[str, Any]):
        self.trace, self.primitive, self.params = trace, primitive, params
        self.primals, self.args = primals, args
        self.tangents: Any = None

    def term(self, i: int, k: int) -> Any:
        if self.tangents is None:
            tangents = [x.derivative() if self.trace.has(x) else Zero(tangent_aval(aval_of(x)))
                        for x in self.args]
            outs = self.trace.run_rule(self.primitive.rule("jvp"), self.primals, tangents,
                                       **self.params)[1]
            self.tangents = outs if self.primitive.multiple_results else [outs]
        tangent = self.tangents[i]
        if self.trace.has(tangent):
            return _over(tangent.term(k - 1), k)
        if type(tangent) is Zero or k > 1:
            return zeros(tangent_aval(self.outs[i].aval))
        return tangent


# ---- functions ---------------------------------------------------------------------------------

def expand(fun: Callable[..., Sequence[Any]], primals: Sequence[Any],
           series: Sequence[Sequence[Any] | None], forms: dict[Primitive, Form],
           ) -> tuple[list[Any], list[list[Any] | None]]:
    """Results of a flat function and their coefficients, for operands with coefficients of
    t, t², … (None: a constant). Results that do not depend on them have None."""
    trace = SeriesTrace(current(), forms)
    inputs = [SeriesTracer(trace, x, len(terms), terms=terms) if terms else x
              for x, terms in zip(primals, series, strict=True)]
    with use(trace):
        outs = fun(*inputs)
    return ([o.primal if trace.has(o) else o for o in outs],
            [o.all_terms() if trace.has(o) else None for o in outs])
