"""chex: dataclasses as pytrees, assertions about shapes, trees and traces, variants."""
import chex
import jax
import jax.numpy as jnp

from show import show


@chex.dataclass
class State:
    position: chex.Array
    velocity: chex.Array


@jax.jit
@chex.assert_max_traces(n=2)
def step(state, dt):
    chex.assert_equal_shape([state.position, state.velocity])
    chex.assert_type([state.position], float)
    return state.replace(position=state.position + dt * state.velocity)


state = State(position=jnp.zeros(3), velocity=jnp.arange(3.0))
for _ in range(3):
    state = step(state, 0.5)
show("state", state)
show("mapped", jax.tree.map(lambda x: x * 2, state))
chex.assert_tree_all_finite(state)
chex.assert_trees_all_close(state, State(position=jnp.arange(3.0) * 1.5, velocity=jnp.arange(3.0)))
failures = []
for check in (lambda: chex.assert_shape(state.position, (4,)),
              lambda: chex.assert_rank(state.position, 2),
              lambda: chex.assert_trees_all_equal(state, jax.tree.map(lambda x: x + 1, state)),
              lambda: chex.assert_scalar(state.position)):
    try:
        check()
    except AssertionError:
        failures.append(1)
show("failures", failures)


@jax.jit
@chex.assert_max_traces(n=1)
def once(x):
    return x


once(1.0)
try:
    once(jnp.ones(2))
except AssertionError:
    show("too many traces", 1)
show("grads", jax.grad(lambda s: jnp.sum(s.position * s.velocity))(state))
