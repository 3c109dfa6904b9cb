"""The ids of predictions: unique across workers, restarts and replicas."""

import re
import time
from datetime import UTC, date, datetime
from itertools import count

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

ALONE = -1
"""In place of a row's number: the prediction is no row of a batch."""

PATTERN = r"[0-9A-Za-z_-]{1,64}"
"""What an id may look like; other releases may make ids of another form."""

_MADE_HERE = re.compile(r"[0-9a-f]+-(\d{10})-\d+(?:-\d+)?", re.ASCII)


class PredictionId(Struct, frozen=True, gc=False):
    """The id of one prediction, or of a batch of them.

    As text it is `<writer>-<second>-<number>`. The id of a row of a batch is the batch's with
    `-<row>` appended, counted from 0. The second says in which days' files the prediction may be.

    Parameters
    ----------
    text : str
    time : float
        Seconds since 1970; the text holds them without their fraction.
    number : int
        Different for every id of the writer.
    """

    text: str
    time: float
    number: int


class PredictionIds:
    """Makes the ids of one writer, with little work for each: every answer needs one.

    Parameters
    ----------
    writer : str
        A name that no other writer has, in hexadecimal digits.
    """

    def __init__(self, writer: str) -> None:
        self._writer = writer
        self._numbers = count()
        self._second = 0
        self._beginning = ""

    def new(self) -> PredictionId:
        """Return the next id."""
        now = time.time()
        if not self._second <= now < self._second + 1:
            self._second = int(now)
            self._beginning = f"{self._writer}-{self._second}-"
        number = next(self._numbers)
        return PredictionId(f"{self._beginning}{number}", now, number)


def to_arrow(
    writer: str,
    times: npt.NDArray[np.float64],
    numbers: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int32],
) -> pa.Array:
    """Return the ids of many predictions of a writer as text, each as `PredictionIds` makes it.

    Parameters
    ----------
    writer : str
    times, numbers, rows : arrays of shape (n,)
        The parts of each id; the row is `ALONE` for a prediction that is no row of a batch.
    """
    seconds, number, row = (
        pa.array(part).cast(pa.string()) for part in (times.astype(np.int64), numbers, rows)
    )
    alone = pc.binary_join_element_wise(pa.scalar(writer), seconds, number, "-")
    return pc.if_else(rows == ALONE, alone, pc.binary_join_element_wise(alone, row, "-"))


def day_of(prediction_id: str) -> date | None:
    """Return the day (UTC) of a prediction; None if the id is none of this module's."""
    found = _MADE_HERE.fullmatch(prediction_id)
    return datetime.fromtimestamp(int(found[1]), UTC).date() if found else None
