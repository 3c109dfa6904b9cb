"""The served model, swapped atomically between requests."""

import asyncio
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path

from covertype.answers import LiveAccuracy, NextBatch, RefusedVersion
from covertype.contract import QUANTITY_NAMES
from covertype.models.predictors import (
    NotFlattened,
    Predictor,
    open_predictor,
    prove,
    prove_explained,
)
from inference.model import kept
from inference.model.cards import Card, now
from inference.model.kept import version_of
from inference.model.store import ModelStore
from inference.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

_REFRESH_SECONDS = 0.25
_RETRY_SECONDS = 5.0
_UPGRADE_SECONDS = 1.0


@dataclass(frozen=True)
class ServedModel:
    """One complete version; a request uses the same one from beginning to end.

    `ranges` holds the name, the lowest and the highest training value of each quantity.
    """

    card: Card
    predictor: Predictor
    ranges: list[tuple[str, int, int]]
    loaded_at: str

    @classmethod
    def load(cls, folder: Path, compiled: Path) -> "ServedModel":
        """Load a kept version and prove it.

        Raises
        ------
        ValueError
            If its answers differ from those in training, or from the sums of its explanations.
        NotFlattened
            If it is a forest that a former release kept.
        """
        card = kept.read_card(folder)
        predictor = open_predictor(folder, compiled)
        prove(predictor, card.proof)
        prove_explained(predictor, card.proof)
        bounds = ((name, card.training_ranges[name]) for name in QUANTITY_NAMES)
        ranges = [(name, low, high) for name, (low, high) in bounds]
        return cls(card, predictor, ranges, now())


class Serving:
    """Holds the served model, and replaces it when the follower puts another into the store."""

    def __init__(self, store: ModelStore, metrics: Metrics) -> None:
        self.store = store
        self._metrics = metrics
        self.model: ServedModel | None = None
        self.failure: str | None = None
        self._taken: str | None = None
        self._again_at = 0.0
        self._refused: RefusedVersion | None = None
        self._next_batch: NextBatch | None = None
        self._live: LiveAccuracy | None = None

    def refresh(self) -> None:
        """Read the store: the registry's report, and its current version if that has changed.

        A version that can't be loaded leaves the old one in place.
        """
        report = self.store.read_report()
        self._metrics.registry_reachable.set(report is not None and report.reachable)
        refused = report.refused if report else None
        if refused != self._refused:
            self._refused = refused
            self._metrics.reloads.labels("refused").inc(refused is not None)
        self._next_batch = report.next_batch if report else None
        self._live = report.live if report else None
        self._load_current()
        if self.model is not None:
            self._show_figures(self.model)

    def _load_current(self) -> None:
        name = self.store.current
        if name is None or name == self._taken or time.monotonic() < self._again_at:
            return
        try:
            self.model = ServedModel.load(self.store.folder(name), self.store.compiled)
        except NotFlattened:
            # The follower flattens it when it starts, which takes seconds.
            self.failure = (
                f"version {version_of(name)}, which a former release kept, is being flattened"
            )
            self._again_at = time.monotonic() + _UPGRADE_SECONDS
        except Exception as error:
            self.failure = f"the kept version {version_of(name)} can't be loaded: {error}"
            self._again_at = time.monotonic() + _RETRY_SECONDS
            self._metrics.reloads.labels("failed").inc()
            log.exception("%s", self.failure)
        else:
            self.failure = None
            self._taken = name
            self._metrics.reloads.labels("taken over").inc()
            self._metrics.model_version.set(float(self.model.card.version))
            log.info("Answering with version %s", self.model.card.version)

    def monitored(self, model: ServedModel) -> tuple[NextBatch | None, LiveAccuracy | None]:
        """Return what monitoring has reported, if it is of a model's version."""
        version, next_batch, live = model.card.version, self._next_batch, self._live
        return (
            next_batch if next_batch and next_batch.version == version else None,
            live if live and live.version == version else None,
        )

    def _show_figures(self, model: ServedModel) -> None:
        next_batch, live = self.monitored(model)
        self._metrics.holdout_accuracy.set(model.card.metrics.get("accuracy", math.nan))
        self._metrics.next_batch_accuracy.set(next_batch.accuracy if next_batch else math.nan)
        self._metrics.next_batch.set(next_batch.batch if next_batch else math.nan)
        self._metrics.live_accuracy.set(live.accuracy if live else math.nan)
        self._metrics.live_rows.set(live.rows if live else math.nan)

    async def watch(self) -> None:
        """Refresh repeatedly, off the event loop."""
        while True:
            try:
                await asyncio.to_thread(self.refresh)
            except Exception:
                log.exception("The store of models can't be read")
            await asyncio.sleep(_REFRESH_SECONDS)
