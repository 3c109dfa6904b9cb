"""How far rows are from a reference: by fixed bins, effect sizes and re-draws of the reference.

Two measures compare the shares p of the reference with the shares q of a window, bin by bin:

- the population stability index, the sum of (q - p) ln(q / p). It is Jeffreys' divergence
  (Jeffreys, "An invariant form for the prior probability in estimation problems", 1946); that 0.25
  and more is a large shift is a custom of credit scoring (Siddiqi, "Credit Risk Scorecards", 2006);
- the total variation distance, half the sum of |q - p|: the share of rows that would have to change
  their bin.

P-values are not used: on many rows, every difference is significant, however small. A measure is a
finding if it is above its limit, which is an effect size, and above what chance gives: the largest
of many windows of the same size that are drawn from the reference (a Monte Carlo test: Barnard,
discussion of Bartlett, "The spectral analysis of point processes", 1963).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from covertype.contract import (
    CATEGORY_NAMES,
    CLASSES,
    COLUMNS,
    FEATURE_NAMES,
    LABELLED,
    QUANTITY_NAMES,
    TARGET,
    Category,
    Feature,
)
from covertype.rows.codes import Codes

_QUANTILES = np.arange(1, 10) / 10
"""Where a quantity's bins end: at the deciles of the reference."""

_PSEUDOCOUNT = 0.5
"""Rows added to each bin for the PSI, which an empty bin would make infinite."""

_WITH_SHARES = (*CATEGORY_NAMES, TARGET.name)
_COMPARED = len(FEATURE_NAMES) + len(_WITH_SHARES)

_FALSE_ALARMS = 0.01
"""The share of windows like the reference, at most, in which any measure exceeds all draws."""

_DRAWS = round(_COMPARED / _FALSE_ALARMS)
"""A window like the reference exceeds n draws with the probability 1 / (n + 1), in each measure."""

Counts = tuple[npt.NDArray[np.int64], ...]
"""The rows in each bin, for each column of `LABELLED`; counts of parts of a window add up."""

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]


class Measure(StrEnum):
    """What a shift is measured by. The values are stored, so they must not change."""

    PSI = "psi"
    TV = "tv"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Limits:
    """Effect sizes above which a shift is a finding.

    `psi` is of the population stability index of a feature; `share` is of shares of rows: of the
    total variation distance of a category or the class, and of rejected rows.
    """

    psi: float
    share: float


@dataclass(frozen=True)
class Shift:
    """How far a window is from the reference, in one column.

    `chance` bounds the value of windows of this size that are drawn from the reference; `limit` is
    the effect size above which the shift matters. The share of rejected rows has no column.
    """

    measure: Measure
    column: str
    value: float
    chance: float
    limit: float

    @property
    def name(self) -> str:
        """The name of a metric: measure and column."""
        return f"{self.measure}_{self.column}" if self.column else f"{self.measure}_share"

    @property
    def is_finding(self) -> bool:
        return self.value > max(self.chance, self.limit)


@dataclass(frozen=True)
class Reference:
    """Rows that others are compared with: the bins of each column of `LABELLED`, and their rows.

    The bins of a quantity end at the deciles of the reference, which `edges` holds; those of a
    category and of the class are its values, and `edges` is empty.
    """

    edges: tuple[npt.NDArray[np.int16], ...]
    counts: Counts

    @classmethod
    def of(cls, rows: Codes) -> "Reference":
        """Make the bins of a reference and count its rows, shape (n, 13), n > 0."""
        if not len(rows):
            raise ValueError("A reference must have rows, got none")
        edges = tuple(
            _deciles(column) if _is_quantity(feature) else column[:0]
            for feature, column in zip(LABELLED, rows.T, strict=True)
        )
        return cls(edges, _count(edges, rows))

    @property
    def rows(self) -> int:
        return _rows(self.counts)

    def count(self, rows: Codes) -> Counts:
        """Return how many rows, shape (n, 13), each bin holds, none for no rows."""
        return _count(self.edges, rows)

    def compare(self, window: Counts, rejected_share: float, limits: Limits) -> "Comparison":
        """Return how far a window is from the reference, by every measure.

        Parameters
        ----------
        window : Counts
            The valid rows by bin, as `count` returns them; without any there is only the share of
            rejected rows.
        rejected_share : float
            The share of invalid rows among those that came.
        limits : Limits
        """
        # The reference holds no invalid row, so chance gives none.
        shifts = [Shift(Measure.REJECTED, "", rejected_share, 0.0, limits.share)]
        if _rows(window):
            shifts += [self._shift(Measure.PSI, one, window, limits.psi) for one in FEATURE_NAMES]
            shifts += [self._shift(Measure.TV, one, window, limits.share) for one in _WITH_SHARES]
        return Comparison(self, window, shifts)

    def _shift(self, measure: Measure, column: str, window: Counts, limit: float) -> Shift:
        number, distance = COLUMNS.index(column), _DISTANCES[measure]
        reference, counts = self.counts[number], window[number]
        # The same seed for all: the bound of a window depends on its size alone.
        random = np.random.default_rng(0)
        draws = random.multinomial(counts.sum(), reference / reference.sum(), _DRAWS)
        return Shift(
            measure,
            column,
            float(distance(reference, counts)),
            float(distance(reference, draws).max()),
            limit,
        )


@dataclass(frozen=True)
class Comparison:
    """A window compared with a reference, both by bin."""

    reference: Reference
    window: Counts
    shifts: list[Shift]

    @property
    def rows(self) -> int:
        return _rows(self.window)

    @property
    def findings(self) -> list[Shift]:
        return [shift for shift in self.shifts if shift.is_finding]

    def worst(self, count: int) -> list[Shift]:
        """Return the features that are farthest from the reference, the farthest first."""
        features = [shift for shift in self.shifts if shift.measure is Measure.PSI]
        return sorted(features, key=lambda shift: -shift.value)[:count]

    def facts(self) -> dict[str, Any]:
        """Return shifts and histograms as names, numbers and lists, for JSON."""
        return {
            "shifts": [asdict(shift) | {"finding": shift.is_finding} for shift in self.shifts],
            "histograms": {
                column: {
                    "edges": edges.tolist(),
                    "reference": reference.tolist(),
                    "window": window.tolist(),
                }
                for column, edges, reference, window in zip(
                    COLUMNS, self.reference.edges, self.reference.counts, self.window, strict=True
                )
            },
        }


def add(counts: Counts, more: Counts) -> Counts:
    """Return the sums of the counts of two parts of a window."""
    return tuple(one + other for one, other in zip(counts, more, strict=True))


def psi(reference: _Ints, window: _Ints) -> _Floats:
    """Return the population stability index, from 0, of windows of shape (…, bins)."""
    p, q = _smooth(reference), _smooth(window)
    index: _Floats = ((q - p) * np.log(q / p)).sum(axis=-1)
    return index


def total_variation(reference: _Ints, window: _Ints) -> _Floats:
    """Return the total variation distance, from 0 to 1, of windows of shape (…, bins)."""
    p, q = reference / reference.sum(), window / window.sum(axis=-1, keepdims=True)
    distance: _Floats = np.abs(q - p).sum(axis=-1) / 2
    return distance


_DISTANCES: dict[Measure, Callable[[_Ints, _Ints], _Floats]] = {
    Measure.PSI: psi,
    Measure.TV: total_variation,
}


def _rows(counts: Counts) -> int:
    return int(counts[-1].sum())


def _smooth(counts: _Ints) -> _Floats:
    padded = counts + _PSEUDOCOUNT
    shares: _Floats = padded / padded.sum(axis=-1, keepdims=True)
    return shares


def _deciles(column: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    return np.unique(np.quantile(column, _QUANTILES, method="inverted_cdf")).astype(np.int16)


def _count(edges: tuple[npt.NDArray[np.int16], ...], rows: Codes) -> Counts:
    return tuple(
        np.bincount(np.searchsorted(ends, column), minlength=len(ends) + 1)
        if _is_quantity(feature)
        else np.bincount(column, minlength=_values(feature))
        for feature, ends, column in zip(LABELLED, edges, rows.T, strict=True)
    )


def _is_quantity(feature: Feature) -> bool:
    return feature.name in QUANTITY_NAMES


def _values(feature: Feature) -> int:
    return len(feature.values) if isinstance(feature, Category) else len(CLASSES)
