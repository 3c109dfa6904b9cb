"""Small JSON files beside the weights: what is known about a version and about the registry."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from covertype.atomic import replacing


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A version in Production: its identity, its scores, and its proof.

    `training_ranges`, `golden_rows` and `golden_probabilities` are those of the model's
    `covertype.models.artifact.Proof`.
    """

    name: str
    version: str
    stage: str
    since: str
    run_id: str
    experiment_id: str
    metrics: dict[str, float]
    parameters: dict[str, str]
    training_ranges: dict[str, tuple[int, int]]
    confusion_matrix: list[list[int]] | None
    importances: dict[str, float] | None
    golden_rows: list[list[Any]]
    golden_probabilities: list[list[float]]


class Refusal(msgspec.Struct, frozen=True):
    """A version that the follower refused to serve, and why."""

    version: str
    reason: str
    at: str


class RegistryReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of the follower's last check of the registry; stale after `good_for` seconds.

    `checked_at` is the time of the check for people. `looked_at` is the same moment for programs,
    in seconds of the machine's monotonic clock, which nobody can set.
    """

    reachable: bool
    message: str
    checked_at: str
    looked_at: float
    good_for: float
    production: str | None = None
    refused: Refusal | None = None

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
