"""scikit-learn's `predict` alone on batches: `python -m benchmarks.alone FOLDER ROWS ROWS …`.

A process of its own, as scikit-learn's objects of a forest of all rows take 570 MB. Prints the
seconds of each batch, the best of three, as JSON.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.platform import observations
from covertype.contract import FEATURE_NAMES
from covertype.models.artifact import load_model

_TRIES = 3


def best(work: Callable[[], object]) -> float:
    """Return the shortest of several runs, in seconds."""
    seconds = []
    for _ in range(_TRIES):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main() -> None:
    """Load the model and time it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alone", description=__doc__)
    parser.add_argument("folder", type=Path, help="a logged model")
    parser.add_argument("rows", type=int, nargs="+")
    given = parser.parse_args()
    model = load_model(given.folder)
    batches = [observations(count)[list(FEATURE_NAMES)] for count in given.rows]
    print(json.dumps([best(lambda rows=rows: model.predict(rows)) for rows in batches]))  # type: ignore[misc]


if __name__ == "__main__":
    main()
