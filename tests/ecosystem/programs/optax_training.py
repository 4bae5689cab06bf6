"""optax: a regression trained by many optimizers with schedules, clipping and masks; losses."""
import jax
import jax.numpy as jnp
import optax
import optax.contrib

from show import show

key = jax.random.key(1)
inputs = jax.random.normal(key, (64, 5))
true = {"w": jnp.arange(5.0), "b": jnp.float32(0.5)}
targets = inputs @ true["w"] + true["b"]


def loss(params):
    return optax.l2_loss(inputs @ params["w"] + params["b"], targets).mean()


def train(optimizer, steps=40):
    params = jax.tree.map(jnp.zeros_like, true)
    state = optimizer.init(params)

    @jax.jit
    def step(params, state):
        value, grads = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state, value
    for _ in range(steps):
        params, state, value = step(params, state)
    return params, value


schedule = optax.warmup_cosine_decay_schedule(0.0, 0.3, 10, 40)
OPTIMIZERS = {
    "sgd": optax.sgd(0.1, momentum=0.9, nesterov=True), "adam": optax.adam(0.1),
    "adamw": optax.adamw(schedule, weight_decay=1e-3), "rmsprop": optax.rmsprop(0.05),
    "lamb": optax.lamb(0.1), "lion": optax.lion(0.05), "adagrad": optax.adagrad(0.5),
    "adafactor": optax.adafactor(0.1), "adabelief": optax.adabelief(0.1),
    "clipped": optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.1)),
    "masked": optax.masked(optax.adam(0.1), {"w": True, "b": False}),
    "multi": optax.multi_transform({"a": optax.adam(0.1), "s": optax.sgd(0.1)},
                                   {"w": "a", "b": "s"}),
    "accumulated": optax.MultiSteps(optax.adam(0.1), every_k_schedule=4),
    "injected": optax.inject_hyperparams(optax.adam)(learning_rate=schedule),
    "schedule free": optax.contrib.schedule_free_sgd(0.1),
}
for name, optimizer in OPTIMIZERS.items():
    show(name, train(optimizer))
solver = optax.lbfgs()
params = jax.tree.map(jnp.zeros_like, true)
state = solver.init(params)
value_and_grad = optax.value_and_grad_from_state(loss)
for _ in range(8):
    value, grad = value_and_grad(params, state=state)
    updates, state = solver.update(grad, state, params, value=value, grad=grad, value_fn=loss)
    params = optax.apply_updates(params, updates)
show("lbfgs", params)
logits, labels = inputs[:, :4], jnp.argmax(inputs[:, 1:5], axis=1)
show("losses", [
    optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(),
    optax.sigmoid_binary_cross_entropy(logits, labels[:, None] > 1).mean(),
    optax.huber_loss(logits).mean(), optax.cosine_similarity(logits, logits + 1).mean(),
    optax.ctc_loss(jax.random.normal(key, (2, 6, 4)), jnp.zeros((2, 6)),
                   jnp.array([[1, 2, 0], [3, 1, 2]]), jnp.array([[0, 0, 1], [0, 0, 0]])).mean()])
show("projection", optax.projections.projection_simplex(jnp.array([0.5, 2.0, -1.0])))
