"""The model that answers now, swapped whole between requests."""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

import msgspec

from inference.cards import Card, now
from inference.predictors import CARD_FILE, PipelinePredictor, Predictor, prove
from inference.store import ModelStore

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class ServedModel:
    """One version, complete: an answer uses one of these from its beginning to its end."""

    card: Card
    predictor: Predictor
    loaded_at: str

    @classmethod
    def load(cls, folder: Path) -> "ServedModel":
        """Load a kept version and prove it.

        Raises
        ------
        ValueError
            If its answers are not those of training.
        """
        card = msgspec.json.decode((folder / CARD_FILE).read_bytes(), type=Card)
        predictor = PipelinePredictor(folder)
        prove(predictor, card)
        return cls(card, predictor, now())


class Serving:
    """Holds the served model, and takes over what the follower brings into the store."""

    def __init__(self, store: ModelStore) -> None:
        self.store = store
        self.model: ServedModel | None = None
        self.failure: str | None = None
        self._taken: str | None = None

    def look(self) -> None:
        """Take over the store's current version if it is another one; keep the old on failure."""
        name = self.store.current
        if name is None or name == self._taken:
            return
        self._taken = name
        try:
            self.model = ServedModel.load(self.store.folder(name))
        except Exception as error:
            self.failure = f"the kept version {name.split('-')[0]} can't be loaded: {error}"
            log.exception("%s", self.failure)
        else:
            self.failure = None
            log.info("Answering with version %s", self.model.card.version)

    async def watch(self) -> None:
        """Look again and again, off the event loop."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(_LOOK_SECONDS)
