"""flax.nnx: a network trained by its own optimizer, batch norm, splitting and merging, scan."""
import jax
import jax.numpy as jnp
import optax
from flax import nnx

from show import show


class Model(nnx.Module):
    def __init__(self, rngs):
        # Adam makes a step of the rounding errors in a gradient that is zero, as of a bias here.
        self.first = nnx.Linear(3, 16, use_bias=False, rngs=rngs)
        self.norm = nnx.BatchNorm(16, rngs=rngs)
        self.drop = nnx.Dropout(0.1, rngs=rngs)
        self.last = nnx.Linear(16, 1, rngs=rngs)

    def __call__(self, x):
        return self.last(self.drop(nnx.relu(self.norm(self.first(x)))))


model = Model(nnx.Rngs(0))
optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)
inputs = jax.random.normal(jax.random.key(1), (32, 3))
targets = inputs.sum(1, keepdims=True)


@nnx.jit
def step(model, optimizer):
    loss, grads = nnx.value_and_grad(lambda m: jnp.mean((m(inputs) - targets) ** 2))(model)
    optimizer.update(model, grads)
    return loss


show("losses", [step(model, optimizer) for _ in range(20)])
model.eval()
show("prediction", model(inputs[:4]))
graph, state = nnx.split(model)
show("state", len(jax.tree.leaves(state)))
show("merged", nnx.merge(graph, state)(inputs[:4]))
show("vmap", nnx.vmap(lambda m, x: m(x), in_axes=(None, 0))(model, inputs[:3, None]))
