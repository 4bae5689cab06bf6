"""Broken jaxprs are refused, with the equation and its neighbours in the message."""
from __future__ import annotations

import numpy as np
import pytest

from arrax.core.checker import CheckError, check_jaxpr
from arrax.core.effects import Effect
from arrax.core.jaxpr import ClosedJaxpr, DropVar, Eqn, Jaxpr, Literal, Var
from arrax.core.parser import parse_jaxpr
from arrax.ops import shape  # noqa: F401 - declares primitives
from arrax.transforms import jit  # noqa: F401

GOOD = """{ lambda ; a:f32[3,4]. let
    b:f32[4,3] = transpose[permutation=(1, 0)] a
    c:f32[3,4] = jit[
      name=flip
      jaxpr={ lambda ; b:f32[4,3]. let
          c:f32[3,4] = transpose[permutation=(1, 0)] b
        in (c,) }
    ] b
    d:f32[2] = broadcast_in_dim 1.0:f32[]
  in (c, d) }"""


def changed(**fields):
    """GOOD with the first equation's fields replaced."""
    jaxpr = parse_jaxpr(GOOD)
    return jaxpr.replace(eqns=[jaxpr.eqns[0].replace(**fields), *jaxpr.eqns[1:]])


def test_good():
    check_jaxpr(parse_jaxpr(GOOD), weak_types=True)
    check_jaxpr(ClosedJaxpr(parse_jaxpr("{ lambda a:f32[2]; . let  in (a,) }"),
                            [np.ones(2, np.float32)]))


@pytest.mark.parametrize("old,new,message", [
    ("b:f32[4,3] = transpose", "b:f32[4,4] = transpose",
     r"Equation 0 \(transpose\): result 0 has type f32\[4,4\], its type rule gives f32\[4,3\]"),
    ("c:f32[3,4] = jit", "c:f32[5,4] = jit", r"Equation 1 \(jit\): result 0 has type f32\[5,4\]"),
    ("lambda ; b:f32[4,3]", "lambda ; b:f32[4,5]",
     r"Equation 0 \(transpose\): result 0 [^$]*Equation 1 \(jit\): carries the jaxpr above"),
    ("permutation=(1, 0)] a", "permutation=(1, 2)] a", "its type rule fails"),
])
def test_types(old, new, message):
    with pytest.raises(CheckError, match=message):
        check_jaxpr(parse_jaxpr(GOOD.replace(old, new)))


def test_message_shows_neighbours():
    with pytest.raises(CheckError) as error:
        check_jaxpr(parse_jaxpr(GOOD.replace("d:f32[2] =", "d:f64[2] =")))
    assert "\n  > " in str(error.value) and "transpose[permutation=(1, 0)]" in str(error.value)
    assert "from <unknown>" in str(error.value)


def test_binding():
    jaxpr = parse_jaxpr(GOOD)
    first, second, third = jaxpr.eqns
    with pytest.raises(CheckError, match=r"used but not bound before"):
        check_jaxpr(jaxpr.replace(eqns=[second, first, third]))
    with pytest.raises(CheckError, match="bound twice"):
        check_jaxpr(jaxpr.replace(eqns=[first, first, second, third]))
    with pytest.raises(CheckError, match="Parameters of a jaxpr: .* bound twice"):
        check_jaxpr(jaxpr.replace(invars=jaxpr.invars * 2))
    with pytest.raises(CheckError, match="Outputs of a jaxpr: .* not bound"):
        check_jaxpr(jaxpr.replace(outvars=[Var(jaxpr.invars[0].aval)]))
    with pytest.raises(CheckError, match="neither a variable nor a literal"):
        check_jaxpr(changed(invars=[3]))
    with pytest.raises(CheckError, match="dropped result is used"):
        check_jaxpr(changed(invars=[DropVar(jaxpr.invars[0].aval)]))


def test_literals_and_effects():
    aval = parse_jaxpr(GOOD).invars[0].aval
    scalar = aval.update(shape=())
    for literal, message in [(Literal(np.ones((3, 4), np.float32), aval), "is no scalar"),
                             (Literal(np.float64(1), scalar), "of dtype float64 has type")]:
        with pytest.raises(CheckError, match=message):
            check_jaxpr(changed(invars=[literal]))
    effect = frozenset({Effect("noise")})
    with pytest.raises(CheckError, match="has effects"):
        check_jaxpr(changed(effects=effect))
    with pytest.raises(CheckError, match="are not listed"):
        jaxpr = parse_jaxpr(GOOD)
        eqn = Eqn(jaxpr.eqns[0].primitive, (), (), {}, effect)
        check_jaxpr(_listed(jaxpr, eqn))


def _listed(jaxpr, eqn):
    """`jaxpr` with an effectful equation whose effect the jaxpr does not list."""
    from arrax.core.primitive import registry
    noisy = registry.get("test_noise")
    if noisy is None:
        from arrax.core.primitive import Primitive
        noisy = Primitive("test_noise", multiple_results=True, type_rule=list,
                          effects=eqn.effects)
    eqns = [eqn.replace(primitive=noisy)]
    return Jaxpr([], [], [], eqns, effects=frozenset())


def test_consts():
    jaxpr = parse_jaxpr("{ lambda a:f32[2]; . let  in (a,) }")
    with pytest.raises(CheckError, match=r"const 0 has type f32\[3\], its constvar f32\[2\]"):
        check_jaxpr(ClosedJaxpr(jaxpr, [np.ones(3, np.float32)]))
