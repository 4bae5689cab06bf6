"""equinox: modules, filtered transformations, training, an RNN by scan, errors at run time."""
import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from show import show

key = jax.random.key(0)
model = eqx.nn.MLP(in_size=2, out_size=1, width_size=16, depth=2, key=key)
inputs = jax.random.uniform(jax.random.key(1), (64, 2))
targets = jnp.sin(inputs.sum(1, keepdims=True) * 3)


@eqx.filter_value_and_grad
def loss(model):
    return jnp.mean((jax.vmap(model)(inputs) - targets) ** 2)


optimizer = optax.adam(1e-2)
state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))


@eqx.filter_jit
def step(model, state):
    value, grads = loss(model)
    updates, state = optimizer.update(grads, state)
    return eqx.apply_updates(model, updates), state, value


for _ in range(50):
    model, state, value = step(model, state)
show("loss", value)
show("prediction", jax.vmap(model)(inputs[:4]))


class RNN(eqx.Module):
    cell: eqx.nn.GRUCell
    hidden: int = eqx.field(static=True)

    def __call__(self, xs):
        return jax.lax.scan(lambda h, x: (self.cell(x, h), h.sum()), jnp.zeros(self.hidden), xs)


rnn = RNN(eqx.nn.GRUCell(2, 4, key=key), 4)
show("rnn", eqx.filter_jit(rnn)(inputs[:5]))
show("rnn gradient", eqx.filter_grad(lambda m: m(inputs[:5])[0].sum())(rnn))
conv = eqx.nn.Sequential([eqx.nn.Conv2d(1, 2, 3, key=key), eqx.nn.Lambda(jax.nn.relu),
                          eqx.nn.MaxPool2d(2), eqx.nn.Lambda(jnp.ravel)])
show("conv", conv(jax.random.normal(key, (1, 8, 8))))
attention = eqx.nn.MultiheadAttention(2, 4, key=key)
show("attention", attention(inputs[:3, :1].repeat(4, 1), inputs[:3, :1].repeat(4, 1),
                            inputs[:3, :1].repeat(4, 1)))
norm, norm_state = eqx.nn.make_with_state(eqx.nn.BatchNorm)(2, axis_name="batch", mode="batch")
out, norm_state = jax.vmap(norm, axis_name="batch", in_axes=(0, None), out_axes=(0, None))(
    inputs, norm_state)
show("batch norm", out)
dropout = eqx.nn.Dropout(0.5)
show("dropout", dropout(jnp.ones(8), key=key))


@eqx.filter_jit
def checked(x):
    return eqx.error_if(x, x < 0, "negative")


show("checked", checked(jnp.float32(1.0)))
try:
    checked(jnp.float32(-1.0)).block_until_ready()
except Exception as error:
    show("refused", "negative" in str(error))
show("vmap", eqx.filter_vmap(lambda m, x: m(x), in_axes=(None, 0))(model, inputs[:3]))
params, static = eqx.partition(model, eqx.is_array)
show("combined", eqx.combine(params, static)(inputs[0]))
show("jvp", eqx.filter_jvp(lambda m: m(inputs[0]), (model,), (params,)))
show("closure", eqx.filter_closure_convert(lambda x: model(x), inputs[0])(inputs[0]))
show("while", eqx.internal.while_loop(lambda c: c < 10, lambda c: c + 3, 0, kind="checkpointed",
                                      max_steps=16))
