"""`arrax.example_libraries.optimizers`: gradient descent and its kin, as triples of functions.

An optimizer is written for one array: `init(x) -> state`, `update(i, g, state) -> state` and
`params(state) -> x`; the decorator `optimizer` lifts the three to pytrees of arrays. Its states are
`OptimizerState`s, pytrees that go through `jit`.

Example, of the use of each of them:
  >>> opt_init, opt_update, get_params = sgd(0.1)
  >>> state = opt_init({"w": jnp.array([1.0])})
  >>> state = opt_update(0, {"w": jnp.array([2.0])}, state)
  >>> get_params(state)
  {'w': Array([0.8], dtype=float32)}

Source: `jax.example_libraries.optimizers`.
"""
from __future__ import annotations

import functools
from collections import namedtuple
from collections.abc import Callable
from typing import Any, NamedTuple

from arrax import numpy as jnp
from arrax import tree_util
from arrax.core import pytree
from arrax.core.lazy import listing as _listing

__all__ = [
    "InitFn", "JoinPoint", "Optimizer", "OptimizerState", "ParamsFn", "Schedule", "Step",
    "UpdateFn", "adagrad", "adam", "adamax", "clip_grads", "constant", "exponential_decay",
    "inverse_time_decay", "l2_norm", "make_schedule", "momentum", "nesterov", "optimizer",
    "pack_optimizer_state", "piecewise_constant", "polynomial_decay", "rmsprop", "rmsprop_momentum",
    "sgd", "sm3", "unpack_optimizer_state"]

Step = int
InitFn = Callable[[Any], Any]
UpdateFn = Callable[[Any, Any, Any], Any]
ParamsFn = Callable[[Any], Any]
Schedule = Callable[[Any], Any]

OptimizerState = namedtuple("OptimizerState", ["packed_state", "tree_def", "subtree_defs"])
tree_util.register_pytree_node(
    OptimizerState, lambda s: ((s.packed_state,), (s.tree_def, s.subtree_defs)),
    lambda aux, children: OptimizerState(children[0], *aux))


class Optimizer(NamedTuple):
    """The three functions of an optimizer.

    Fields:
      init_fn: parameters → state.
      update_fn: (step number, gradients, state) → state.
      params_fn: state → parameters.
    """

    init_fn: InitFn
    update_fn: UpdateFn
    params_fn: ParamsFn


Maker = Callable[..., tuple[InitFn, UpdateFn, ParamsFn]]


def optimizer(opt_maker: Maker) -> Callable[..., Optimizer]:
    """Lift an optimizer of one array to pytrees of arrays.

    Args:
      opt_maker: a function that returns (init, update, params) for single arrays.

    Returns: a function of the same arguments that returns an `Optimizer`.

    Errors: TypeError where the gradients' tree is not that of the parameters.
    """
    @functools.wraps(opt_maker)
    def tree_opt_maker(*args: Any, **kwargs: Any) -> Optimizer:
        init, update, get_params = opt_maker(*args, **kwargs)

        def tree_init(x0_tree: Any) -> OptimizerState:
            leaves, tree = pytree.tree_flatten(x0_tree)
            parts = [pytree.tree_flatten(init(x)) for x in leaves]
            return OptimizerState([state for state, _ in parts], tree,
                                  tuple(structure for _, structure in parts))

        def tree_update(i: Any, grad_tree: Any, opt_state: OptimizerState) -> OptimizerState:
            states, tree, structures = opt_state
            grads, grads_tree = pytree.tree_flatten(grad_tree)
            if grads_tree != tree:
                raise TypeError("optimizer update function was passed a gradient tree that did not "
                                f"match the parameter tree structure with which it was "
                                f"initialized: parameter tree {tree} and grad tree {grads_tree}.")
            new = []
            for grad, state, structure in zip(grads, states, structures, strict=True):
                leaves, new_structure = pytree.tree_flatten(
                    update(i, grad, structure.unflatten(state)))
                if new_structure != structure:
                    raise TypeError("optimizer update function produced an output structure that "
                                    "did not match its input structure: input "
                                    f"{structure} and output {new_structure}.")
                new.append(leaves)
            return OptimizerState(new, tree, structures)

        def tree_params(opt_state: OptimizerState) -> Any:
            states, tree, structures = opt_state
            return tree.unflatten([get_params(structure.unflatten(state))
                                   for state, structure in zip(states, structures, strict=True)])
        return Optimizer(tree_init, tree_update, tree_params)
    return tree_opt_maker


# ---- optimizers --------------------------------------------------------------------------------

@optimizer
def sgd(step_size: Any) -> tuple[InitFn, UpdateFn, ParamsFn]:
    """Stochastic gradient descent: x ← x - α g.

    Args:
      step_size: α, a number or a schedule (step number → number).
    """
    rate = make_schedule(step_size)
    return (lambda x0: x0), (lambda i, g, x: x - rate(i) * g), (lambda x: x)


@optimizer
def momentum(step_size: Any, mass: float) -> tuple[InitFn, UpdateFn, ParamsFn]:
    """Descent with momentum: v ← μ v + g, x ← x - α v.

    Args:
      step_size: α, a number or a schedule.
      mass: μ.
    """
    rate = make_schedule(step_size)

    def update(i: Any, g: Any, state: Any) -> Any:
        x, velocity = state
        velocity = mass * velocity + g
        return x - rate(i) * velocity, velocity
    return _with_zeros, update, _first


@optimizer
def nesterov(step_size: Any, mass: float) -> tuple[InitFn, UpdateFn, ParamsFn]:
    """Descent with Nesterov's momentum: v ← μ v + g, x ← x - α (μ v + g).

    Args:
      step_size: α, a number or a schedule.
      mass: μ.
    """
    rate = make_schedule(step_size)

    def update(i: Any, g: Any, state: Any) -> Any:
        x, velocity = state
        velocity = mass * velocity + g
        return x - rate(i) * (mass * velocity + g), velocity
    return _with_zeros, update, _first


@optimizer
def adagrad(step_size: Any, momentum: float = 0.9) -> tuple[InitFn, UpdateFn, ParamsFn]:
    """Adagrad (Duchi et al., 2011), with momentum: steps shrink with the sum of squared gradients.

    Args:
      step_size: a number or a schedule.
      momentum: of the steps.
    """
    rate = make_schedule(step_size)

    def update(i: Any, g: Any, state: Any) -> Any:
        x, squares, mean = state
        squares = squares + jnp.square(g)
        scaled = g * jnp.where(squares > 0, 1 / jnp.sqrt(jnp.where(squares > 0, squares, 1)), 0)
        mean = (1 - momentum) * scaled + momentum * mean
        return x - rate(i) * mean, squares, mean
    return (lambda x0: (x0, jnp.zeros_like(x0), jnp.zeros_like(x0))), update, _first


@optimizer
def rmsprop(step_size: Any, gamma: float = 0.9,
            eps: float = 1e-8) -> tuple[InitFn, UpdateFn, ParamsFn]:
    """RMSProp (Hinton, 2012): steps over the root of the mean of squared gradients.

    Args:
      step_size: a number or a schedule.
      gamma: how slowly the mean forgets.
      eps: added to the mean, against division by zero.
    """
    rate = make_schedule(step_size)

    def update(i: Any, g: Any, state: Any) -> Any:
        x, mean = state
        mean = mean * gamma + jnp.square(g) * (1 - gamma)
        return x - rate(i) * g / jnp.sqrt(mean + eps), mean
    return _with_zeros, update, _first


@optimizer
def rmsprop_momentum(step_size: Any, gamma: float = 0.9, eps: float = 1e-8,
                     momentum: float = 0.9) -> tuple[InitFn, UpdateFn, ParamsFn]:
    """RMSProp with momentum: v ← μ v + α g / √(mean + ε), x ← x - v.

    Args:
      step_size: α, a number or a schedule.
      gamma, eps: as in `rmsprop`.
      momentum: μ.
    """
    rate = make_schedule(step_size)

    def update(i: Any, g: Any, state: Any) -> Any:
        x, mean, velocity = state
        mean = mean * gamma + jnp.square(g) * (1 - gamma)
        velocity = momentum * velocity + rate(i) * g / jnp.sqrt(mean + eps)
        return x - velocity, mean, velocity
    return (lambda x0: (x0, jnp.zeros_like(x0), jnp.zeros_like(x0))), update, _first


@optimizer
def adam(step_size: Any, b1: float = 0.9, b2: float = 0.999,
         eps: float = 1e-8) -> tuple[InitFn, UpdateFn, ParamsFn]:
    """Adam (Kingma and Ba, 2014).

    Args:
      step_size: a number or a schedule.
      b1, b2: how slowly the means of gradients and of their squares forget.
      eps: added to the root of the latter.
    """
    rate = make_schedule(step_size)

    def update(i: Any, g: Any, state: Any) -> Any:
        x, mean, squares = state
        mean = (1 - b1) * g + b1 * mean
        squares = (1 - b2) * jnp.square(g) + b2 * squares
        unbiased = mean / (1 - jnp.asarray(b1, mean.dtype) ** (i + 1))
        root = jnp.sqrt(squares / (1 - jnp.asarray(b2, squares.dtype) ** (i + 1)))
        return x - rate(i) * unbiased / (root + eps), mean, squares
    return (lambda x0: (x0, jnp.zeros_like(x0), jnp.zeros_like(x0))), update, _first


@optimizer
def adamax(step_size: Any, b1: float = 0.9, b2: float = 0.999,
           eps: float = 1e-8) -> tuple[InitFn, UpdateFn, ParamsFn]:
    """Adamax (Kingma and Ba, 2014, section 7.1): Adam by the largest gradient.

    Args:
      step_size: a number or a schedule.
      b1, b2: how slowly the mean and the maximum forget.
      eps: added to the maximum.
    """
    rate = make_schedule(step_size)

    def update(i: Any, g: Any, state: Any) -> Any:
        x, mean, largest = state
        mean = (1 - b1) * g + b1 * mean
        largest = jnp.maximum(b2 * largest, jnp.abs(g))
        share = rate(i) / (1 - jnp.asarray(b1, mean.dtype) ** (i + 1))
        return x - share * mean / (largest + eps), mean, largest
    return (lambda x0: (x0, jnp.zeros_like(x0), jnp.zeros_like(x0))), update, _first


@optimizer
def sm3(step_size: Any, momentum: float = 0.9) -> tuple[InitFn, UpdateFn, ParamsFn]:
    """SM3 (Anil et al., 2019): Adagrad that keeps one number for each slice along each axis.

    Args:
      step_size: a number or a schedule.
      momentum: of the steps.
    """
    rate = make_schedule(step_size)

    def along(x: Any, axis: int, ndim: int) -> Any:
        shape = [1] * ndim
        shape[axis] = -1
        return jnp.reshape(x, shape)

    def init(x0: Any) -> Any:
        x0 = jnp.atleast_1d(x0)
        return x0, jnp.zeros(x0.shape, x0.dtype), [jnp.zeros(n, x0.dtype) for n in x0.shape]

    def update(i: Any, g: Any, state: Any) -> Any:
        x, mean, slices = state
        bound = functools.reduce(jnp.minimum, [along(s, k, x.ndim) for k, s in enumerate(slices)])
        squares = bound + jnp.square(g)
        scaled = g * jnp.where(squares > 0, 1 / jnp.sqrt(jnp.where(squares > 0, squares, 1)), 0)
        mean = (1 - momentum) * scaled + momentum * mean
        slices = [squares.max(tuple(a for a in range(x.ndim) if a != k)) for k in range(x.ndim)]
        return x - rate(i) * mean, mean, slices
    return init, update, _first


def _with_zeros(x0: Any) -> Any:
    return x0, jnp.zeros_like(x0)


def _first(state: Any) -> Any:
    return state[0]


# ---- schedules ---------------------------------------------------------------------------------

def constant(step_size: Any) -> Schedule:
    """The same step size at every step."""
    return lambda i: step_size


def exponential_decay(step_size: Any, decay_steps: Any, decay_rate: Any) -> Schedule:
    """step_size · decay_rate^(i / decay_steps)."""
    return lambda i: step_size * decay_rate ** (i / decay_steps)


def inverse_time_decay(step_size: Any, decay_steps: Any, decay_rate: Any,
                       staircase: bool = False) -> Schedule:
    """step_size / (1 + decay_rate · i / decay_steps), in whole steps with `staircase`."""
    if staircase:
        return lambda i: step_size / (1 + decay_rate * jnp.floor(i / decay_steps))
    return lambda i: step_size / (1 + decay_rate * i / decay_steps)


def polynomial_decay(step_size: Any, decay_steps: Any, final_step_size: Any,
                     power: float = 1.0) -> Schedule:
    """From step_size to final_step_size, as (1 - i / decay_steps)^power, and constant then."""
    def schedule(step_num: Any) -> Any:
        share = 1 - jnp.minimum(step_num, decay_steps) / decay_steps
        return share ** power * (step_size - final_step_size) + final_step_size
    return schedule


def piecewise_constant(boundaries: Any, values: Any) -> Schedule:
    """values[k] where k boundaries lie below the step number.

    Errors: ValueError where there is not one more value than boundaries.
    """
    boundaries, values = jnp.array(boundaries), jnp.array(values)
    if not boundaries.ndim == values.ndim == 1:
        raise ValueError("boundaries and values must be sequences")
    if boundaries.shape[0] != values.shape[0] - 1:
        raise ValueError("boundaries length must be one shorter than values length")
    return lambda i: values[jnp.sum(i > boundaries)]


def make_schedule(scalar_or_schedule: Any) -> Schedule:
    """A schedule: the argument itself, or the constant one.

    Errors: TypeError for what is neither a function nor a scalar.
    """
    if callable(scalar_or_schedule):
        return scalar_or_schedule  # type: ignore[no-any-return]
    if jnp.ndim(scalar_or_schedule) == 0:
        return constant(scalar_or_schedule)
    raise TypeError(type(scalar_or_schedule))


# ---- utilities ---------------------------------------------------------------------------------

def l2_norm(tree: Any) -> Any:
    """The Euclidean norm of all elements of a pytree.

    Example:
      >>> l2_norm([jnp.array(3.), jnp.array([4.])])
      Array(5., dtype=float32)
    """
    return jnp.sqrt(sum(jnp.vdot(x, x).real for x in pytree.tree_leaves(tree)))


def clip_grads(grad_tree: Any, max_norm: Any) -> Any:
    """Gradients, scaled so that their `l2_norm` is at most `max_norm`."""
    norm = l2_norm(grad_tree)
    return pytree.tree_map(
        lambda g: jnp.where(norm < max_norm, g, g * (max_norm / norm)), grad_tree)


class JoinPoint:
    """Marks a subtree in what `unpack_optimizer_state` returns."""

    def __init__(self, subtree: Any):
        self.subtree = subtree

    def __iter__(self) -> Any:  # not a pytree by accident: it is a leaf
        yield self.subtree


def unpack_optimizer_state(opt_state: OptimizerState) -> Any:
    """The state as a pytree of parameters with a `JoinPoint` of states in each place."""
    states, tree, structures = opt_state
    return tree.unflatten([JoinPoint(structure.unflatten(state))
                           for state, structure in zip(states, structures, strict=True)])


def pack_optimizer_state(marked_pytree: Any) -> OptimizerState:
    """The state of what `unpack_optimizer_state` made of it.

    Errors: TypeError for leaves that are no JoinPoints.
    """
    points, tree = pytree.tree_flatten(marked_pytree)
    if not all(isinstance(point, JoinPoint) for point in points):
        raise TypeError("pack_optimizer_state: all leaves must be JoinPoints")
    parts = [pytree.tree_flatten(point.subtree) for point in points]
    return OptimizerState([state for state, _ in parts], tree, tuple(s for _, s in parts))

__dir__ = _listing(__name__)
