"""The routes of the service."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from covertype.contract import CLASSES, QUANTITIES
from inference.codes import to_codes
from inference.requests import read_predict
from inference.serving import ServedModel, Serving

router = APIRouter()


class NoModel(Exception):
    """No version is in Production yet."""

    def __init__(self) -> None:
        super().__init__(
            "No model is in Production yet: it appears here when one is promoted in MLflow"
        )


def _serving(request: Request) -> Serving:
    serving: Serving = request.app.state.serving
    return serving


def _model(request: Request) -> ServedModel:
    model = _serving(request).model
    if model is None:
        raise NoModel
    return model


CurrentServing = Annotated[Serving, Depends(_serving)]
CurrentModel = Annotated[ServedModel, Depends(_model)]


@router.get("/")
async def root() -> dict[str, str]:
    """Say that the service runs."""
    return {"message": "API de inferencia en ejecución"}


@router.get("/health")
async def health(serving: CurrentServing) -> dict[str, Any]:
    """Say that the process is alive, and how it stands with the registry."""
    report = serving.store.read_report()
    return {
        "status": "ok" if serving.failure is None else "degraded",
        "model_version": serving.model.card.version if serving.model else None,
        "failure": serving.failure,
        "registry": msgspec.to_builtins(report) if report else None,
    }


@router.get("/ready")
async def ready(serving: CurrentServing) -> Response:
    """Say whether there is a model to answer with: 200, or 503 with a sentence."""
    report = serving.store.read_report()
    registry = report.message if report else "not looked at yet"
    if serving.model is None:
        return JSONResponse(
            {"ready": False, "detail": str(NoModel()), "registry": registry}, status_code=503
        )
    version = serving.model.card.version
    return JSONResponse({"ready": True, "model_version": version, "registry": registry})


@router.get("/model")
async def model(current: CurrentModel) -> dict[str, Any]:
    """Describe the version that answers: which, since when, its scores."""
    facts: dict[str, Any] = msgspec.to_builtins(current.card)
    del facts["golden_rows"], facts["golden_probabilities"]
    return facts | {"loaded_at": current.loaded_at}


@router.post("/predict")
async def predict(request: Request, current: CurrentModel) -> dict[str, Any]:
    """Answer one observation."""
    observation = read_predict(await request.body())
    probabilities = current.predictor.probabilities(to_codes([observation]))[0]
    best = int(probabilities.argmax())
    return {
        "prediction": [best],
        "label": CLASSES[best],
        "probabilities": dict(zip(CLASSES, probabilities.tolist(), strict=True)),
        "model_version": current.card.version,
        "warnings": [
            f"{quantity.name} {value} is outside what version {current.card.version} "
            f"was trained on ({low} to {high})"
            for quantity, value in zip(QUANTITIES, observation, strict=False)
            for low, high in [current.card.training_ranges[quantity.name]]
            if not low <= int(value) <= high
        ],
    }
