"""Predicts a validated file in parts, to show progress and to resume after a failure."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from covertype.contract import CLASSES
from covertype_ui.inference import InferenceClient, RowPrediction
from covertype_ui.rows import Table, write_csv

PART_ROWS = 5_000
ADDED_COLUMNS = ("prediction", "label", "probability", "model_version")


@dataclass
class BatchRun:
    """A file, its predictions so far, and the seconds that they took."""

    name: str
    table: Table
    predictions: list[RowPrediction] = field(default_factory=list)
    seconds: float = 0.0
    _written: tuple[int, bytes] = (0, b"")

    @property
    def left(self) -> int:
        """The number of valid rows without a prediction."""
        return len(self.table.rows) - len(self.predictions)

    def go_on(self, client: InferenceClient) -> Iterator[int]:
        """Predict the remaining rows; yield the number of predicted rows after every part.

        What was predicted stays if the client raises, and the next call goes on from there.
        """
        while self.left:
            start = time.perf_counter()
            done = len(self.predictions)
            part = self.table.rows[done : done + PART_ROWS]
            self.predictions += client.predict_many([row.observation for row in part])
            self.seconds += time.perf_counter() - start
            yield len(self.predictions)

    def versions(self) -> list[str]:
        """Return the versions that answered, in the order of their first answer."""
        return list(dict.fromkeys(prediction.version for prediction in self.predictions))

    def counts(self) -> dict[str, int]:
        """Return the number of predicted rows of each class by name."""
        counted = Counter(prediction.number for prediction in self.predictions)
        return {name: counted[number] for number, name in enumerate(CLASSES)}

    def agreement(self) -> float | None:
        """Return the share of correct predictions, if the file holds the true classes."""
        true = self.table.true_classes()
        if true is None or self.left or not self.predictions:
            return None
        right = sum(
            prediction.number == number
            for prediction, number in zip(self.predictions, true, strict=True)
        )
        return right / len(true)

    def header(self) -> list[str]:
        return [*self.table.header, *ADDED_COLUMNS]

    def result_rows(self) -> Iterator[list[object]]:
        """Yield the predicted rows: their original cells and the prediction."""
        for row, answer in zip(self.table.rows, self.predictions, strict=False):
            probability = f"{answer.probability:.6f}"
            yield [*row.cells, answer.number, CLASSES[answer.number], probability, answer.version]

    def result_csv(self) -> bytes:
        """Return the predicted rows as a CSV file; it is cached until more rows are predicted."""
        rows, written = self._written
        if rows != len(self.predictions):
            rows, written = len(self.predictions), write_csv(self.header(), self.result_rows())
            self._written = rows, written
        return written
