"""One worker of the service: its model, its limits, its metrics and its prediction log."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from fastapi import Request

from covertype.contract import CLASSES
from covertype.rows.codes import Codes, Row
from inference.api.errors import NoServedModel, TooManyBatches
from inference.api.supervisor import FollowerSupervisor
from inference.api.uploads import Uploads
from inference.model.serving import ServedModel, Serving
from inference.model.store import ModelStore
from inference.settings import ServingSettings
from inference.telemetry.metrics import Metrics
from inference.telemetry.prediction_files import PredictionFiles
from inference.telemetry.prediction_log import PredictionLog

Count = Callable[[float], None]
Worked = TypeVar("Worked")

_BATCHES_AT_ONCE = 2
"""A batch uses all cores, and hundreds of megabytes if it is large; the others wait as bytes."""


class Service:
    """One worker of the service."""

    def __init__(self, settings: ServingSettings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.serving = Serving(ModelStore(settings.model_cache_dir), metrics)
        self._log = (
            PredictionLog(
                PredictionFiles(settings.datasets, settings.prediction_log_max_mb_per_day),
                settings.prediction_log_seconds,
                metrics,
            )
            if settings.prediction_log
            else None
        )
        self.bodies = Uploads(settings.max_body_bytes)
        self.batch_bodies = Uploads(settings.max_batches * settings.max_body_bytes)
        self._batches = 0
        self._working = asyncio.Semaphore(_BATCHES_AT_ONCE)
        self._counts: dict[tuple[str, int], Count] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load the kept model and follow Production; on exit, write all that is left of the log."""
        await asyncio.to_thread(self.serving.refresh)
        supervisor = FollowerSupervisor(self.serving.store.root)
        supervisor.start()
        watching = asyncio.create_task(self.serving.watch())
        logging = asyncio.create_task(self._log.run()) if self._log else None
        try:
            yield
        finally:
            watching.cancel()
            if self._log and logging:
                self._log.stop()
                await logging
            await asyncio.to_thread(supervisor.stop)
            self.metrics.forget_worker()

    @property
    def model(self) -> ServedModel:
        """The version that answers now.

        Raises
        ------
        NoServedModel
            If no version is loaded yet.
        """
        model = self.serving.model
        if model is None:
            raise NoServedModel(self.serving.failure)
        return model

    def record(self, version: str, row: Row, prediction: int, probability: float) -> None:
        """Count and log one answer."""
        self._count(version, prediction)(1)
        if self._log:
            self._log.add(version, row, prediction, probability)

    def record_many(self, version: str, codes: Codes, answers: npt.NDArray[np.float64]) -> None:
        """Count and log the answers of a batch, probabilities of shape (n, 7)."""
        counts = np.bincount(answers.argmax(axis=1), minlength=len(CLASSES))
        for prediction in np.flatnonzero(counts):
            self._count(version, int(prediction))(float(counts[prediction]))
        if self._log:
            self._log.add_many(version, codes, answers)

    def _count(self, version: str, prediction: int) -> Count:
        count = self._counts.get((version, prediction))
        if count is None:
            count = self.metrics.predictions.labels(version, CLASSES[prediction]).inc
            self._counts[version, prediction] = count
        return count

    async def work(self, task: Callable[[], Worked]) -> Worked:
        """Run a part of a batch in a thread; wait while too many run."""
        async with self._working:
            return await asyncio.to_thread(task)

    @asynccontextmanager
    async def batch(self) -> AsyncIterator[None]:
        """Count a batch from its body to the end of its answer.

        Raises
        ------
        TooManyBatches
            If `max_batches` are being processed, waiting or being sent.
        """
        if self._batches >= self.settings.max_batches:
            raise TooManyBatches
        self._batches += 1
        try:
            yield
        finally:
            self._batches -= 1


def service_of(request: Request) -> Service:
    """Return the service that handles a request."""
    service: Service = request.app.state.service
    return service
