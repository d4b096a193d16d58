"""The model: a small network over feature vectors, on the GPU where there is one."""

import os

import torch
from safetensors.torch import load_file

FEATURES, HIDDEN, CLASSES = 16, 64, 4


def device():
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def build():
    return torch.nn.Sequential(
        torch.nn.Linear(FEATURES, HIDDEN),
        torch.nn.ReLU(),
        torch.nn.Linear(HIDDEN, CLASSES),
    )


class Classifier:
    def __init__(self, path=None):
        """Weights from `path` (safetensors); without such a file those of a fixed seed, so that the service answers
        before a model is mounted."""
        torch.manual_seed(0)
        self.device = device()
        self.network = build()
        self.trained = bool(path) and os.path.exists(path)
        if self.trained:
            self.network.load_state_dict(load_file(path))
        self.network.to(self.device).eval()

    @torch.inference_mode()
    def predict(self, rows):
        """One list of class probabilities for each row of FEATURES numbers."""
        batch = torch.tensor(rows, dtype=torch.float32, device=self.device)
        return torch.softmax(self.network(batch), dim=1).cpu().tolist()
