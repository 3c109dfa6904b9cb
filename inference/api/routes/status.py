"""The state of the service: alive, ready, the model, and metrics."""

import msgspec
from fastapi import APIRouter, Request, Response

from covertype.answers import (
    HealthAnswer,
    ModelAnswer,
    NotReadyAnswer,
    ReadyAnswer,
    RootAnswer,
)
from inference.api.documentation import HEALTH, MODEL, READY, ROOT
from inference.api.errors import NoServedModel
from inference.api.http import BareRoute
from inference.api.responses import answer_response
from inference.api.service import service_of

router = APIRouter(tags=["status"], route_class=BareRoute)


@router.get("/", responses=ROOT)
async def root(request: Request) -> Response:
    """Report that the service runs."""
    return answer_response(RootAnswer("API de inferencia en ejecución"))


@router.get("/health", responses=HEALTH)
async def health(request: Request) -> Response:
    """Report that the process is alive, which version answers, and the state of the registry."""
    serving = service_of(request).serving
    report = serving.store.read_report()
    version = serving.model.card.version if serving.model else None
    fine = serving.failure is None and (
        report is None or (report.reachable and report.production == version)
    )
    return answer_response(
        HealthAnswer("ok" if fine else "degraded", version, serving.failure, report)
    )


@router.get("/ready", responses=READY)
async def ready(request: Request) -> Response:
    """Report whether a model is loaded, and the state of the registry."""
    serving = service_of(request).serving
    report = serving.store.read_report()
    registry = report.message if report else "not looked at yet"
    if serving.model is None:
        detail = str(NoServedModel(serving.failure))
        return answer_response(NotReadyAnswer(False, detail, registry), 503)
    return answer_response(ReadyAnswer(True, serving.model.card.version, registry))


@router.get("/model", responses=MODEL)
async def model(request: Request) -> Response:
    """Describe the version that answers: since when, its scores, what it was trained on."""
    service = service_of(request)
    served = service.model
    next_batch, live = service.serving.monitored(served)
    facts = msgspec.structs.asdict(served.card) | {
        "loaded_at": served.loaded_at,
        "next_batch": next_batch,
        "live": live,
    }
    return answer_response(msgspec.convert(facts, ModelAnswer))


@router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """Return the metrics of all workers in Prometheus' text format."""
    return Response(
        service_of(request).metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8"
    )
