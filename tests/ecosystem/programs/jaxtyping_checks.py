"""jaxtyping: shapes and dtypes checked under jit, vmap and grad; wrong ones refused."""
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree, jaxtyped

from show import show


@jax.jit
@jaxtyped(typechecker=None)
def product(x: Float[Array, "n m"], y: Float[Array, "m"]) -> Float[Array, "n"]:
    return x @ y


x, y = jnp.arange(6.0).reshape(2, 3), jnp.ones(3)
show("product", product(x, y))
show("isinstance", [
    isinstance(x, Float[Array, "2 3"]), isinstance(x, Float[Array, "3 2"]),
    isinstance(x, Int[Array, "2 3"]), isinstance(jnp.arange(3), Int[Array, " n"]),
    isinstance({"a": x, "b": [y]}, PyTree[Float[Array, "..."]]),
    isinstance(jax.random.key(0), PRNGKeyArray)])


@jax.jit
def traced(x):
    assert isinstance(x, Float[Array, "2 3"]) and not isinstance(x, Int[Array, "..."])
    return jax.vmap(lambda row: row * isinstance(row, Float[Array, "3"]))(x)


show("traced", traced(x))
