"""The HTTP interface: POST /predict, GET /health."""

import contextlib
import os
from typing import Annotated

from fastapi import FastAPI, Request
from pydantic import BaseModel, Field

from app.model import FEATURES, Classifier

Row = Annotated[list[float], Field(min_length=FEATURES, max_length=FEATURES)]


class Question(BaseModel):
    rows: list[Row] = Field(min_length=1, max_length=1024)


class Answer(BaseModel):
    probabilities: list[list[float]]


@contextlib.asynccontextmanager
async def lifespan(service):
    """The model is loaded once, before the first request; until then the port is closed."""
    service.state.classifier = Classifier(os.environ.get("MODEL_PATH"))
    service.state.classifier.predict([[0.0] * FEATURES])
    yield


app = FastAPI(title="@@project@@", lifespan=lifespan)


@app.get("/health")
def health(request: Request):
    classifier = request.app.state.classifier
    return {"device": str(classifier.device), "trained": classifier.trained}


@app.post("/predict")
def predict(question: Question, request: Request) -> Answer:
    return Answer(probabilities=request.app.state.classifier.predict(question.rows))
