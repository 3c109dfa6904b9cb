"""What is known of a version beside its weights, and of the registry, as small JSON files."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from covertype.atomic import replacing


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A version in Production: who it is, what it scored, and how to prove a loaded copy right.

    `golden_rows` are observations in the contract's order, `golden_probabilities` what the model
    answered to them when it was trained; `training_ranges` the lowest and highest by quantity.
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
    """A version that did not become the served one, and why."""

    version: str
    reason: str
    at: str


class RegistryReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the last look at the registry gave; worth nothing `good_for` seconds after it.

    `checked_at` tells people when that was, `looked_at` tells programs: in seconds of the machine's
    monotonic clock, which nobody sets.
    """

    reachable: bool
    message: str
    checked_at: str
    looked_at: float
    good_for: float
    production: str | None = None
    refused: Refusal | None = None

    def as_of_now(self) -> "RegistryReport":
        """Return the report, or one that says for how long nobody has looked."""
        age = time.monotonic() - self.looked_at
        if 0 <= age <= self.good_for:
            return self
        since = f"for {age:.0f} s" if age > 0 else "since the machine started"
        message = f"nobody has looked at the registry {since}: the follower hangs or is down"
        return msgspec.structs.replace(self, reachable=False, message=message)


def now() -> str:
    """Return this moment as ISO 8601, in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def iso(milliseconds: int) -> str:
    """Return a moment that MLflow counts in milliseconds as ISO 8601, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


def write(path: Path, content: msgspec.Struct) -> None:
    """Write a card or a report, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(msgspec.json.encode(content))
