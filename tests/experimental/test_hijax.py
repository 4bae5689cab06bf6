"""`arrax.experimental.hijax`: types and operations of programs under all transformations."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import arrax
import numpy as np
import pytest
from arrax import lax
from arrax import numpy as jnp
from arrax.experimental import cur_qdd, hijax
from arrax.experimental.hijax import (HiPrimitive, HiType, MutableHiType, ShapedArray,
                                      VJPHiPrimitive, register_hitype)


@dataclass(frozen=True)
class Interval:
    low: Any
    high: Any


@dataclass(frozen=True)
class IntervalType(HiType):
    shape: tuple[int, ...]

    def lo_ty(self) -> list[Any]:
        return [ShapedArray(self.shape, np.dtype("float32"))] * 2

    def lower_val(self, hi_val: Interval) -> list[Any]:
        return [hi_val.low, hi_val.high]

    def raise_val(self, *lo_vals: Any) -> Interval:
        return Interval(*lo_vals)


register_hitype(Interval, lambda i: IntervalType(jnp.shape(i.low)))


class Scale(HiPrimitive):
    def abstract_eval(self, interval: Any, factor: Any) -> Any:
        return interval, set()

    def to_lojax(self, interval: Interval, factor: Any) -> Interval:
        ends = interval.low * factor, interval.high * factor
        return Interval(jnp.minimum(*ends), jnp.maximum(*ends))

    def jvp(self, primals: Any, tangents: Any) -> Any:
        (interval, factor), (dot, factor_dot) = primals, tangents
        moved = (arrax.tree.map(lambda x, t: 100 * t * factor + x * factor_dot, interval, dot))
        return scale_p.bind(interval, factor), moved


scale_p = Scale("scale")
ONE = Interval(jnp.float32(1.), jnp.float32(2.))


def test_values_of_a_type() -> None:
    assert arrax.typeof(ONE) == IntervalType(()) and arrax.typeof(1).shape == ()
    out = arrax.jit(lambda i: scale_p.bind(i, -2.))(ONE)
    assert isinstance(out, Interval) and (out.low, out.high) == (-4, -2)
    many = arrax.vmap(lambda f: scale_p.bind(ONE, f))(jnp.array([1., -1.]))
    assert many.low.tolist() == [1, -2]
    last, _ = lax.scan(lambda i, f: (scale_p.bind(i, f), None), ONE, jnp.array([2., 3.]))
    assert (last.low, last.high) == (6, 12)


def test_derivatives_of_an_operation() -> None:
    def width(i: Interval, f: Any) -> Any:
        out = scale_p.bind(i, f)
        return out.high - out.low
    by_interval, by_factor = arrax.grad(width, (0, 1))(ONE, 2.)
    assert (by_interval.low, by_interval.high, by_factor) == (-200, 200, 1)
    assert arrax.jvp(lambda f: width(ONE, f), (2.,), (1.,))[1] == 1


class Power(VJPHiPrimitive):
    """x ** n, with a derivative that is ten times too large."""

    n: int

    def __init__(self, aval: Any, n: int):
        self.in_avals, self.out_aval, self.params = (aval,), aval, {"n": n}
        super().__init__()

    def expand(self, x: Any) -> Any:
        return x ** self.n


class Retval(Power):
    def vjp_fwd(self, nonzeros: Any, x: Any) -> Any:
        assert nonzeros == (True,)
        return self(x), x

    def vjp_bwd_retval(self, x: Any, g: Any) -> Any:
        return 10 * self.n * g * x ** (self.n - 1),


class Accumulated(Power):
    def vjp_fwd(self, nonzeros: Any, x: Any) -> Any:
        return self(x), x

    def vjp_bwd(self, x: Any, g: Any, accumulator: Any) -> None:
        for _ in range(10):
            accumulator.accum(self.n * g * x ** (self.n - 1))


class Forward(Power):
    def jvp(self, primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        return self(x), 10 * self.n * t * x ** (self.n - 1)


@pytest.mark.parametrize("kind, factor", [(Power, 1), (Retval, 10), (Accumulated, 10),
                                          (Forward, 10)])
def test_operations_with_derivatives(kind: Any, factor: int) -> None:
    def f(x: Any) -> Any:
        return kind(arrax.typeof(x), 3)(x)
    assert f(2.) == 8 and arrax.jit(f)(2.) == 8
    assert arrax.vmap(f)(jnp.arange(3.)).tolist() == [0, 1, 8]
    assert arrax.grad(f)(2.) == 12 * factor
    assert arrax.vmap(arrax.jit(arrax.grad(f)))(jnp.arange(2.)).tolist() == [0, 3 * factor]
    if kind is Forward:
        assert arrax.jvp(f, (2.,), (1.,))[1] == 120
    assert kind(arrax.typeof(2.), 3) == kind(arrax.typeof(2.), 3) != kind(arrax.typeof(2.), 4)


class Both(Retval, Accumulated):
    pass


class Counter:
    def __init__(self, count: Any):
        self.count = count

    def cur_qdd(self) -> Any:
        return arrax.typeof(self.count)


class CounterType(MutableHiType):
    pass


register_hitype(Counter, lambda c: CounterType())


class Count(HiPrimitive):
    multiple_results = True

    def impl(self, counter: Counter) -> list[Any]:
        counter.count = counter.count + 1
        return []

    def jvp(self, primals: Any, tangents: Any) -> Any:
        raise AssertionError


def test_mutable_types() -> None:
    counter = Counter(jnp.zeros(()))
    Count("count").bind(counter)
    assert counter.count == 1 and isinstance(arrax.typeof(counter), CounterType)
    assert cur_qdd(counter).shape == ()
    with pytest.raises(TypeError, match="transformations know no such types"):
        arrax.jit(lambda c: c.count)(counter)


@pytest.mark.parametrize("call, kind, message", [
    (lambda: Both(arrax.typeof(1.), 2), AttributeError, "defines both vjp_bwd and vjp_bwd_retval"),
    (lambda: VJPHiPrimitive(), AttributeError, "must set in_avals"),
    (lambda: Power(arrax.typeof(1.), 2)(1., 2.), TypeError, "takes 1 operands, got 2"),
    (lambda: HiPrimitive("nothing").bind(1.), NotImplementedError, "must define to_lojax"),
    (lambda: register_hitype(Interval, lambda i: None), ValueError, "Interval"),
    (lambda: register_hitype(3, 4), TypeError, "takes a class and a function"),
    (lambda: HiType().lo_ty(), NotImplementedError, "must define lo_ty"),
])
def test_errors(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_what_is_the_same_as_elsewhere() -> None:
    zero = hijax.Zero(ShapedArray((2,), np.dtype("float32")))
    assert hijax.instantiate_zeros(zero).tolist() == [0, 0]
    assert not hijax.is_undefined_primal(1.)
    hijax.control_flow_allowed_effects.add_type(int)
