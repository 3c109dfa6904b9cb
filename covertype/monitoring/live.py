"""Live accuracy: how often each version was right, by the true classes that clients sent."""

from math import sqrt

import pandas as pd

_Z = 1.959964
"""The 97.5 % quantile of the normal distribution: an interval of 95 %."""


def live_accuracy(feedback: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracy of each version on feedback.

    Feedback whose prediction is not known (yet) is left out.

    Parameters
    ----------
    feedback : DataFrame
        As `Datasets.read_feedback` returns it: `model_version`, `prediction`, `truth`.

    Returns
    -------
    DataFrame
        A row for each version, by `model_version`: `rows`, `correct`, `accuracy`, and `low` and
        `high`, the bounds of its 95 % interval as `wilson_interval` gives them.
    """
    known = feedback.dropna(subset=["model_version", "prediction"])
    right = (known["prediction"] == known["truth"]).astype(bool)
    counts = right.groupby(known["model_version"].astype(str)).agg(["size", "sum"])
    counts.columns = pd.Index(["rows", "correct"])
    bounds = [
        wilson_interval(*pair) for pair in zip(counts["correct"], counts["rows"], strict=True)
    ]
    return counts.assign(
        accuracy=counts["correct"] / counts["rows"],
        low=[low for low, _ in bounds],
        high=[high for _, high in bounds],
    )


def wilson_interval(correct: int, rows: int) -> tuple[float, float]:
    """Return the bounds of the 95 % score interval of a proportion.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", Journal
    of the American Statistical Association 22 (1927). Unlike the normal approximation it stays
    within 0 and 1 and holds for few rows.

    Parameters
    ----------
    correct : int
    rows : int
        At least 1.
    """
    share, weight = correct / rows, _Z**2 / rows
    centre = share + weight / 2
    spread = _Z * sqrt(share * (1 - share) / rows + weight / (4 * rows))
    # Rounding must not make all right, or none, a little less.
    low = max(0.0, (centre - spread) / (1 + weight)) if correct else 0.0
    high = min(1.0, (centre + spread) / (1 + weight)) if correct < rows else 1.0
    return low, high
