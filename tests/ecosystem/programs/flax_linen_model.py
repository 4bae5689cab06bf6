"""flax.linen: a convolutional network with batch norm and dropout, attention, an LSTM, lifting."""
import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax import serialization, traverse_util
from flax.core import freeze, unfreeze
from flax.training import train_state

from show import show


class CNN(nn.Module):
    @nn.compact
    def __call__(self, x, train: bool):
        x = nn.relu(nn.Conv(8, (3, 3))(x))
        x = nn.BatchNorm(use_running_average=not train)(x)
        x = nn.avg_pool(x, (2, 2), strides=(2, 2)).reshape((x.shape[0], -1))
        x = nn.Dropout(0.25, deterministic=not train)(x)
        return nn.Dense(3)(x)


class State(train_state.TrainState):
    batch_stats: dict


key = jax.random.key(0)
images, labels = jax.random.normal(key, (8, 8, 8, 1)), jnp.arange(8) % 3
model = CNN()
variables = model.init(key, images, train=False)
show("init", variables)
state = State.create(apply_fn=model.apply, params=variables["params"], tx=optax.adam(1e-2),
                     batch_stats=variables["batch_stats"])


@jax.jit
def step(state, key):
    def loss(params):
        logits, updates = state.apply_fn(
            {"params": params, "batch_stats": state.batch_stats}, images, train=True,
            rngs={"dropout": key}, mutable=["batch_stats"])
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), updates
    (value, updates), grads = jax.value_and_grad(loss, has_aux=True)(state.params)
    return state.apply_gradients(grads=grads).replace(batch_stats=updates["batch_stats"]), value


losses = []
for i in range(10):
    state, value = step(state, jax.random.fold_in(key, i))
    losses.append(value)
show("losses", losses)
show("logits", model.apply({"params": state.params, "batch_stats": state.batch_stats}, images,
                           train=False))
tokens = jax.random.normal(key, (2, 5, 16))
attention = nn.MultiHeadDotProductAttention(num_heads=4)
show("attention", attention.init_with_output(key, tokens, mask=nn.make_causal_mask(
    jnp.ones((2, 5))))[0])
show("lstm", nn.RNN(nn.LSTMCell(4)).init_with_output(key, tokens)[0])
show("norms", [nn.LayerNorm().init_with_output(key, tokens)[0],
               nn.GroupNorm(num_groups=4).init_with_output(key, tokens)[0],
               nn.RMSNorm().init_with_output(key, tokens)[0]])
show("embed", nn.Embed(10, 4).init_with_output(key, jnp.arange(4))[0])


class Deep(nn.Module):
    @nn.compact
    def __call__(self, x):
        block = nn.scan(nn.remat(Block), variable_axes={"params": 0}, split_rngs={"params": True},
                        length=3)
        return block()(x, None)[0]


class Block(nn.Module):
    @nn.compact
    def __call__(self, x, _):
        return x + nn.Dense(16, kernel_init=nn.initializers.orthogonal())(nn.gelu(x)), None


deep = Deep()
params = deep.init(key, tokens)
show("scanned", deep.apply(params, tokens))
show("scanned gradient", jax.grad(lambda p: deep.apply(p, tokens).sum())(params))
ensemble = nn.vmap(nn.Dense, variable_axes={"params": 0}, split_rngs={"params": True},
                   in_axes=None, axis_size=2)(4)
show("ensemble", ensemble.init_with_output(key, tokens)[0])
restored = serialization.from_bytes(params, serialization.to_bytes(params))
show("restored", restored)
show("flat", len(traverse_util.flatten_dict(unfreeze(freeze(params)))))
