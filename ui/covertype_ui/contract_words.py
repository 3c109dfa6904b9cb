"""The contract's features, rules and values in the chosen language."""

from covertype.contract import FEATURES, Category, Feature, Quantity
from covertype_ui import texts
from covertype_ui.language import number, say

_FEATURES: dict[str, Feature] = {feature.name: feature for feature in FEATURES}


def label(feature: Feature) -> str:
    """Name a feature, with the unit of a quantity."""
    name = say(texts.FEATURE_LABELS[feature.name])
    return f"{name} ({feature.unit})" if isinstance(feature, Quantity) else name


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
