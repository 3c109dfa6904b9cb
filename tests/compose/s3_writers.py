"""A writer of datasets in S3 that goes on until it is killed, and says what it has committed."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from types import ModuleType

from covertype.data import Datasets
from covertype.history import Kind, State
from covertype.ingestion.preprocessing import preprocess
from covertype.storage import Unavailable, leases

ROWS = 12
ROUNDS = 50
_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
_SAME = ["2000", "0", "2", "3", "4", "5", "6", "7", "8", "9", "Rawah", "C2702", "0"]


def lines(number: int) -> list[list[str]]:
    """Return the rows of a raw file: its own, one that every file has, and an invalid one."""
    first = [str(2001 + number % 1000), str(number // 1000)]
    own = [[*first, str(one), *_SAME[3:]] for one in range(ROWS)]
    return [*own, _SAME, ["high", *_SAME[1:]]]


def write_until_killed(
    environment: Mapping[str, str], root: str, writer: int, said: Connection
) -> None:
    """Collect, preprocess, announce and promote, again and again."""
    os.environ |= environment
    shorten_leases(setattr)
    datasets = Datasets(root)
    said.send(("begun", "", writer))
    for number in range(writer * ROUNDS, (writer + 1) * ROUNDS):
        # Who was stopped, or was too slow, may have lost a lock: what it said counts all the same.
        with suppress(Unavailable):
            _go_round(datasets, writer, number, said)
    time.sleep(60)


def _go_round(datasets: Datasets, writer: int, number: int, said: Connection) -> None:
    group, moment = number % 10 + 1, _MOMENT + timedelta(minutes=number)
    name = datasets.write_raw(group, 1, moment, lines(number))
    said.send(("raw", name, number))
    preprocess(datasets)
    snapshot = datasets.take_snapshot()
    said.send(("snapshot", snapshot.name, snapshot.rows))
    history = datasets.history
    with history.locked():
        entry = history.add(Kind.PROMOTED, str(number), None, who=f"writer {writer}")
        history.end(entry, State.DONE)
    said.send(("entry", entry, number))


def shorten_leases(set_to: Callable[[ModuleType, str, float], None]) -> None:
    """Let the locks of killed writers be free soon."""
    set_to(leases, "LEASE_SECONDS", 0.8)
    set_to(leases, "_RENEW_SECONDS", 0.2)
    set_to(leases, "_AGAIN_SECONDS", 0.1)
    set_to(leases, "_PAUSE_SECONDS", 0.02)
