"""Small JSON files beside the weights: what is known about a version and about the registry."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from covertype.answers import ModelAnswer, RegistryState
from covertype.atomic import replacing
from covertype.models.artifact import Proof


class Card(ModelAnswer, frozen=True, kw_only=True):
    """A version in Production: what the service answers about it, and its proof.

    `golden_rows` and `golden_probabilities` are those of `covertype.models.artifact.Proof`.
    """

    golden_rows: list[list[Any]]
    golden_probabilities: list[list[float]]

    @property
    def proof(self) -> Proof:
        """What a copy of the version is proven with."""
        ranges = {name: (low, high) for name, (low, high) in self.training_ranges.items()}
        return Proof(self.golden_rows, self.golden_probabilities, ranges)


class RegistryReport(RegistryState, frozen=True, kw_only=True):
    """The registry as the follower writes it; stale after `good_for` seconds."""

    def as_of_now(self) -> "RegistryReport":
        """Return the report or, if it is stale, one that says for how long nobody has checked."""
        age = time.monotonic() - self.looked_at
        if 0 <= age <= self.good_for:
            return self
        since = f"for {age:.0f} s" if age > 0 else "since the machine started"
        message = f"nobody has looked at the registry {since}: the follower hangs or is down"
        return msgspec.structs.replace(self, reachable=False, message=message)


def now() -> str:
    """Return the current time as ISO 8601, in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def iso(milliseconds: int) -> str:
    """Return a timestamp of MLflow, in milliseconds, as ISO 8601, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


def write(path: Path, content: msgspec.Struct) -> None:
    """Write a card or a report atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(msgspec.json.encode(content))
