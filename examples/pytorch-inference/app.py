"""An inference service: one model, two routes.

The GPU is used where there is one. On the CPU the answer to a request is the same on every run, so
that an image can be compared with its slim version byte by byte.
"""

import hashlib
import os

import torch
from fastapi import FastAPI
from pydantic import BaseModel, Field

from model import Classifier

WEIGHTS = os.environ.get("WEIGHTS", "/app/weights.pt")
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True, warn_only=True)

model = Classifier().eval()
model.load_state_dict(torch.load(WEIGHTS, map_location="cpu", weights_only=True))
model.to(device)
app = FastAPI(title="flense example", version="1.0")


class Request(BaseModel):
    seed: int = Field(0, ge=0, lt=2**31)
    batch: int = Field(1, ge=1, le=16)


class Answer(BaseModel):
    device: str
    classes: list[int]
    logits: list[list[float]]
    sha256: str


@app.get("/health")
def health():
    return {"status": "ok", "torch": torch.__version__, "cuda": torch.version.cuda, "device": device.type}


@app.post("/predict")
def predict(request: Request) -> Answer:
    generator = torch.Generator().manual_seed(request.seed)
    images = torch.rand(request.batch, 3, 32, 32, generator=generator)
    with torch.inference_mode():
        logits = model(images.to(device)).float().cpu()
    return Answer(device=device.type, classes=logits.argmax(dim=1).tolist(),
                  logits=[[round(v, 4) for v in row] for row in logits.tolist()],
                  sha256=hashlib.sha256(logits.numpy().tobytes()).hexdigest())
