"""`arrax.example_libraries.stax`: neural networks as pairs of functions.

A layer is a pair (init_fun, apply_fun): `init_fun(key, input_shape) -> (output_shape, params)` and
`apply_fun(params, inputs, **kwargs) -> outputs`. `serial` and `parallel` make layers of layers.

Example:
  >>> init, apply = serial(Dense(4), Relu, Dense(1))
  >>> shape, params = init(random.key(0), (-1, 3))
  >>> shape, apply(params, jnp.ones((5, 3))).shape
  ((-1, 1), (5, 1))

Source: `jax.example_libraries.stax`.
"""
from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

from arrax import lax, random
from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.nn import (elu, gelu, leaky_relu, log_softmax, relu, selu, sigmoid, softmax, softplus,
                      standardize)
from arrax.nn.initializers import glorot_normal, normal, ones, zeros

__all__ = [
    "AvgPool", "BatchNorm", "Conv", "Conv1DTranspose", "ConvTranspose", "Dense", "Dropout", "Elu",
    "Exp", "FanInConcat", "FanInSum", "FanOut", "Flatten", "Gelu", "GeneralConv",
    "GeneralConvTranspose", "Identity", "LeakyRelu", "LogSoftmax", "MaxPool", "Relu", "Selu",
    "Sigmoid", "Softmax", "Softplus", "SumPool", "Tanh", "elementwise", "elu", "gelu", "glorot",
    "glorot_normal", "leaky_relu", "log_softmax", "logsoftmax", "normal", "ones", "parallel",
    "randn", "relu", "selu", "serial", "shape_dependent", "sigmoid", "softmax", "softplus",
    "standardize", "zeros"]

Layer = tuple[Callable[..., Any], Callable[..., Any]]
logsoftmax, randn, glorot = log_softmax, normal, glorot_normal


def Dense(out_dim: int, W_init: Any = glorot_normal(), b_init: Any = normal()) -> Layer:
    """x W + b along the last axis.

    Args:
      out_dim: the size of the last axis of results.
      W_init, b_init: initializers (key, shape) → array.
    """
    def init_fun(rng: Any, input_shape: Sequence[int]) -> Any:
        weights, biases = random.split(rng)
        return (*input_shape[:-1], out_dim), (W_init(weights, (input_shape[-1], out_dim)),
                                              b_init(biases, (out_dim,)))

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        w, b = params
        return jnp.dot(inputs, w) + b
    return init_fun, apply_fun


def _general_conv(transposed: bool, dimension_numbers: Any, out_chan: int,
                  filter_shape: Sequence[int], strides: Any, padding: Any, W_init: Any,
                  b_init: Any) -> Layer:
    lhs_spec, rhs_spec, out_spec = dimension_numbers
    steps = tuple(strides or (1,) * len(filter_shape))
    weight_init = W_init or glorot_normal(rhs_spec.index("I"), rhs_spec.index("O"))

    def apply(inputs: Any, w: Any) -> Any:
        if transposed:
            return lax.conv_transpose(inputs, w, steps, padding,
                                      dimension_numbers=dimension_numbers)
        return lax.conv_general_dilated(inputs, w, steps, padding, (1,) * len(steps),
                                        (1,) * len(steps), dimension_numbers)

    def init_fun(rng: Any, input_shape: Sequence[int]) -> Any:
        sizes = iter(filter_shape)
        kernel = [out_chan if c == "O" else input_shape[lhs_spec.index("C")] if c == "I"
                  else next(sizes) for c in rhs_spec]
        bias = tuple(out_chan if c == "C" else 1 for c in out_spec)
        weights, biases = random.split(rng)
        w, b = weight_init(weights, tuple(kernel)), b_init(biases, bias)
        batch = lhs_spec.index("N")
        known = [1 if i == batch else n for i, n in enumerate(input_shape)]
        out = list(_shape_of(lambda x: apply(x, w), known))
        out[out_spec.index("N")] = input_shape[batch]
        return tuple(out), (w, b)

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        w, b = params
        return apply(inputs, w) + b
    return init_fun, apply_fun


def _shape_of(function: Callable[[Any], Any], shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of a function's result at zeros of a shape."""
    return tuple(jnp.shape(function(jnp.zeros(tuple(shape)))))


def GeneralConv(dimension_numbers: Any, out_chan: int, filter_shape: Sequence[int],
                strides: Any = None, padding: Any = "VALID", W_init: Any = None,
                b_init: Any = normal(1e-6)) -> Layer:
    """A convolution of any layout.

    Args:
      dimension_numbers: such as ("NHWC", "HWIO", "NHWC").
      out_chan: channels of results.
      filter_shape: the window's sizes.
      strides: its steps; None: 1.
      padding: "VALID", "SAME" or pairs.
      W_init, b_init: initializers.
    """
    return _general_conv(False, dimension_numbers, out_chan, filter_shape, strides, padding, W_init,
                         b_init)


def GeneralConvTranspose(dimension_numbers: Any, out_chan: int, filter_shape: Sequence[int],
                         strides: Any = None, padding: Any = "VALID", W_init: Any = None,
                         b_init: Any = normal(1e-6)) -> Layer:
    """A transposed convolution of any layout. Args: those of `GeneralConv`."""
    return _general_conv(True, dimension_numbers, out_chan, filter_shape, strides, padding, W_init,
                         b_init)


Conv = functools.partial(GeneralConv, ("NHWC", "HWIO", "NHWC"))
Conv1DTranspose = functools.partial(GeneralConvTranspose, ("NHC", "HIO", "NHC"))
ConvTranspose = functools.partial(GeneralConvTranspose, ("NHWC", "HWIO", "NHWC"))


def BatchNorm(axis: Any = (0, 1, 2), epsilon: float = 1e-5, center: bool = True, scale: bool = True,
              beta_init: Any = zeros, gamma_init: Any = ones) -> Layer:
    """Values less their mean over the standard deviation of the batch, scaled and moved.

    Args:
      axis: the axes of the statistics.
      epsilon: added to the variance.
      center, scale: whether to move and scale by parameters.
      beta_init, gamma_init: initializers of these.
    """
    axes = (axis,) if isinstance(axis, int) else tuple(axis)

    def init_fun(rng: Any, input_shape: Sequence[int]) -> Any:
        shape = tuple(d for i, d in enumerate(input_shape) if i not in axes)
        first, second = random.split(rng)
        return tuple(input_shape), (beta_init(first, shape) if center else (),
                                    gamma_init(second, shape) if scale else ())

    def apply_fun(params: Any, x: Any, **kwargs: Any) -> Any:
        beta, gamma = params
        place = tuple(None if i in axes else slice(None) for i in range(jnp.ndim(x)))
        z = standardize(x, axes, epsilon=epsilon)
        if scale:
            z = gamma[place] * z
        return z + beta[place] if center else z
    return init_fun, apply_fun


def elementwise(fun: Callable[..., Any], **fun_kwargs: Any) -> Layer:
    """A layer without parameters that applies a function to each element."""
    return (lambda rng, input_shape: (input_shape, ())), \
        (lambda params, inputs, **kwargs: fun(inputs, **fun_kwargs))


Tanh = elementwise(jnp.tanh)
Relu = elementwise(relu)
Exp = elementwise(jnp.exp)
LogSoftmax = elementwise(log_softmax, axis=-1)
Softmax = elementwise(softmax, axis=-1)
Softplus = elementwise(softplus)
Sigmoid = elementwise(sigmoid)
Elu = elementwise(elu)
LeakyRelu = elementwise(leaky_relu)
Selu = elementwise(selu)
Gelu = elementwise(gelu)


def _pooling(combine: Any, start: Any, rescale: Any = None) -> Callable[..., Layer]:
    def pool(window_shape: Sequence[int], strides: Any = None, padding: Any = "VALID",
             spec: str | None = None) -> Layer:
        """A layer that combines the values in windows.

        Args:
          window_shape: the window's sizes. strides: its steps; None: 1. padding: "VALID" or "SAME".
          spec: the layout of inputs, "NHWC" by default.
        """
        steps = tuple(strides or (1,) * len(window_shape))
        layout = spec or "N" + "HWD"[:len(window_shape)] + "C" if len(window_shape) != 2 \
            else spec or "NHWC"
        sizes, moves = list(window_shape), list(steps)
        for i in sorted((layout.index("N"), layout.index("C"))):
            sizes.insert(i, 1)
            moves.insert(i, 1)

        def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
            out = lax.reduce_window(inputs, start, combine, tuple(sizes), tuple(moves), padding)
            return rescale(out, inputs, sizes, moves, padding) if rescale else out

        def init_fun(rng: Any, input_shape: Sequence[int]) -> Any:
            batch = layout.index("N")
            known = [1 if i == batch else n for i, n in enumerate(input_shape)]
            out = list(_shape_of(lambda x: apply_fun((), x), known))
            out[batch] = input_shape[batch]
            return tuple(out), ()
        return init_fun, apply_fun
    return pool


def _over_counts(out: Any, inputs: Any, sizes: Any, moves: Any, padding: Any) -> Any:
    """Sums over the numbers of values in each window, which are fewer at the edges."""
    counts = lax.reduce_window(jnp.ones(inputs.shape, inputs.dtype), 0.0, lax.add, tuple(sizes),
                               tuple(moves), padding)
    return out / counts


MaxPool = _pooling(lax.max, -jnp.inf)
SumPool = _pooling(lax.add, 0.0)
AvgPool = _pooling(lax.add, 0.0, _over_counts)


def _flatten_init(rng: Any, input_shape: Sequence[int]) -> Any:
    return (input_shape[0], functools.reduce(operator.mul, input_shape[1:], 1)), ()


Flatten: Layer = (_flatten_init,
                  lambda params, inputs, **kwargs: jnp.reshape(inputs, (inputs.shape[0], -1)))
Identity: Layer = ((lambda rng, input_shape: (input_shape, ())),
                   lambda params, inputs, **kwargs: inputs)


def FanOut(num: int) -> Layer:
    """The input, `num` times, as a list for `parallel`."""
    return (lambda rng, input_shape: ([input_shape] * num, ())), \
        (lambda params, inputs, **kwargs: [inputs] * num)


FanInSum: Layer = ((lambda rng, input_shape: (input_shape[0], ())),
                   lambda params, inputs, **kwargs: sum(inputs))


def FanInConcat(axis: int = -1) -> Layer:
    """A list of inputs, joined along an axis."""
    def init_fun(rng: Any, input_shape: Any) -> Any:
        place = axis % len(input_shape[0])
        total = sum(shape[place] for shape in input_shape)
        return (*input_shape[0][:place], total, *input_shape[0][place + 1:]), ()
    return init_fun, lambda params, inputs, **kwargs: jnp.concatenate(inputs, axis)


def Dropout(rate: float, mode: str = "train") -> Layer:
    """In training, keeps each value with probability `rate`, over `rate`; else passes it on.

    Args:
      rate: the probability of keeping.
      mode: "train", or anything else for no dropout.

    The layer's `apply_fun` needs a key, `rng=`, in training; without it ValueError.
    """
    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        rng = kwargs.get("rng")
        if rng is None:
            raise ValueError("the apply_fun of a Dropout layer needs a PRNG key in training: "
                             "apply_fun(params, inputs, rng=random.key(0))")
        if mode != "train":
            return inputs
        keep = random.bernoulli(rng, rate, jnp.shape(inputs))
        return jnp.where(keep, inputs / rate, 0)
    return (lambda rng, input_shape: (input_shape, ())), apply_fun


def serial(*layers: Layer) -> Layer:
    """Layers one after the other; parameters are a list, and each layer gets a key of its own."""
    inits, applies = zip(*layers) if layers else ((), ())

    def init_fun(rng: Any, input_shape: Any) -> Any:
        params = []
        for init in inits:
            rng, layer_rng = random.split(rng)
            input_shape, param = init(layer_rng, input_shape)
            params.append(param)
        return input_shape, params

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        rng = kwargs.pop("rng", None)
        keys = random.split(rng, len(layers)) if rng is not None else (None,) * len(layers)
        for apply, param, key in zip(applies, params, keys, strict=True):
            inputs = apply(param, inputs, rng=key, **kwargs)
        return inputs
    return init_fun, apply_fun


def parallel(*layers: Layer) -> Layer:
    """Layers side by side, each on one of a list of inputs; results are a list."""
    inits, applies = zip(*layers)

    def init_fun(rng: Any, input_shape: Any) -> Any:
        keys = random.split(rng, len(layers))
        shapes, params = zip(*[init(key, shape) for init, key, shape
                               in zip(inits, keys, input_shape, strict=True)])
        return list(shapes), list(params)

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        rng = kwargs.pop("rng", None)
        keys = random.split(rng, len(layers)) if rng is not None else (None,) * len(layers)
        return [apply(param, x, rng=key, **kwargs) for apply, param, x, key
                in zip(applies, params, inputs, keys, strict=True)]
    return init_fun, apply_fun


def shape_dependent(make_layer: Callable[[Any], Layer]) -> Layer:
    """A layer that is made when the shape of its input is known, by `make_layer(input_shape)`."""
    def init_fun(rng: Any, input_shape: Any) -> Any:
        return make_layer(input_shape)[0](rng, input_shape)

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        return make_layer(jnp.shape(inputs))[1](params, inputs, **kwargs)
    return init_fun, apply_fun

__dir__ = _listing(__name__)
