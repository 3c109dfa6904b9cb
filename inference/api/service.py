"""One worker of the service: its model, its limits, its metrics and its logs."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from fastapi import Request

from covertype.answers import ANSWERED, FAILED
from covertype.contract import CLASSES
from covertype.data.prediction_ids import PredictionId, PredictionIds
from covertype.rows.codes import Codes, Row
from inference.api.errors import NoServedModel, TooManyBatches
from inference.api.supervisor import FollowerSupervisor
from inference.api.uploads import Uploads
from inference.model.serving import ServedModel, Serving
from inference.model.store import ModelStore
from inference.settings import ServingSettings
from inference.telemetry.feedback_log import FeedbackLog, feedback_files
from inference.telemetry.metrics import Metrics
from inference.telemetry.prediction_log import PredictionLog, prediction_files

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
        # 64 random bits: no two starts of a worker, of any replica, have the same.
        writer = secrets.token_hex(8)
        self.ids = PredictionIds(writer)
        seconds = settings.prediction_log_seconds
        self._feedback_log = FeedbackLog(
            feedback_files(settings.datasets, writer, settings.feedback_max_mb_per_day),
            seconds,
            metrics,
        )
        limit_mb = settings.prediction_log_max_mb_per_day
        files = prediction_files(settings.datasets, writer, limit_mb)
        self._log = (
            PredictionLog(files, writer, seconds, metrics) if settings.prediction_log else None
        )
        self.bodies = Uploads(settings.max_body_bytes)
        self.batch_bodies = Uploads(settings.max_batches * settings.max_body_bytes)
        self._batches = 0
        self._working = asyncio.Semaphore(_BATCHES_AT_ONCE)
        self._requests: dict[str, Count] = {}
        self._counts: dict[tuple[str, int], Count] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load the kept model and follow Production; on exit, write the rest of the logs."""
        await asyncio.to_thread(self.serving.refresh)
        supervisor = FollowerSupervisor(self.serving.store.root)
        supervisor.start()
        watching = asyncio.create_task(self.serving.watch())
        logs = [self._feedback_log, *([self._log] if self._log else [])]
        logging = [asyncio.create_task(log.run()) for log in logs]
        try:
            yield
        finally:
            watching.cancel()
            for log in logs:
                log.stop()
            await asyncio.gather(*logging)
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

    def record(
        self, named: PredictionId, version: str, row: Row, prediction: int, probability: float
    ) -> None:
        """Count and log one answer."""
        self._count(version, prediction)(1)
        self._answered(version)(1)
        if self._log:
            self._log.add(named, version, row, prediction, probability)

    def record_many(
        self, named: PredictionId, version: str, codes: Codes, answers: npt.NDArray[np.float64]
    ) -> None:
        """Count and log the answers of a batch, probabilities of shape (n, 7)."""
        self._answered(version)(1)
        counts = np.bincount(answers.argmax(axis=1), minlength=len(CLASSES))
        for prediction in np.flatnonzero(counts):
            self._count(version, int(prediction))(float(counts[prediction]))
        if self._log:
            self._log.add_many(named, version, codes, answers)

    def fail(self, version: str) -> None:
        """Count a request that a version failed to answer."""
        self.metrics.by_version.labels(version, FAILED).inc()

    def learn(self, truth: int, row: Row, version: str, prediction: int) -> None:
        """Count and log the true class of an observation that a version has predicted."""
        result = "correct" if truth == prediction else "wrong"
        self.metrics.feedback.labels(version, result).inc()
        self._feedback_log.add_observation(truth, row, version, prediction)

    def learn_later(self, truth: int, prediction_id: str) -> None:
        """Count and log the true class of a prediction that is looked up when this is read."""
        self.metrics.feedback.labels("", "pending").inc()
        self._feedback_log.add_prediction(truth, prediction_id)

    def _answered(self, version: str) -> Count:
        count = self._requests.get(version)
        if count is None:
            count = self._requests[version] = self.metrics.by_version.labels(version, ANSWERED).inc
        return count

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
