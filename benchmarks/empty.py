"""The limit: a FastAPI route with the body and the answer of `/predict`, and no model."""

from fastapi import FastAPI
from pydantic import BaseModel

from covertype.contract import CLASSES


class Body(BaseModel):
    """The body of `/predict`."""

    features: list[float | str]


class Answer(BaseModel):
    """The answer of `/predict`."""

    prediction: list[int]
    label: str
    probabilities: dict[str, float]
    model_version: str
    warnings: list[str]


app = FastAPI()


@app.get("/ready")
async def ready() -> dict[str, bool]:
    return {"ready": True}


@app.post("/predict")
async def predict(body: Body) -> Answer:
    return Answer(
        prediction=[1],
        label=CLASSES[1],
        probabilities=dict.fromkeys(CLASSES, 1 / len(CLASSES)),
        model_version="1",
        warnings=[],
    )
