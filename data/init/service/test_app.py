import pytest
import torch
from fastapi.testclient import TestClient
from safetensors.torch import save_file

from app.main import app
from app.model import CLASSES, FEATURES, Classifier, build


@pytest.fixture(name="client")
def fixture_client(monkeypatch):
    monkeypatch.delenv("MODEL_PATH", raising=False)
    with TestClient(app) as client:
        yield client


def test_health_names_the_device(client):
    answer = client.get("/health").json()
    assert answer["device"] == ("cuda" if torch.cuda.is_available() else "cpu")
    assert answer["trained"] is False


def test_each_row_gets_its_probabilities(client):
    answer = client.post("/predict", json={"rows": [[0.5] * FEATURES, [-1.0] * FEATURES]})
    assert answer.status_code == 200
    rows = answer.json()["probabilities"]
    assert len(rows) == 2
    for row in rows:
        assert len(row) == CLASSES
        assert sum(row) == pytest.approx(1.0, abs=1e-4)
    assert rows[0] != rows[1]


@pytest.mark.parametrize("rows", [[], [[1.0]], [["x"] * FEATURES]])
def test_what_is_no_question_is_refused(client, rows):
    assert client.post("/predict", json={"rows": rows}).status_code == 422


def test_weights_are_read_from_a_file(tmp_path):
    network = build()
    path = str(tmp_path / "model.safetensors")
    save_file(network.state_dict(), path)
    classifier = Classifier(path)
    assert classifier.trained
    row = [0.25] * FEATURES
    expected = torch.softmax(network(torch.tensor([row])), dim=1)[0].tolist()
    assert classifier.predict([row])[0] == pytest.approx(expected, abs=1e-4)
