import os

import numpy
from safetensors.torch import load_file

from app import data, train


def arguments(folder, *words):
    return train.parse(["--data", str(folder / "data"), "--out", str(folder / "out"), "--workers", "0", *words])


def test_the_loss_falls(tmp_path):
    losses = train.run(arguments(tmp_path, "--epochs", "5"))
    assert len(losses) == 5
    assert losses[-1] < losses[0] / 2


def test_a_stopped_job_goes_on(tmp_path):
    train.run(arguments(tmp_path, "--epochs", "2"))
    assert len(train.run(arguments(tmp_path, "--epochs", "5"))) == 3
    assert train.run(arguments(tmp_path, "--epochs", "5")) == []
    assert not [name for name in os.listdir(tmp_path / "out") if name.endswith(".part")]


def test_the_model_is_written(tmp_path):
    train.run(arguments(tmp_path, "--epochs", "1"))
    weights = load_file(str(tmp_path / "out" / "model.safetensors"))
    assert set(weights) == set(train.build().state_dict())


def test_shards_are_read_in_order(tmp_path):
    (tmp_path / "data").mkdir()
    for number in (1, 0):
        numpy.savez(tmp_path / "data" / f"{number}.npz", x=numpy.full((3, data.FEATURES), number), y=numpy.full(3, number))
    rows = data.load(str(tmp_path / "data"))
    assert len(rows) == 6
    assert [float(y) for _, y in rows] == [0, 0, 0, 1, 1, 1]
