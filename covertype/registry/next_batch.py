"""How well a version does on the newest batch that it was not trained on, as tags of the version.

`covertype.registry.monitored` writes the tags; the inference service reads them.
"""

from collections.abc import Mapping

from covertype.answers import NextBatch

_PREFIX = "monitoring."
ACCURACY = f"{_PREFIX}next_batch_accuracy"
BATCH = f"{_PREFIX}next_batch"
ROWS = f"{_PREFIX}next_batch_rows"


def to_tags(figures: NextBatch) -> dict[str, str]:
    """Return the tags in the order in which to set them: without `ACCURACY` nothing is known."""
    return {
        BATCH: str(figures.batch),
        ROWS: str(figures.rows),
        ACCURACY: f"{figures.accuracy:.6f}",
    }


def from_tags(version: str, tags: Mapping[str, str]) -> NextBatch | None:
    """Return the figures of a version, None if a tag is missing or is not what `to_tags` wrote."""
    try:
        figures = NextBatch(version, int(tags[BATCH]), int(tags[ROWS]), float(tags[ACCURACY]))
    except (KeyError, ValueError):
        return None
    return figures if 0 <= figures.accuracy <= 1 else None
