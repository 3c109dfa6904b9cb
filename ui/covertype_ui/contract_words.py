"""The contract's features, rules and values in the chosen language."""

from collections.abc import Mapping, Sequence

from covertype.contract import (
    CATEGORIES,
    CLASSES,
    COLUMNS,
    LABELLED,
    TARGET,
    Category,
    Feature,
    Quantity,
)
from covertype.rows.violations import CELLS, Violation
from covertype.training.derived import DERIVED
from covertype_ui import texts
from covertype_ui.language import number, say

_FEATURES: dict[str, Feature] = {feature.name: feature for feature in LABELLED}


def label(feature: Feature) -> str:
    """Name a feature, with the unit of a quantity."""
    name = say(texts.FEATURE_LABELS[feature.name])
    return f"{name} ({feature.unit})" if isinstance(feature, Quantity) else name


def column(name: str) -> str:
    """Name a column, with the unit of a quantity; one that the contract lacks by its own name."""
    feature = _FEATURES.get(name)
    return label(feature) if feature and feature != TARGET else encoded(name)


def bins(name: str, edges: Sequence[int]) -> list[str]:
    """Name the bins of a column: the values of a category, or ranges that end at the edges."""
    feature = _FEATURES.get(name)
    if isinstance(feature, Category):
        return list(feature.values)
    if name == TARGET.name:
        return [class_name(one) for one in CLASSES]
    if not edges:
        return []
    ends = [number(edge) for edge in edges]
    starts = [number(edge + 1) for edge in edges]
    inner = [
        low if low == high else say(texts.BIN, low=low, high=high)
        for low, high in zip(starts, ends[1:], strict=False)
    ]
    return [
        say(texts.FIRST_BIN, high=ends[0]),
        *inner,
        say(texts.LAST_BIN, low=ends[-1]),
    ]


def description(feature: Feature) -> str:
    """Describe a feature in a sentence without a full stop."""
    return say(texts.FEATURE_DESCRIPTIONS[feature.name])


def choice(category: Category, value: str) -> str:
    """Name a value of a category with what it stands for."""
    return f"{value} · {category.descriptions[value]}"


def rule(name: str) -> str:
    """Say what a feature allows."""
    feature = _FEATURES[name]
    called = say(texts.FEATURE_LABELS[name])
    if isinstance(feature, Category):
        count = len(feature.values)
        return say(texts.CATEGORY_RULE, name=called, count=count, last=count - 1)
    return say(
        texts.QUANTITY_RULE,
        name=called,
        low=number(feature.minimum),
        high=number(feature.maximum),
    )


def class_name(name: str) -> str:
    """Name a class of the contract."""
    return say(texts.CLASS_LABELS[name])


def encoded(column: str) -> str:
    """Name a column of an encoder: a feature, one value of a category, or a sum of quantities."""
    if column in DERIVED:
        return _formula(DERIVED[column])
    for category in CATEGORIES:
        if column.startswith(f"{category.name}_"):
            value = column.removeprefix(f"{category.name}_")
            return f"{say(texts.FEATURE_LABELS[category.name])}: {value}"
    return say(texts.FEATURE_LABELS[column]) if column in texts.FEATURE_LABELS else column


def _formula(weights: Mapping[str, int]) -> str:
    terms = [
        f"{'−' if weight < 0 else '+'} {'' if abs(weight) == 1 else f'{abs(weight)} × '}"
        f"{say(texts.FEATURE_LABELS[name])}"
        for name, weight in weights.items()
    ]
    return f"|{' '.join(terms).removeprefix('+ ')}|"


def broken_rule(violation: Violation) -> str:
    """Say which rule a row of a raw file breaks."""
    if violation.rule == CELLS:
        return say(texts.WRONG_WIDTH, wanted=len(COLUMNS))
    if violation.feature in _FEATURES:
        return rule(violation.feature)
    # Of a former release, or of a contract that has changed since.
    return violation.feature or violation.value


def broken_rules(violations: Sequence[Violation]) -> str:
    """Say which rules a row of a raw file breaks."""
    return "; ".join(map(broken_rule, violations))
