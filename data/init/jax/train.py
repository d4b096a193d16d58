"""Trains a small regression network and keeps a checkpoint, so that a job that was stopped goes on where it was."""

import argparse
import functools
import os
import sys

import jax
import jax.numpy as jnp
import numpy

from app.data import FEATURES, load

HIDDEN = 64


def build(key):
    first, second = jax.random.split(key)
    return {
        "w1": jax.random.normal(first, (FEATURES, HIDDEN)) * FEATURES**-0.5,
        "b1": jnp.zeros(HIDDEN),
        "w2": jax.random.normal(second, (HIDDEN,)) * HIDDEN**-0.5,
        "b2": jnp.zeros(()),
    }


def loss_of(weights, x, y):
    hidden = jax.nn.relu(x @ weights["w1"] + weights["b1"])
    return jnp.mean((hidden @ weights["w2"] + weights["b2"] - y) ** 2)


@functools.partial(jax.jit, static_argnames="rate")
def step(weights, x, y, rate):
    loss, gradient = jax.value_and_grad(loss_of)(weights, x, y)
    return {name: weights[name] - rate * gradient[name] for name in weights}, loss


def save_whole(path, **arrays):
    """Under another name first: a job that is killed leaves the old checkpoint or the new one."""
    with open(path + ".part", "wb") as out:
        numpy.savez(out, **arrays)
    os.replace(path + ".part", path)


def run(arguments):
    """Trains; the mean loss of each epoch that was run."""
    os.makedirs(arguments.out, exist_ok=True)
    checkpoint = os.path.join(arguments.out, "checkpoint.npz")
    x, y = load(arguments.data, seed=arguments.seed)
    weights, first = build(jax.random.key(arguments.seed)), 0
    if os.path.exists(checkpoint):
        state = numpy.load(checkpoint)
        weights = {name: jnp.asarray(state[name]) for name in weights}
        first = int(state["epoch"]) + 1
    losses = []
    for epoch in range(first, arguments.epochs):
        order = numpy.random.default_rng([arguments.seed, epoch]).permutation(len(x))
        total = []
        for begin in range(0, len(x), arguments.batch):
            rows = order[begin : begin + arguments.batch]
            weights, loss = step(weights, x[rows], y[rows], arguments.rate)
            total.append(float(loss))
        losses.append(sum(total) / len(total))
        print(f"epoch {epoch} on {jax.default_backend()}: loss {losses[-1]:.4f}")
        save_whole(checkpoint, epoch=epoch, **weights)
    return losses


def parse(words):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="/data", help="folder of .npz shards, read only")
    parser.add_argument("--out", default="/outputs", help="folder of the checkpoint")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=5e-2)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(words)


if __name__ == "__main__":
    run(parse(sys.argv[1:]))
