"""Calls of `arrax.random` whose results are known: what `recorded.json` and the parity test hold.

Each call is text, because it is evaluated under arrax and under JAX. `k` is `key(0)`, `o` is
`PRNGKey(0)`, `R` the random module, `c` a batch of keys; every mode sets configuration flags.
"""
from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

MODES: dict[str, dict[str, Any]] = {
    "default": {},
    "x64": {"enable_x64": True},
    "original": {"threefry_partitionable": False},
    "rbg": {"default_prng_impl": "rbg"},
    "unsafe_rbg": {"default_prng_impl": "unsafe_rbg"},
    "high gumbel": {"high_dynamic_range_gumbel": True},
}

# Draws of a shape and a dtype.
PLAIN = ["uniform", "normal", "exponential", "cauchy", "laplace", "logistic", "gumbel", "maxwell"]
# Draws with parameters; `D` stands for the dtype of the draw.
WITH_PARAMETERS = {
    "truncated_normal": ["-1,1", "-2.5,jnp.array([0.,.5,3.],D)"],
    "pareto": ["2.", "jnp.array([.3,1.,7.],D)"],
    "rayleigh": ["1.", "jnp.array([.5,2.,30.],D)"],
    "weibull_min": ["1,2", "2.5,jnp.array([.5,1.,4.],D)"],
    "triangular": ["0,1,2", "-1,jnp.array([-.5,0.,.5],D),1"],
    "lognormal": ["1.5", "jnp.array([.1,1.,2.],D)"],
    "double_sided_maxwell": ["1.,2."],
    "wald": ["1.", "jnp.array([.2,1.,5.],D)"],
    "gamma": [".3", "jnp.array([.5,1.,30.],D)"],
    "loggamma": [".01", "jnp.array([.5,1.,30.],D)"],
    "beta": [".5,2.", "jnp.array([.1,1.,30.],D),2"],
    "dirichlet": ["jnp.array([.5,2.,3.],D)", "jnp.ones(4,D)"],
    "chisquare": ["3", "jnp.array([1.,2.,40.],D)"],
    "f": ["3.,5", "2.,jnp.array([[1.,4.,9.]],D)"],
    "t": ["3.", "jnp.array([1.,2.,40.],D)"],
    "generalized_normal": ["3.", "1."],
    "ball": ["3,2", "2,1", "4,jnp.inf"],
    "binomial": ["10,.5", "jnp.array([3.,30.,300.],D),.3"],
    "multivariate_normal": ["jnp.zeros(2,D),jnp.array([[2.,.5],[.5,1.]],D)"],
}
COUNTS = {"poisson": ["2.", "jnp.array([.5,9.,80.])"], "geometric": [".3", "jnp.array([.1,.5,.9])"],
          "rademacher": [""]}
FLOATS = ["jnp.float16", "jnp.bfloat16", "jnp.float32"]
INTEGERS = [f"jnp.{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32)]
SHAPES = ["()", "(0,3)", "(1,)", "(7,)", "(2,5,3)"]


def call(name: str, parameters: str, shape: str, dtype: str = "") -> str:
    """The text of a call."""
    comma = "," if parameters else ""
    return f"R.{name}(k,{parameters}{comma}shape={shape}{',dtype=' + dtype if dtype else ''})"


def _fits(parameters: str) -> str:
    return "(2,3)" if "array" in parameters else "(4,)"


def _grid(floats: list[str], integers: list[str]) -> list[str]:
    out = [call(name, "", "(7,)", dtype) for name in PLAIN for dtype in floats]
    for name, choices in WITH_PARAMETERS.items():
        for parameters in choices:
            shape = "(3,)" if name in ("dirichlet", "ball", "multivariate_normal") \
                else _fits(parameters)
            out += [call(name, parameters.replace("D", dtype), shape, dtype) for dtype in floats
                    if name != "multivariate_normal" or "16" not in dtype]
    for name, choices in COUNTS.items():
        out += [call(name, parameters, _fits(parameters), dtype)
                for parameters in choices for dtype in integers]
    return out


RANDINT = [f"R.randint(k,(6,),{low},{high},{dtype})" for dtype in INTEGERS
           for low, high in [("0", "10"), ("-100", "100"), ("0", "2**31-1"), ("-5", "-2"),
                             ("jnp.int8(-3)", "jnp.uint8(200)"), ("4", "4")]]
OTHERS = [
    *[call("bits", "", shape, dtype) for shape in SHAPES
      for dtype in ("jnp.uint8", "jnp.uint16", "jnp.uint32")],
    *[call(name, "", shape) for name in ("uniform", "normal", "gumbel") for shape in SHAPES],
    *[f"R.choice(k,{a},{shape}{replace}{p})" for a in ("5", "jnp.arange(5.)*2")
      for shape in ("()", "(3,)", "(2,2)") for replace in ("", ",False")
      for p in ("", ",p=jnp.array([.1,.2,.3,.2,.2])")],
    *[f"R.permutation(k,{x})" for x in ("5", "100", "1", "jnp.arange(6.).reshape(2,3)",
                                        "jnp.arange(6.).reshape(2,3),axis=1",
                                        "jnp.arange(6.).reshape(2,3),axis=1,independent=True",
                                        "jnp.arange(9,dtype=jnp.uint8)", "jnp.zeros((0,3))")],
    *[f"R.categorical(k,jnp.arange(6.).reshape(2,3){more})" for more in (
        "", ",axis=0", ",shape=(4,2)", ",mode='high'", ",shape=(3,2),replace=False")],
    "R.categorical(k,jnp.arange(6.,dtype=jnp.bfloat16))",
    "R.bernoulli(k,.3,(7,))", "R.bernoulli(k,jnp.array([.1,.5,.9]),(2,3))",
    "R.bernoulli(k,.3,(7,),mode='high')", "R.bernoulli(k,jnp.bfloat16(.3),(7,))",
    "R.gumbel(k,(5,),mode='high')", "R.gumbel(k,(5,),jnp.bfloat16,mode='high')",
    "R.uniform(k,(5,),minval=-3,maxval=7.5)", "R.uniform(k,(5,),jnp.float16,-3,7)",
    "R.uniform(k,(2,3),jnp.float32,jnp.arange(3.),jnp.arange(3.)+.5)",
    "R.normal(k,(4,),jnp.complex64)", "R.lognormal(k,.5,(3,),jnp.complex64)",
    "R.orthogonal(k,3)", "R.orthogonal(k,3,(2,),m=2)", "R.orthogonal(k,2,(2,),m=3)",
    "R.orthogonal(k,3,(),jnp.complex64)", "R.orthogonal(k,0)", "R.orthogonal(k,1,(3,))",
    *[f"R.multivariate_normal(k,jnp.arange(2.),jnp.array([[2.,.5],[.5,1.]]),(3,),"
      f"method='{method}')" for method in ("cholesky", "eigh", "svd")],
    "R.multinomial(k,5,jnp.array([.2,.3,.5]))",
    "R.multinomial(k,jnp.array([5.,80.]),jnp.array([[.2,.3,.5],[.1,.1,.8]]))",
    "R.multinomial(k,50.,jnp.array([.2,.3,.5]),shape=(4,3))",
    "R.poisson(k,jnp.array([0.,3.,20.,100.,1e6,jnp.nan,jnp.inf]))",
    "R.binomial(k,jnp.array([0.,5.,100.,1000.,1e6]),jnp.array([.3,.8,.5,.01,.7]))",
    "R.binomial(k,jnp.array([0.,jnp.nan,-1.,jnp.inf,1e6]),.3)",
    "R.binomial(k,10,jnp.array([0.,jnp.nan,-1.,1.,2.]))",
    "R.gamma(k,jnp.array([0.,jnp.nan,-1.,jnp.inf,1e-5]))",
    "R.loggamma(k,jnp.array([1e-4,.001,1e4]))", "R.geometric(k,jnp.array([0.,1.,.5]))",
    "R.truncated_normal(k,jnp.array([-jnp.inf,5.,0.]),jnp.array([jnp.inf,6.,0.]))",
    "R.ball(k,3,1.5,(2,))", "R.double_sided_maxwell(k,jnp.arange(3.),1.,(2,))",
]
KEYS = [
    "R.key_data(k)", "R.key_data(R.split(k,3))", "R.key_data(R.split(k,(2,2)))",
    "R.key_data(R.split(k,(0,)))", "R.split(o)", "R.split(o,(2,1))", "R.fold_in(o,7)",
    "R.fold_in(o,2**32-1)", "R.fold_in(o,np.uint8(3))", "R.fold_in(o,jnp.int32(-1))",
    "R.key_data(R.clone(k))", "R.clone(o)", "R.key_data(R.wrap_key_data(R.key_data(k)))",
    "R.PRNGKey(-1)", "R.PRNGKey(2**31-1)", "R.PRNGKey(np.int64(2**40+3))", "R.PRNGKey(True)",
    "R.key_data(R.key(np.uint8(7)))", "jax.vmap(R.PRNGKey)(jnp.arange(3))",
    "jax.jit(R.PRNGKey)(5)", "R.key_data(jax.jit(R.key)(5))",
    "jax.vmap(R.fold_in,(None,0))(o,jnp.arange(3))", "jax.vmap(lambda k:R.bits(k,(3,)))(c)",
    "jax.vmap(lambda k:R.uniform(k,(3,)))(c)", "jax.vmap(lambda k:R.key_data(R.split(k)))(c)",
    "jax.vmap(lambda k:R.normal(k,(2,2)))(c)", "jax.vmap(lambda k:R.randint(k,(2,),0,9))(c)",
    "jax.vmap(jax.vmap(lambda k:R.bits(k,(2,))))(c[:2].reshape(2,1))",
    "jax.vmap(lambda k:R.permutation(k,5))(c)", "jax.vmap(lambda k:R.gamma(k,2.))(c)",
    "jax.vmap(lambda i:R.uniform(k,(2,))+i)(jnp.arange(2.))",
    "jax.vmap(lambda l:R.uniform(k,(2,),minval=l))(jnp.arange(2.))",
    "jax.lax.scan(lambda k,_:(R.split(k,1)[0],R.bits(k)),k,None,3)[1]",
    "jax.lax.scan(lambda t,k:(t,R.bits(k)),0,c)[1]",
    "jax.lax.map(lambda k:R.key_data(R.fold_in(k,1)),c)",
    "jax.jit(lambda k:R.key_data(R.split(k,3)))(k)", "jax.jit(lambda k:R.bits(k,(9,),'uint8'))(k)",
    "jax.jit(lambda k:R.bits(k,(5,),'uint16'))(k)", "jax.jit(lambda k:R.normal(k,(5,)))(o)",
    "R.key_data(jnp.stack([k,R.key(1)])[1])", "R.key_data(c[1:])", "R.key_data(c[::-1])",
    "R.key_data(jnp.where(jnp.array([True,False,True]),c,k))",
    "R.key_data(jax.lax.cond(True,lambda k:R.split(k)[0],lambda k:k,k))",
    "jax.grad(lambda a:R.gamma(k,a))(2.)", "jax.grad(lambda a:R.loggamma(k,a))(.5)",
    "jax.grad(lambda a:R.beta(k,a,1.))(.5)", "jax.grad(lambda s:R.lognormal(k,s))(.5)",
    "jax.grad(lambda a:R.dirichlet(k,a)[0])(jnp.ones(3))",
    "jax.grad(lambda m:R.truncated_normal(k,-m,m))(1.)",
    "jax.grad(lambda m:R.t(k,m))(3.)", "jax.grad(lambda m:R.wald(k,m))(1.5)",
    "jax.grad(lambda m:R.uniform(k,minval=m,maxval=m*2))(1.5)",
]
WIDE = [
    *_grid(["jnp.float64"], ["jnp.int64", "jnp.uint64"]),
    "R.bits(k,(3,))", "R.bits(k,(2,2),jnp.uint64)", "R.uniform(k,(3,))", "R.normal(k,(3,))",
    "R.normal(k,(3,),jnp.complex128)", "R.randint(k,(3,),0,10)", "R.key_data(R.key(-1))",
    "R.randint(k,(3,),-2**62,2**62)", "R.randint(k,(3,),0,2**63-1)", "R.PRNGKey(2**40+3)",
    "R.randint(k,(3,),0,300,jnp.uint8)", "R.choice(k,5,(3,))", "R.permutation(k,5)",
    "R.bernoulli(k,.3,(3,))", "R.poisson(k,4.,(3,))", "R.categorical(k,jnp.arange(3.))",
    "R.orthogonal(k,2)", "R.bits(k,(3,),jnp.uint16)", "R.fold_in(o,3)", "R.binomial(k,30,.4,(3,))",
]
FEW = [
    "R.PRNGKey(7)", "R.key_data(R.split(k,3))", "R.key_data(R.split(k,(2,3)))",
    "R.key_data(R.fold_in(k,7))", "R.key_data(R.clone(k))", "R.fold_in(o,7)", "R.split(o)",
    *[call("bits", "", shape, dtype) for shape in SHAPES[1:]
      for dtype in ("jnp.uint8", "jnp.uint16", "jnp.uint32")],
    "R.uniform(k,(7,))", "R.normal(k,(7,))", "R.normal(k,(7,),jnp.bfloat16)",
    "R.randint(k,(7,),0,10)", "R.permutation(k,9)", "R.choice(k,5,(3,))", "R.gamma(k,2.,(3,))",
    "R.categorical(k,jnp.arange(6.).reshape(2,3))", "R.rademacher(k,(5,))",
    "R.binomial(k,30,.4,(3,))", "R.truncated_normal(k,-1,1,(3,))", "R.orthogonal(k,2)",
    "jax.vmap(lambda k:R.bits(k,(3,)))(c)", "jax.vmap(lambda k:R.key_data(R.split(k)))(c)",
    "jax.vmap(lambda k,i:R.key_data(R.fold_in(k,i)))(c,jnp.arange(3))",
    "jax.vmap(lambda i:R.key_data(R.fold_in(k,i)))(jnp.arange(3))",
    "jax.vmap(lambda k:R.uniform(k,(2,)))(c)", "jax.jit(lambda k:R.normal(k,(5,)))(k)",
    "jax.vmap(jax.vmap(lambda k:R.bits(k,(3,),'uint8')))(R.split(k,(2,2)))",
    "jax.lax.scan(lambda k,_:(R.split(k,1)[0],R.bits(k)),k,None,3)[1]",
]
CALLS: dict[str, list[str]] = {
    "default": [*_grid(FLOATS, INTEGERS), *RANDINT, *OTHERS, *KEYS],
    "x64": WIDE,
    "original": [*FEW, "R.poisson(k,3.,(4,))", "R.bits(k)", "R.bits(k,(1,3,3))"],
    "rbg": FEW,
    "unsafe_rbg": FEW,
    "high gumbel": ["R.gumbel(k,(5,))", "R.categorical(k,jnp.arange(6.).reshape(2,3))"],
}


@contextlib.contextmanager
def mode(package: ModuleType, name: str) -> Iterator[None]:
    """The flags of a mode, set in arrax or JAX."""
    flags = {f"jax_{flag}": value for flag, value in MODES[name].items()}
    before = {flag: getattr(package.config, flag) for flag in flags}
    try:
        for flag, value in flags.items():
            package.config.update(flag, value)
        yield
    finally:
        for flag, value in before.items():
            package.config.update(flag, value)


def draw(package: ModuleType, name: str, text: str) -> Any:
    """What the call gives under a package (arrax or JAX) in a mode."""
    with mode(package, name):
        random = package.random
        key = random.key(0)
        scope = {"jax": package, "jnp": package.numpy, "np": np, "R": random, "k": key,
                 "o": random.PRNGKey(0), "c": random.split(key, 3)}
        return eval(text, scope)  # the table is ours
