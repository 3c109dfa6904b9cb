"""The routes of the stand-in for the group API."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import numpy as np
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from batches import Batches
from covertype.contract import GROUPS
from faults import ERROR, SPOILERS, TIMEOUT, Faults
from positions import Exhausted, GroupPositions

DATASET = Path(__file__).with_name("covertype.parquet")

_SILENT_SECONDS = 300
"""How long a request with the fault `timeout` waits, unless its client disconnects."""


class Settings(BaseSettings):
    """Read from the environment, by the field's name in capitals."""

    batch_seconds: Annotated[float, Field(ge=0)] = 300
    state_file: Path = Path(".local/data-api/state.json")
    faults: str = ""

    @field_validator("faults")
    @classmethod
    def _known_faults(cls, text: str) -> str:
        Faults.parse(text)
        return text


def create_app(settings: Settings) -> FastAPI:
    """Make the application.

    Raises
    ------
    ValueError
        If the state file does not hold this application's state.
    """
    faults = Faults.parse(settings.faults)
    positions = GroupPositions(settings.state_file, settings.batch_seconds)
    random = np.random.default_rng()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.batches = Batches.read(DATASET)
        yield

    def batches(request: Request) -> Batches:
        read: Batches = request.app.state.batches
        return read

    app = FastAPI(title="Covertype data API", version=version("covertype"), lifespan=lifespan)
    group_number = Annotated[int, Query(ge=GROUPS[0], le=GROUPS[-1])]

    @app.exception_handler(RequestValidationError)
    async def explain_invalid_group(
        request: Request, error: RequestValidationError
    ) -> JSONResponse:
        group = request.query_params.get("group_number")
        given = "nothing" if group is None else repr(group[:40])
        detail = f"group_number must be a whole number from {GROUPS[0]} to {GROUPS[-1]}"
        return JSONResponse(
            {"detail": f"{detail}, got {given}"}, status.HTTP_422_UNPROCESSABLE_CONTENT
        )

    @app.exception_handler(OSError)
    async def explain_unwritable_positions(request: Request, error: OSError) -> JSONResponse:
        detail = f"The groups' positions can't be kept: {error.strerror}"
        return JSONResponse({"detail": detail}, status.HTTP_503_SERVICE_UNAVAILABLE)

    @app.get("/data")
    async def data(
        request: Request,
        group_number: group_number,
        batches: Annotated[Batches, Depends(batches)],
    ) -> Response:
        """Return a random tenth of the group's current batch, every cell as text."""
        fault = faults.draw(group_number)
        if fault == ERROR:
            raise HTTPException(status.HTTP_500_INTERNAL_SERVER_ERROR, "A fault on request")
        if fault == TIMEOUT:
            await _stay_silent(request)
        try:
            batch = positions.batch(group_number)
        except Exhausted:
            raise HTTPException(
                status.HTTP_400_BAD_REQUEST,
                "Ya se recolectó toda la información minima necesaria",
            ) from None
        head = f'{{"group_number":{group_number},"batch_number":{batch},"data":'
        answer = b"".join([head.encode(), batches.sample(batch, random), b"}"])
        if fault is not None:
            answer = SPOILERS[fault](answer)
        return Response(answer, media_type="application/json")

    @app.get("/restart_data_generation")
    async def restart(group_number: group_number) -> dict[str, int | str]:
        """Start a group over, from its first batch."""
        positions.restart(group_number)
        return {"group_number": group_number, "detail": "La recolección comienza de nuevo"}

    @app.get("/health")
    async def health(batches: Annotated[Batches, Depends(batches)]) -> dict[str, int | str]:
        """Report that the dataset is loaded. Requested faults do not apply here."""
        return {"status": "ok", "rows": len(batches), "faults": settings.faults}

    return app


async def _stay_silent(request: Request) -> None:
    for _ in range(_SILENT_SECONDS):
        if await request.is_disconnected():
            break
        await asyncio.sleep(1)
    raise HTTPException(status.HTTP_504_GATEWAY_TIMEOUT, "A fault on request")
