"""Each group's current batch, in a file so that it survives a restart."""

import time
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from batches import BATCH_COUNT
from covertype.atomic import replacing
from covertype.contract import GROUPS


class Exhausted(Exception):
    """The group's last batch is over."""


class _Position(BaseModel):
    batch: int = Field(ge=1, le=BATCH_COUNT)
    since: float
    """Seconds since 1970 of the request that advanced to `batch`."""


_Positions = TypeAdapter(dict[int, _Position])


class GroupPositions:
    """The positions of all groups.

    Only one process may use a file: it is read once, at the start.

    Parameters
    ----------
    file : Path
        Where positions are kept. Each advance replaces it atomically.
    batch_seconds : float
        How long a batch lasts. The first request after that advances the group by one, however
        late it comes, so a client that was away misses no batch.
    clock : callable
        Seconds since 1970.

    Raises
    ------
    ValueError
        If the file holds something else.
    """

    def __init__(
        self, file: Path, batch_seconds: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._file = file
        self._batch_seconds = batch_seconds
        self._clock = clock
        self._positions = self._read()

    def batch(self, group: int) -> int:
        """Return the group's batch for a request made now.

        Raises
        ------
        Exhausted
            If the last batch is over.
        OSError
            If the advance can't be saved; the group then keeps its position.
        """
        now = self._clock()
        position = self._positions.get(group)
        if position is None:
            return self._advance(group, _Position(batch=1, since=now))
        if now < position.since:
            # The clock was set back; until it has caught up the batch would not end.
            return self._advance(group, _Position(batch=position.batch, since=now))
        if now - position.since < self._batch_seconds:
            return position.batch
        if position.batch == BATCH_COUNT:
            raise Exhausted
        return self._advance(group, _Position(batch=position.batch + 1, since=now))

    def restart(self, group: int) -> None:
        """Start a group over: its next request gets the first batch."""
        self._keep({key: value for key, value in self._positions.items() if key != group})

    def _advance(self, group: int, position: _Position) -> int:
        self._keep({**self._positions, group: position})
        return position.batch

    def _keep(self, positions: dict[int, _Position]) -> None:
        with replacing(self._file) as temporary:
            temporary.write_bytes(_Positions.dump_json(positions))
        self._positions = positions

    def _read(self) -> dict[int, _Position]:
        if not self._file.exists():
            return {}
        try:
            positions = _Positions.validate_json(self._file.read_bytes())
        except ValidationError as error:
            raise ValueError(
                f"{self._file} does not hold the groups' positions; "
                f"remove it to start all groups over"
            ) from error
        return {group: position for group, position in positions.items() if group in GROUPS}
