"""Whether a version that is new in Production has to go, by what its clients saw."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from covertype.monitoring.live import wilson_interval

SPAN = timedelta(hours=1)
"""How long a version is new."""

FEWEST = 30
"""True classes, or requests, without which nothing is sure: the first to come are no sample."""


class Trouble(StrEnum):
    """What went wrong. The values are stored in the history, so they must not change."""

    LIVE_ACCURACY = "live_accuracy"
    ERROR_RATE = "error_rate"


@dataclass(frozen=True)
class Seen:
    """How often something happened, of how many times."""

    count: int
    of: int


@dataclass(frozen=True)
class Limits:
    """The lowest live accuracy and the highest error rate of a new version; 0 is no limit."""

    accuracy: float
    error_rate: float


@dataclass(frozen=True)
class Finding:
    """A share that is beyond its limit, and of how many true classes or requests it is."""

    trouble: Trouble
    share: float
    of: int
    limit: float

    @property
    def facts(self) -> dict[str, str]:
        """The finding as the history stores it."""
        return {
            "trouble": self.trouble,
            "share": f"{self.share:.6f}",
            "of": str(self.of),
            "limit": f"{self.limit:g}",
        }

    @classmethod
    def from_facts(cls, facts: Mapping[str, str]) -> "Finding | None":
        """Read what `facts` gave; None if it is anything else."""
        try:
            return cls(
                Trouble(facts["trouble"]),
                float(facts["share"]),
                int(facts["of"]),
                float(facts["limit"]),
            )
        except (KeyError, ValueError):
            return None

    def __str__(self) -> str:
        if self.trouble is Trouble.LIVE_ACCURACY:
            return (
                f"its live accuracy is {self.share:.4f} on {self.of} true classes, "
                f"surely below {self.limit:g}"
            )
        return (
            f"it failed to answer {self.share:.2%} of {self.of} requests, "
            f"surely more than {self.limit:.2%}"
        )


def find_trouble(right: Seen, failed: Seen, limits: Limits) -> Finding | None:
    """Return what is surely beyond its limit: the whole 95 % interval of the share is.

    Parameters
    ----------
    right : Seen
        True classes that agree with the version's answers.
    failed : Seen
        Requests that the version failed to answer.
    limits : Limits
    """
    if right.of >= FEWEST and wilson_interval(right.count, right.of)[1] < limits.accuracy:
        share = right.count / right.of
        return Finding(Trouble.LIVE_ACCURACY, share, right.of, limits.accuracy)
    is_limited = limits.error_rate > 0 and failed.of >= FEWEST
    if is_limited and wilson_interval(failed.count, failed.of)[0] > limits.error_rate:
        share = failed.count / failed.of
        return Finding(Trouble.ERROR_RATE, share, failed.of, limits.error_rate)
    return None
