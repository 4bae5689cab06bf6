"""brax: an environment stepped under jit and vmap."""
import jax
import jax.numpy as jnp
from brax import envs

from show import show

environment = envs.get_environment("inverted_pendulum", backend="generalized")
state = jax.jit(environment.reset)(jax.random.PRNGKey(0))
step = jax.jit(environment.step)
observations = []
for i in range(5):
    state = step(state, jnp.array([0.1 * i]))
    observations.append(state.obs)
show("observations", observations)
show("reward", state.reward)
