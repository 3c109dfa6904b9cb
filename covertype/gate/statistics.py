"""Statistics of two versions that answered the same rows."""

import math
from typing import NamedTuple

from scipy.stats import binom, norm


class Interval(NamedTuple):
    """A confidence interval."""

    low: float
    high: float


def mcnemar_mid_p(gained: int, lost: int) -> float:
    """Return the two-sided mid-p value of McNemar's test.

    The mid-p version is nearly exact and, unlike the exact test, not conservative: Fagerland,
    Lydersen and Laake, "The McNemar test for binary matched-pairs data: mid-p and asymptotic are
    better than exact conditional", BMC Medical Research Methodology 13:91, 2013.

    Parameters
    ----------
    gained, lost : int
        Rows that only the one version answers correctly, and rows that only the other does.
    """
    differing = gained + lost
    if not differing:
        return 1.0
    fewer = min(gained, lost)
    tail = 2 * binom.cdf(fewer, differing, 0.5) - binom.pmf(fewer, differing, 0.5)
    return float(min(tail, 1.0))


def paired_difference(gained: int, lost: int, rows: int, confidence: float = 0.95) -> Interval:
    """Return the interval of the difference of two shares of the same rows, (gained − lost) / rows.

    The adjusted Wald interval of Bonett and Price, "Adjusted Wald confidence interval for a
    difference of binomial proportions based on paired data", Journal of Educational and Behavioral
    Statistics 37(4), 2012. It keeps its coverage with few rows.
    """
    share_gained, share_lost = (gained + 1) / (rows + 2), (lost + 1) / (rows + 2)
    difference = share_gained - share_lost
    variance = (share_gained + share_lost - difference**2) / (rows + 2)
    half = float(norm.ppf((1 + confidence) / 2)) * math.sqrt(variance)
    return Interval(difference - half, difference + half)
