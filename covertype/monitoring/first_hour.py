"""Whether a version that is new in Production has to go, by what its clients saw."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from covertype.monitoring.live import wilson_interval

SPAN = timedelta(hours=1)
"""How long a version is new."""


class Trouble(StrEnum):
    """What went wrong. The values are stored in the history, so they must not change."""

    LIVE_ACCURACY = "live_accuracy"
    ERROR_RATE = "error_rate"


@dataclass(frozen=True)
class Seen:
    """How many true classes came and agreed, and how many observations had no answer."""

    correct: int
    truths: int
    failed: int
    asked: int


@dataclass(frozen=True)
class Limits:
    """The lowest live accuracy and the highest error rate of a new version; 0 is no limit."""

    accuracy: float
    error_rate: float

    @property
    def are_set(self) -> bool:
        return self.accuracy > 0 or self.error_rate > 0


@dataclass(frozen=True)
class Finding:
    """A share that is beyond its limit, and of how many observations it is."""

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

    def __str__(self) -> str:
        if self.trouble is Trouble.LIVE_ACCURACY:
            return (
                f"its live accuracy is {self.share:.4f} on {self.of} true classes, "
                f"surely below {self.limit:g}"
            )
        return (
            f"it failed to answer {self.share:.2%} of {self.of} observations, "
            f"surely more than {self.limit:.2%}"
        )


def find_trouble(seen: Seen, limits: Limits) -> Finding | None:
    """Return what is surely beyond its limit: the whole 95 % interval of the share is.

    So a few wrong answers by chance are not enough, and a few answers are enough if all are wrong.
    """
    if seen.truths and wilson_interval(seen.correct, seen.truths)[1] < limits.accuracy:
        share = seen.correct / seen.truths
        return Finding(Trouble.LIVE_ACCURACY, share, seen.truths, limits.accuracy)
    is_limited = bool(limits.error_rate and seen.asked)
    if is_limited and wilson_interval(seen.failed, seen.asked)[0] > limits.error_rate:
        share = seen.failed / seen.asked
        return Finding(Trouble.ERROR_RATE, share, seen.asked, limits.error_rate)
    return None
