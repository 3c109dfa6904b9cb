"""The reference recipe: MLflow's pyfunc over a DataFrame that is built for each request."""

import os

import mlflow
import numpy as np
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

from covertype.contract import CATEGORY_NAMES, FEATURE_NAMES, QUANTITY_NAMES


class Body(BaseModel):
    """The body of `/predict`, areas and soils by name."""

    features: list[float | str]


app = FastAPI()
model = mlflow.pyfunc.load_model(os.environ["MODEL_URI"])


@app.get("/ready")
def ready() -> dict[str, bool]:
    return {"ready": True}


@app.post("/predict")
def predict(body: Body) -> dict[str, list[int]]:
    observation = pd.DataFrame([body.features], columns=list(FEATURE_NAMES)).astype(
        {**dict.fromkeys(QUANTITY_NAMES, np.int64), **dict.fromkeys(CATEGORY_NAMES, str)}
    )
    return {"prediction": model.predict(observation).tolist()}
