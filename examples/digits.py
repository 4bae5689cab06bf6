"""Train a multilayer perceptron on handwritten digits, from raw arrays to test accuracy.

The data are the 1,797 8×8 images that come with scikit-learn. One epoch is one compiled program: a
`lax.scan` over minibatches whose body takes the gradient of a `vmap`ped model and updates the
parameters. Prints progress, then saves the first layer's filters and the learning curve.

    python examples/digits.py [--epochs 60] [--out digits.png]
"""
from __future__ import annotations

import argparse
import time
from typing import Any

import matplotlib
import numpy as np
from sklearn.datasets import load_digits

import arrax
import arrax.numpy as jnp
from arrax import grad, jit, lax, nn, random, value_and_grad, vmap

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SIZES = (64, 128, 64, 10)
BATCH = 64
LEARNING_RATE = 0.05
MOMENTUM = 0.9
WEIGHT_DECAY = 1e-4


def load(key: Any) -> tuple[Any, Any, Any, Any]:
    """Shuffled images in [0, 1] and labels: 1,437 to train on, 360 to test."""
    digits = load_digits()
    images = jnp.asarray(digits.data, dtype=jnp.float32) / 16.0
    labels = jnp.asarray(digits.target, dtype=jnp.int32)
    order = random.permutation(key, images.shape[0])
    images, labels = images[order], labels[order]
    split = 1437
    return images[:split], labels[:split], images[split:], labels[split:]


def initial_parameters(key: Any) -> list[dict[str, Any]]:
    """He-initialized layers."""
    keys = random.split(key, len(SIZES) - 1)
    return [{"w": random.normal(k, (n, m)) * jnp.sqrt(2.0 / n), "b": jnp.zeros(m)}
            for k, n, m in zip(keys, SIZES[:-1], SIZES[1:])]


def logits(parameters: list[dict[str, Any]], image: Any) -> Any:
    """Class scores of one image."""
    x = image
    for layer in parameters[:-1]:
        x = nn.relu(x @ layer["w"] + layer["b"])
    return x @ parameters[-1]["w"] + parameters[-1]["b"]


def loss(parameters: list[dict[str, Any]], images: Any, labels: Any) -> Any:
    """Mean cross-entropy plus weight decay."""
    scores = vmap(logits, in_axes=(None, 0))(parameters, images)
    picked = jnp.take_along_axis(nn.log_softmax(scores), labels[:, None], axis=1)
    decay = sum(jnp.sum(layer["w"] ** 2) for layer in parameters)
    return -jnp.mean(picked) + WEIGHT_DECAY * decay


@jit
def accuracy(parameters: list[dict[str, Any]], images: Any, labels: Any) -> Any:
    """Fraction of images classified rightly."""
    scores = vmap(logits, in_axes=(None, 0))(parameters, images)
    return jnp.mean(jnp.argmax(scores, axis=1) == labels)


@jit
def train_epoch(state: Any, key: Any, images: Any, labels: Any) -> Any:
    """One pass over the training set in random order; returns the state and the mean loss."""
    steps = images.shape[0] // BATCH
    order = random.permutation(key, images.shape[0])[:steps * BATCH].reshape(steps, BATCH)

    def step(state: Any, batch: Any) -> Any:
        parameters, velocity = state
        value, gradient = value_and_grad(loss)(parameters, images[batch], labels[batch])
        velocity = arrax.tree.map(lambda v, g: MOMENTUM * v - LEARNING_RATE * g, velocity, gradient)
        parameters = arrax.tree.map(jnp.add, parameters, velocity)
        return (parameters, velocity), value
    state, losses = lax.scan(step, state, order)
    return state, jnp.mean(losses)


def save_picture(path: str, parameters: Any, losses: list[float], accuracies: list[float]) -> None:
    """The 32 filters with the largest weights, and the learning curve."""
    weights = np.asarray(parameters[0]["w"]).T
    strongest = weights[np.argsort(-np.linalg.norm(weights, axis=1))[:32]]
    figure = plt.figure(figsize=(11, 4.4))
    left, right = figure.subfigures(1, 2, width_ratios=(1.3, 1))
    for axes, row in zip(left.subplots(4, 8).flat, strongest):
        axes.imshow(row.reshape(8, 8), cmap="RdBu", vmin=-0.8, vmax=0.8)
        axes.set_axis_off()
    left.suptitle("first-layer filters")
    axes = right.subplots()
    axes.plot(losses, label="training loss")
    axes.plot(accuracies, label="test accuracy")
    axes.set_xlabel("epoch")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--out", default="digits.png")
    options = parser.parse_args()
    start = time.perf_counter()
    data_key, init_key, key = random.split(random.key(0), 3)
    train_x, train_y, test_x, test_y = load(data_key)
    parameters = initial_parameters(init_key)
    norm = jnp.sqrt(sum(jnp.sum(g ** 2) for g in arrax.tree.leaves(
        grad(loss)(parameters, train_x[:BATCH], train_y[:BATCH]))))
    print(f"{len(train_x)} training and {len(test_x)} test images; "
          f"initial gradient norm {norm:.3f}")
    state = (parameters, arrax.tree.map(jnp.zeros_like, parameters))
    losses, accuracies = [], []
    for epoch in range(options.epochs):
        key, epoch_key = random.split(key)
        state, value = train_epoch(state, epoch_key, train_x, train_y)
        losses.append(float(value))
        accuracies.append(float(accuracy(state[0], test_x, test_y)))
        if epoch % 10 == 9 or epoch == 0:
            print(f"epoch {epoch + 1:3d}   loss {losses[-1]:.4f}   "
                  f"test accuracy {accuracies[-1]:.4f}")
    save_picture(options.out, state[0], losses, accuracies)
    print(f"test accuracy {accuracies[-1]:.4f} after {options.epochs} epochs, "
          f"{time.perf_counter() - start:.1f} s; picture in {options.out}")


if __name__ == "__main__":
    main()
