"""Training data: shards of `x` and `y` in /data, or made from a seed where there are none."""

import glob
import os

import numpy

FEATURES = 32


def shards(folder):
    return sorted(glob.glob(os.path.join(folder, "*.npz")))


def load(folder, count=4096, seed=0):
    """Rows and targets. Shards are .npz files with arrays `x` (rows, FEATURES) and `y` (rows,)."""
    files = shards(folder)
    if files:
        parts = [numpy.load(name) for name in files]
        x = numpy.concatenate([part["x"] for part in parts])
        y = numpy.concatenate([part["y"] for part in parts])
    else:
        random = numpy.random.default_rng(seed)
        weights = random.normal(size=FEATURES)
        x = random.normal(size=(count, FEATURES))
        y = x @ weights + 0.1 * random.normal(size=count)
    return x.astype("float32"), y.astype("float32")
