"""`random_gamma`: gamma draws, one key an element.

The method is Marsaglia and Tsang's ("A simple method for generating gamma variables", ACM TOMS 26,
2000): for a >= 1 and d = a - 1/3, accept d (1 + x / sqrt(9 d))³ of a normal x with a test on a
uniform u; for a < 1 draw with a + 1 and multiply by u^(1/a).
"""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax.core import config, dtypes
from arrax.core.ad_values import Zero
from arrax.core.array import array_of, from_numpy
from arrax.core.aval import ShapedArray
from arrax.core.primitive import NotApplicable, Primitive
from arrax.library import calls
from arrax.core.lowering import Choice, Expand, HostCall
from arrax.ops.arithmetic import div, mul
from arrax.ops.compare import eq, select
from arrax.ops.create import full_like
from arrax.ops.random import (KeyImplementation, drawn_width, floats_of_bits, implementation_of,
                              key_implementation, threefry, unsafe, unwrapped)
from arrax.ops.random_gamma_stablehlo import gamma_form
from arrax.ops.rules import batch_to_front
from arrax.ops.special import erf_inv_p, random_gamma_grad
from arrax.ops.transcendental import exp

_SQUEEZE = 0.0331  # of the quick acceptance test


def uniform_of(impl: KeyImplementation, keys: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """One uniform draw from [0, 1) of each key (words on the last axis)."""
    return floats_of_bits(impl.bits(keys, drawn_width(dtype), ()), dtype)


def normal_of(impl: KeyImplementation, keys: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """One standard normal draw of each key."""
    low = np.nextafter(np.array(-1, dtype), np.array(0, dtype), dtype=dtype)
    draw = uniform_of(impl, keys, dtype) * (dtype.type(1) - low) + low
    return np.asarray(dtype.type(np.sqrt(2)) * erf_inv_p.evaluate(np.maximum(low, draw)))


def _positive_cubes(impl: KeyImplementation, keys: np.ndarray, scale: np.ndarray,
                    ) -> tuple[np.ndarray, np.ndarray]:
    """Normal draws x with v = 1 + scale x > 0, and these v."""
    x, v = np.zeros_like(scale), np.full_like(scale, -1)
    todo = np.arange(len(scale))
    while todo.size:
        pair = impl.split(keys[todo], (2,))
        keys[todo] = pair[:, 0]
        x[todo] = normal_of(impl, pair[:, 1], scale.dtype)
        v[todo] = scale.dtype.type(1) + x[todo] * scale[todo]
        todo = todo[v[todo] <= 0]
    return x, v


def _rejected(x: np.ndarray, v: np.ndarray, u: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Whether the draws with x² = `x` and (1 + c x)³ = `v` are rejected for `u`."""
    number = x.dtype.type
    quick = u >= number(1) - number(_SQUEEZE) * (x * x)
    slow = np.log(u) >= x * number(0.5) + d * (number(1) - v + np.log(v))
    return np.asarray(quick & slow)


def _cubes(impl: KeyImplementation, keys: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Accepted values of v, so that d v is a gamma draw with a = d + 1/3."""
    number = d.dtype.type
    scale = number(1 / 3) / np.sqrt(d)
    out = np.ones_like(d)
    todo = np.arange(len(d))
    while todo.size:
        three = impl.split(keys[todo], (3,))
        keys[todo] = three[:, 0]
        x, root = _positive_cubes(impl, np.ascontiguousarray(three[:, 1]), scale[todo])
        x, v = x * x, root * root * root
        u = uniform_of(impl, three[:, 2], d.dtype)
        out[todo] = v
        todo = todo[_rejected(x, v, u, d[todo])]
    return out


def _evaluate(keys: np.ndarray, alpha: np.ndarray, *, log_space: bool) -> np.ndarray:
    impl = key_implementation(keys)
    words = impl.split(unwrapped(keys), alpha.shape[keys.ndim:]).reshape(-1, impl.words)
    if impl is threefry and alpha.dtype == np.float32 and config.threefry_partitionable.value:
        out = np.empty(alpha.shape, np.float32)
        calls.call_eagerly("arrax_random_gamma", (out.size, log_space), words,
                             np.ascontiguousarray(alpha), out)
        return out
    return _draw(impl, words, alpha, log_space)


def _draw(impl: KeyImplementation, words: np.ndarray, alpha: np.ndarray, log_space: bool,
          ) -> np.ndarray:
    """The draws by NumPy, all elements together."""
    a = alpha.reshape(-1)
    number = a.dtype.type
    with np.errstate(all="ignore"):
        big = a >= 1
        d = np.where(big, a, a + number(1)) - number(1 / 3)
        pair = impl.split(words, (2,))
        cubes = _cubes(impl, np.ascontiguousarray(pair[:, 0]), d)
        u = uniform_of(impl, pair[:, 1], a.dtype)
        if log_space:
            log_u = np.log1p(-u)
            boost = np.where(big | (log_u == 0), number(0), log_u * (number(1) / a))
            out = np.log(d) + np.log(cubes) + boost
        else:
            boost = np.where(big, number(1), np.power(number(1) - u, number(1) / a))
            out = d * cubes * boost
    return np.asarray(out, a.dtype).reshape(alpha.shape)


def _type_rule(keys: Any, alpha: Any, *, log_space: bool) -> Any:
    if not isinstance(keys.dtype, dtypes.KeyDType):
        raise TypeError(f"random_gamma requires a typed key array, got {keys.str_short()}")
    if keys.shape != alpha.shape[:keys.ndim] or not dtypes.issubdtype(alpha.dtype, np.floating):
        raise TypeError("random_gamma requires float parameters whose shape begins with that of "
                        f"the keys, got {keys.str_short()} and {alpha.str_short()}")
    return ShapedArray(alpha.shape, alpha.dtype)


def _jvp(primals: Any, tangents: Any, *, log_space: bool) -> Any:
    """The draw moves as if its distribution function kept its value."""
    keys, alpha = primals
    out = random_gamma_p.bind(keys, alpha, log_space=log_space)
    if type(tangents[1]) is Zero:
        return out, tangents[1]
    draw = exp(out) if log_space else out
    if log_space:
        draw = select(eq(draw, full_like(draw, 0)),
                      full_like(draw, dtypes.finfo(draw.dtype).tiny), draw)
    slope = random_gamma_grad(alpha, draw)
    return out, mul(tangents[1], div(slope, draw) if log_space else slope)


def _batch(axis: Any, operands: Any, dims: Any, *, log_space: bool) -> Any:
    keys, alpha = (batch_to_front(x, d, axis.size) for x, d in zip(operands, dims, strict=True))
    return random_gamma_p.bind(keys, alpha, log_space=log_space), 0


def _execute(keys: Any, alpha: Any, *, log_space: bool) -> Any:
    """By the generator that the aval of the keys names; their storage tells threefry from rbg."""
    data = [array_of(x)._value() for x in (keys, alpha)]
    if keys.dtype in (dtypes.key_fry, dtypes.key_rbg):
        return from_numpy(_evaluate(*data, log_space=log_space))
    return from_numpy(_evaluate_of(*data, log_space=log_space, impl=implementation_of(keys.dtype)))


def _evaluate_of(keys: np.ndarray, alpha: np.ndarray, *, log_space: bool, impl: KeyImplementation,
                 ) -> np.ndarray:
    """By the generator `impl`."""
    words = impl.split(unwrapped(keys), alpha.shape[keys.ndim:]).reshape(-1, impl.words)
    if impl is not unsafe:
        return _draw(impl, words, alpha, log_space)
    # One element after the other: keys of a batch would share one stream.
    draws = [_draw(unsafe, words[i:i + 1].copy(), a, log_space)
             for i, a in enumerate(alpha.reshape(-1, 1))]
    return np.array(draws, alpha.dtype).reshape(alpha.shape)


_ONLY_COMPILED = NotApplicable("it is what `random_gamma` is compiled to")
_OWN_LOOPS = HostCall("each element has a loop of its own")
gamma_of_p = Primitive(
    "random_gamma_of", weak_type="none", evaluate=_evaluate_of,
    type_rule=lambda keys, alpha, *, log_space, impl: _type_rule(keys, alpha, log_space=log_space),
    jvp=_ONLY_COMPILED,
    batch=_ONLY_COMPILED, lower=_OWN_LOOPS,
    stablehlo=_ONLY_COMPILED)
_BY_GENERATOR = Expand(lambda keys, alpha, *, log_space: gamma_of_p.bind(
    keys, alpha, log_space=log_space, impl=implementation_of(keys.dtype)))

random_gamma_p = Primitive(
    "random_gamma", weak_type="none", type_rule=_type_rule, evaluate=_evaluate, execute=_execute,
    jvp=_jvp, transpose=NotApplicable("random_gamma is not linear"), batch=_batch,
    lower=Choice(lambda eqn: _OWN_LOOPS if eqn.invars[0].aval.dtype in (
        dtypes.key_fry, dtypes.key_rbg) else _BY_GENERATOR),
    stablehlo=lambda b, keys, alpha, *, log_space: gamma_form(
        b, keys, alpha, log_space=log_space, drawn_width=drawn_width))
