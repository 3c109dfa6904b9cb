"""The rule that decides which observations are valid."""

from collections.abc import Mapping, Sequence
from typing import Any

from covertype.contract import (
    CATEGORIES,
    CLASSES,
    FEATURE_NAMES,
    FEATURES,
    LABELLED,
    QUANTITIES,
    TARGET,
    Category,
    Feature,
)
from covertype.rows.codes import INDEXES, Row
from covertype.rows.violations import (
    CLASS,
    MISSING,
    UNKNOWN,
    VALUE,
    VALUES,
    Violation,
    describe,
    shown,
)

Observation = tuple[int | str, ...]
"""The features in the contract's order: quantities as integers, categories by name."""

_SHOWN_UNKNOWN = 5


class InvalidRow(ValueError):
    """A row breaks the contract; `violations` are all the rules that it breaks."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__("; ".join(map(describe, violations)))


def parse_row(values: Sequence[Any] | Mapping[str, Any]) -> Row:
    """Read one observation as a client sends it.

    Parameters
    ----------
    values : sequence in the contract's order, or mapping by column name
        Whole numbers (3000 or 3000.0) for quantities; a name or its index for categories.

    Raises
    ------
    InvalidRow
        If a feature is missing, unknown or breaks its rule.
    """
    if isinstance(values, Mapping):
        values = _in_order(values)
    elif len(values) != len(FEATURES):
        raise InvalidRow([Violation(VALUES, value=str(len(values)))])
    return _parse(FEATURES, values)


def parse_labelled(values: Sequence[Any]) -> Row:
    """Read one observation and its class, in the order of `COLUMNS`.

    Raises
    ------
    InvalidRow
        If a value breaks its rule.
    """
    return _parse(LABELLED, values)


def parse_observation(values: Sequence[Any] | Mapping[str, Any]) -> Observation:
    """Read one observation as `parse_row` does; return categories by name."""
    return with_names(parse_row(values))


def parse_class(value: Any) -> int:
    """Read a class as a client sends it: its index or its name.

    Raises
    ------
    InvalidRow
        If it is neither.
    """
    if isinstance(value, str) and value in CLASSES:
        return CLASSES.index(value)
    number = _number(TARGET, value)
    if number is None:
        raise InvalidRow([Violation(CLASS, TARGET.name, shown(value))])
    return number


def with_names(row: Row) -> Observation:
    """Return an observation with its categories by name."""
    indexes = zip(CATEGORIES, row[len(QUANTITIES) :], strict=True)
    return (*row[: len(QUANTITIES)], *(category.values[index] for category, index in indexes))


def _in_order(values: Mapping[str, Any]) -> list[Any]:
    missing = [Violation(MISSING, name) for name in FEATURE_NAMES if name not in values]
    unknown = [Violation(UNKNOWN, str(name)) for name in values if name not in FEATURE_NAMES]
    if missing or unknown:
        raise InvalidRow([*missing, *unknown[:_SHOWN_UNKNOWN]])
    return [values[name] for name in FEATURE_NAMES]


def _parse(features: Sequence[Feature], values: Sequence[Any]) -> Row:
    row: list[int] = []
    violations: list[Violation] = []
    for feature, value in zip(features, values, strict=True):
        number = _number(feature, value)
        if number is None:
            violations.append(Violation(VALUE, feature.name, shown(value)))
        else:
            row.append(number)
    if violations:
        raise InvalidRow(violations)
    return tuple(row)


def _number(feature: Feature, value: Any) -> int | None:
    """Return the whole number that a valid value is, the index for a category's name."""
    if isinstance(feature, Category):
        if isinstance(value, str):
            return INDEXES[feature.name].get(value)
        lowest, highest = 0, len(feature.values) - 1
    else:
        lowest, highest = feature.minimum, feature.maximum
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if lowest <= value <= highest and value == int(value) else None
