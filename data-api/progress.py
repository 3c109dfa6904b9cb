"""Which batch each group is at, kept in a file so that a restart changes nothing."""

import time
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from batches import BATCH_COUNT
from covertype.atomic import replacing
from covertype.contract import GROUPS


class Exhausted(Exception):
    """The group has had its last batch for as long as a batch lasts."""


class _Position(BaseModel):
    batch: int = Field(ge=1, le=BATCH_COUNT)
    since: float
    """Seconds since 1970 of the request that advanced to `batch`."""


_Positions = TypeAdapter(dict[int, _Position])


class Progress:
    """The positions of all groups.

    One process may use a file, as nothing is read from it again.

    Parameters
    ----------
    file : Path
        Where positions are kept: written whole at each advance, or left as it was.
    batch_seconds : float
        How long a batch lasts. The first request after that advances the group by one, however
        late it comes, so a client that was away misses no batch.
    clock : callable
        Seconds since 1970.

    Raises
    ------
    ValueError
        If the file is there but holds something else.
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
            If an advance can't be kept; the group is then where it was.
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
