"""The application: its life, its routes, and how it refuses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from inference.requests import InvalidRequest
from inference.routes import NoModel, router
from inference.serving import Serving
from inference.settings import ServingSettings
from inference.store import ModelStore
from inference.supervisor import FollowerSupervisor


def create_app(settings: ServingSettings) -> FastAPI:
    """Return the service; the model is loaded when it starts, not here."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        store = ModelStore(settings.model_cache_dir)
        serving = app.state.serving = Serving(store)
        await asyncio.to_thread(serving.look)
        supervisor = FollowerSupervisor(store.root)
        supervisor.start()
        watching = asyncio.create_task(serving.watch())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.to_thread(supervisor.stop)

    app = FastAPI(title="Covertype", description=__doc__, lifespan=life)
    app.include_router(router)

    @app.exception_handler(InvalidRequest)
    async def refuse(request: Request, error: InvalidRequest) -> JSONResponse:
        return JSONResponse({"detail": error.faults}, 422)

    @app.exception_handler(NoModel)
    async def say_no_model(request: Request, error: NoModel) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 503, headers={"Retry-After": "10"})

    return app
