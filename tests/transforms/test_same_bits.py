"""The same call gives the same bits every time: eager calls on large operands, the first too."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arrax as jax
import arrax.numpy as jnp
from arrax import lax, nn, random
from arrax.core.primitive import FEW, LARGE, Primitive
from arrax.core.engine import default_engine
from arrax.transforms import large_arrays
from tests.ops.all_rows import all_rows
from tests.ops.matrix import kind

SIZE = 2 ** 17 + 1
assert SIZE >= LARGE
CALLS = 5


def bits_of(result: Any) -> list[tuple[Any, Any, bytes]]:
    """What tells results apart: NaNs are equal to each other, whatever their payload."""
    out = []
    for leaf in jax.tree.leaves(result):
        data = np.array(leaf.data if hasattr(leaf, "data") else leaf)
        if kind(data.dtype) in "fc":
            data[data != data] = np.nan
        out.append((data.dtype, data.shape, data.tobytes()))
    return out


def check_same_bits(function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    first = bits_of(function(*args, **kwargs))
    for call in range(1, CALLS):
        again = bits_of(function(*args, **kwargs))
        assert again == first, f"call {call + 1} differs from call 1"


# ---- primitives ---------------------------------------------------------------------------------

def _large(x: Any, seed: int, size: int) -> Any:
    """Elements of a row's operand, again and again in another order, in one long axis."""
    x = np.asarray(x)
    if x.ndim == 0 or not x.size:
        return x
    index = np.random.default_rng(seed).integers(0, x.size, size)
    return x.reshape(-1)[index]


ROWS = {name: row for name, row in all_rows().items()
        if name.split(":")[0] in ("elementwise", "elementwise_edges", "special", "extremes")}


@pytest.mark.parametrize("size", [FEW + 1, SIZE])
@pytest.mark.parametrize("name", ROWS)
def test_rows_of_large_operands(name: str, size: int):
    row = ROWS[name]
    operands = [jnp.asarray(_large(x, 7 * i, size)) for i, x in enumerate(row.operands)]
    check_same_bits(row.function, *operands)


SUMMED = np.random.default_rng(3).standard_normal(SIZE).astype(np.float32)
X = jnp.asarray(SUMMED)
WIDE, TALL = X[:-1].reshape(512, 256), X[:-1].reshape(2 ** 16, 2)
POSITIVE = jnp.abs(X)
KEY = random.key(0)

FOLDS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = {
    f"{function.__name__} {getattr(x, 'shape', '')} {axis}": (function, (x,), {"axis": axis})
    for function in (jnp.sum, jnp.mean, jnp.prod, jnp.std, jnp.var, jnp.max, jnp.argmax,
                     jnp.linalg.norm, jnp.nansum, jnp.nanmean, jnp.nanstd, jnp.average, jnp.cumsum,
                     jnp.cumprod, jnp.median, jnp.ptp, nn.logsumexp, nn.softmax, nn.log_softmax,
                     nn.standardize, jnp.sort)
    for x in (WIDE, TALL) for axis in (0, 1)}
OTHERS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = {
    "mean": (jnp.mean, (X,), {}),
    "mean of bfloat16": (jnp.mean, (X.astype(jnp.bfloat16),), {}),
    "sum of float16": (jnp.sum, (X.astype(jnp.float16),), {}),
    "sum of complex": (jnp.sum, (lax.complex(X, X[::-1]),), {}),
    "power": (jnp.power, (POSITIVE, 1.7), {}),
    "operator": (lambda x: x ** 1.7, (POSITIVE,), {}),
    "gelu": (nn.gelu, (X,), {}),
    "silu": (nn.silu, (X,), {}),
    "outer": (jnp.outer, (X[:400], X[:400]), {}),
    "power of small ones": (lambda x: jnp.power(x[:, None], x[None]), (POSITIVE[:400],), {}),
    "linspace": (jnp.linspace, (0.0, 1.0, SIZE), {}),
    "normal": (random.normal, (KEY, (SIZE,)), {}),
    "uniform": (random.uniform, (KEY, (SIZE,)), {}),
    "gamma": (random.gamma, (KEY, 2.5, (SIZE,)), {}),
    "choice": (random.choice, (KEY, X), {"shape": (1000,), "p": POSITIVE}),
    "dot": (jnp.dot, (X, X), {}),
    "matmul": (jnp.matmul, (WIDE, WIDE.T), {}),
    "einsum": (jnp.einsum, ("ij,ij->j", WIDE, WIDE), {}),
    "vdot": (jnp.vdot, (X, X), {}),
    "cov": (jnp.cov, (WIDE[:50],), {}),
    "fft": (jnp.fft.fft, (X,), {}),
    "interp": (jnp.interp, (X, jnp.linspace(-3, 3, 50), jnp.arange(50.)), {}),
    "quantile": (jnp.quantile, (X, 0.3), {}),
    "histogram": (jnp.histogram, (X,), {}),
    "convolve": (jnp.convolve, (X, X[:9]), {}),
    "trapezoid": (jnp.trapezoid, (X,), {}),
    "grad": (jax.grad(lambda x: jnp.sum(jnp.tanh(x) ** 2)), (X,), {}),
    "complex product": (lambda x: x * x, (lax.complex(X, X[::-1]),), {}),
    "segment_sum": (jax.ops.segment_sum, (X, jnp.arange(SIZE) % 100), {"num_segments": 100}),
}
CASES = {**FOLDS, **OTHERS}


FEWER = X[: 2 * FEW]


@pytest.mark.parametrize("function", [
    nn.gelu, nn.silu, nn.softmax, nn.softplus, nn.logsumexp, jnp.sinc, jnp.std, jnp.hypot,
    lambda x: x ** 1.7, lambda x: jnp.logaddexp(x, 0.5), lambda x: jnp.log1p(jnp.exp(-x[:, None]))],
    ids=["gelu", "silu", "softmax", "softplus", "logsumexp", "sinc", "std", "hypot", "power",
         "logaddexp", "columns"])
def test_functions_of_fewer_elements_once_recorded(function: Callable[..., Any]):
    args = (FEWER, FEWER) if function is jnp.hypot else (FEWER,)
    check_same_bits(function, *args)


@pytest.mark.parametrize("name", CASES)
def test_functions_of_large_operands(name: str):
    function, args, kwargs = CASES[name]
    check_same_bits(function, *args, **kwargs)


def test_the_choice_does_not_depend_on_what_ran_before():
    x = jnp.asarray(SUMMED[: LARGE + 3])
    first = bits_of(jnp.mean(jnp.exp(x)))
    for clear in (large_arrays._programs.clear, jnp.mean.forget, jax.clear_caches):
        clear()
        assert bits_of(jnp.mean(jnp.exp(x))) == first


# ---- what `exact` promises ----------------------------------------------------------------------

def _exact_rows() -> dict[str, Any]:
    found = {}
    for name, row in all_rows().items():
        primitive = _primitive_of(row)
        if primitive is not None and primitive.exact and default_engine().has_loop(primitive):
            found[name] = row
    return found


def _primitive_of(row: Any) -> Primitive | None:
    """The primitive of a row that is one equation."""
    try:
        eqns = jax.make_jaxpr(row.function)(*row.operands).jaxpr.eqns
    except Exception:  # a row of what cannot be traced
        return None
    return eqns[0].primitive if len(eqns) == 1 else None


EXACT = _exact_rows()


@pytest.mark.parametrize("name", EXACT)
def test_exact_operations_give_the_same_bits_compiled(name: str):
    row = EXACT[name]
    operands = [jnp.asarray(x) for x in row.operands]
    primitive = _primitive_of(row)
    assert primitive is not None
    if not large_arrays.is_exact(primitive, tuple(operands)):
        pytest.skip("not for these dtypes")
    assert bits_of(jax.jit(row.function)(*operands)) == bits_of(row.function(*operands))


def test_exact_operations_are_many():
    assert len({_primitive_of(row) for row in EXACT.values()}) > 30
