"""How it is: alive, ready, which model, figures."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse

from inference.api.errors import NoModel
from inference.api.service import Service, service_of
from inference.telemetry.metrics import render

router = APIRouter(tags=["status"])

CurrentService = Annotated[Service, Depends(service_of)]


@router.get("/")
async def root() -> dict[str, str]:
    """Say that the service runs."""
    return {"message": "API de inferencia en ejecución"}


@router.get("/health")
async def health(service: CurrentService) -> dict[str, Any]:
    """Say that the process is alive, what answers, and what the last look at the registry gave."""
    serving = service.serving
    report = serving.store.read_report()
    version = serving.model.card.version if serving.model else None
    fine = serving.failure is None and (
        report is None or (report.reachable and report.production == version)
    )
    return {
        "status": "ok" if fine else "degraded",
        "model_version": version,
        "failure": serving.failure,
        "registry": msgspec.to_builtins(report) if report else None,
    }


@router.get("/ready", responses={503: {"description": "No model is in Production yet"}})
async def ready(service: CurrentService) -> Response:
    """Say whether there is a model to answer with, and how it stands with the registry."""
    serving = service.serving
    report = serving.store.read_report()
    registry = report.message if report else "not looked at yet"
    if serving.model is None:
        detail = str(NoModel(serving.failure))
        return JSONResponse(
            {"ready": False, "detail": detail, "registry": registry}, status_code=503
        )
    version = serving.model.card.version
    return JSONResponse({"ready": True, "model_version": version, "registry": registry})


@router.get("/model", responses={503: {"description": "No model is in Production yet"}})
async def model(service: CurrentService) -> dict[str, Any]:
    """Describe the version that answers: since when, its scores, what it was trained on."""
    current = service.model
    facts: dict[str, Any] = msgspec.to_builtins(current.card)
    del facts["golden_rows"], facts["golden_probabilities"]
    return facts | {"loaded_at": current.loaded_at}


@router.get("/metrics", response_class=Response)
async def metrics() -> Response:
    """Give the figures of all workers as Prometheus reads them."""
    return Response(render(), media_type="text/plain; version=0.0.4; charset=utf-8")
