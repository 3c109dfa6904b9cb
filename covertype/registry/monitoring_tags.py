"""What monitoring learns of a version after its training, as tags of the version.

`covertype.registry.monitored` writes the tags; the inference service reads them.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct

from covertype.answers import LiveAccuracy, NextBatch

ACCURACY = "accuracy"
_PREFIXES: dict[type[Struct], str] = {
    NextBatch: "monitoring.next_batch",
    LiveAccuracy: "monitoring.live",
}

Figures = TypeVar("Figures", NextBatch, LiveAccuracy)


def tag_of(kind: type[Struct], field: str) -> str:
    """Return the tag that holds a field of the figures of a kind."""
    prefix = _PREFIXES[kind]
    return prefix if field == "batch" else f"{prefix}_{field}"


def to_tags(figures: NextBatch | LiveAccuracy) -> dict[str, str]:
    """Return the tags in the order in which to set them: without the accuracy nothing is known."""
    # The accuracy is the last field of both kinds.
    values = msgspec.structs.asdict(figures) | {ACCURACY: f"{figures.accuracy:.6f}"}
    del values["version"]
    return {tag_of(type(figures), name): str(value) for name, value in values.items()}


def from_tags(kind: type[Figures], version: str, tags: Mapping[str, str]) -> Figures | None:
    """Return the figures of a version, None if a tag is missing or is not what `to_tags` wrote."""
    stored = {name: tags.get(tag_of(kind, name)) for name in kind.__struct_fields__}
    try:
        figures = msgspec.convert(stored | {"version": version}, kind, strict=False)
    except msgspec.ValidationError:
        return None
    return figures if 0 <= figures.accuracy <= 1 else None
