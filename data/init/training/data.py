"""Training data: shards of `x` and `y` in /data, or made from a seed where there are none."""

import glob
import os

import numpy
import torch

FEATURES = 32


def shards(folder):
    return sorted(glob.glob(os.path.join(folder, "*.npz")))


def load(folder, count=4096, seed=0):
    """A data set of rows and targets. Shards are .npz files with arrays `x` (rows, FEATURES) and `y` (rows,)."""
    files = shards(folder)
    if files:
        parts = [numpy.load(name) for name in files]
        x = numpy.concatenate([part["x"] for part in parts]).astype("float32")
        y = numpy.concatenate([part["y"] for part in parts]).astype("float32")
    else:
        random = numpy.random.default_rng(seed)
        weights = random.normal(size=FEATURES)
        x = random.normal(size=(count, FEATURES)).astype("float32")
        y = (x @ weights + 0.1 * random.normal(size=count)).astype("float32")
    return torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
