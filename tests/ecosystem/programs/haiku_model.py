"""dm-haiku: transformed functions, state, recurrent cores, and transforms inside."""
import haiku as hk
import jax

from show import show

key = jax.random.PRNGKey(0)
x = jax.random.normal(key, (4, 8, 8, 1))


def network(x, training):
    x = hk.Conv2D(4, 3)(x)
    x = hk.BatchNorm(True, True, 0.9)(x, training)
    x = hk.Flatten()(jax.nn.relu(x))
    x = hk.dropout(hk.next_rng_key(), 0.1, x) if training else x
    return hk.nets.MLP([8, 2])(x)


f = hk.transform_with_state(network)
params, state = f.init(key, x, True)
out, state = jax.jit(f.apply, static_argnums=4)(params, state, key, x, True)
show("out", out)
show("state", state)
show("gradient", jax.grad(lambda p: f.apply(p, state, key, x, False)[0].sum())(params))


def recurrent(xs):
    core = hk.LSTM(4)
    return hk.dynamic_unroll(core, xs, core.initial_state(xs.shape[1]))[0]


g = hk.without_apply_rng(hk.transform(recurrent))
sequence = jax.random.normal(key, (5, 2, 3))
params = g.init(key, sequence)
show("lstm", g.apply(params, sequence))
h = hk.transform(lambda x: hk.vmap(hk.Linear(3), split_rng=False)(x))
show("vmap", h.apply(h.init(key, x[:, 0, :, 0]), key, x[:, 0, :, 0]))
attention = hk.transform(lambda q: hk.MultiHeadAttention(2, 4, w_init_scale=1.0)(q, q, q))
show("attention", attention.apply(attention.init(key, sequence), key, sequence))
