import os

import numpy

from app import data, train


def arguments(folder, *words):
    return train.parse(["--data", str(folder / "data"), "--out", str(folder / "out"), *words])


def test_the_loss_falls(tmp_path):
    losses = train.run(arguments(tmp_path, "--epochs", "5"))
    assert len(losses) == 5
    assert losses[-1] < losses[0] / 2


def test_a_stopped_job_goes_on(tmp_path):
    whole = train.run(arguments(tmp_path / "whole", "--epochs", "5"))
    begun = train.run(arguments(tmp_path / "parts", "--epochs", "2"))
    rest = train.run(arguments(tmp_path / "parts", "--epochs", "5"))
    assert len(rest) == 3
    assert numpy.allclose(begun + rest, whole, rtol=1e-3)
    assert not [name for name in os.listdir(tmp_path / "parts" / "out") if name.endswith(".part")]


def test_shards_are_read_in_order(tmp_path):
    for number in (1, 0):
        numpy.savez(tmp_path / f"{number}.npz", x=numpy.full((3, data.FEATURES), number), y=numpy.full(3, number))
    x, y = data.load(str(tmp_path))
    assert x.shape == (6, data.FEATURES)
    assert y.tolist() == [0, 0, 0, 1, 1, 1]
