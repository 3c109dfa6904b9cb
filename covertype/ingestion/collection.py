"""Collects one group's observations from the data API into a raw file."""

import json
import logging
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from covertype.contract import COLUMNS
from covertype.data import Datasets

log = logging.getLogger(__name__)

_UNPROCESSABLE = 422

_MOST_BYTES = 8_000_000
"""Of an answer. A whole batch of a group takes 5 million; the API returns a tenth of it."""

_READ_BYTES = 65_536
_LONGEST_INTEGER = 20


class NothingToCollect(Exception):
    """The group has no rows now; an immediate retry does not help."""


class DataApiUnavailable(Exception):
    """The data API failed or returned an invalid answer; a retry may help."""


class DataApiRejected(Exception):
    """The data API rejected the request; a retry does not help."""


def collect(
    datasets: Datasets, group: int, collected: datetime, url: str, timeout: float
) -> tuple[str, int]:
    """Fetch a group's rows once for a collection, and store them.

    Parameters
    ----------
    collected : datetime with a time zone
        Which collection this is. If the group's file of it is there already, as after a repeated
        attempt, it is kept and nothing is fetched.
    url : str
        Address of the data API's `/data`.
    timeout : float
        Seconds to wait for a connection, and for the whole answer.

    Returns
    -------
    name : str
        The file, under the datasets root.
    rows : int
        Rows in it, valid or not.

    Raises
    ------
    NothingToCollect
        If the group is exhausted or returned no rows.
    DataApiUnavailable
        If the API can't be reached, is too slow, fails or returns an invalid answer.
    DataApiRejected
        If the API rejects the group's number.
    """
    name = datasets.find_raw(group, collected)
    if name is not None:
        log.info("Group %d: %s exists from an earlier attempt, kept", group, name)
        rows, rejected = datasets.read_raw(name)
        return name, len(rows) + len(rejected)
    batch, answered = _fetch(group, url, timeout)
    name = datasets.write_raw(group, batch, collected, answered)
    log.info("Group %d: %d rows of batch %d in %s", group, len(answered), batch, name)
    return name, len(answered)


def _fetch(group: int, url: str, timeout: float) -> tuple[int, list[list[str]]]:
    try:
        status, body = _ask(url, group, timeout)
    except (requests.RequestException, HTTPError) as error:
        raise DataApiUnavailable(f"Group {group}: no answer from {url}: {error}") from error
    if status == requests.codes.bad_request:
        raise NothingToCollect(f"Group {group}: {_detail(body)}")
    if status == _UNPROCESSABLE:
        raise DataApiRejected(f"Group {group}: {url} rejected the request: {_detail(body)}")
    if status != requests.codes.ok:
        raise DataApiUnavailable(f"Group {group}: {url} answered {status}: {_detail(body)}")
    try:
        batch, rows = _read(body)
    except (ValueError, RecursionError) as error:
        raise DataApiUnavailable(
            f"Group {group}: {url} sent something else than "
            f'{{"group_number", "batch_number", "data"}}: {error}'
        ) from error
    if not rows:
        raise NothingToCollect(f"Group {group}: {url} answered with no rows")
    wrong = sum(len(row) != len(COLUMNS) for row in rows)
    if wrong:
        log.warning(
            "Group %d: %d of %d rows don't have %d columns; preprocessing sets them aside",
            *(group, wrong, len(rows), len(COLUMNS)),
        )
    return batch, rows


def _ask(url: str, group: int, timeout: float) -> tuple[int, bytes]:
    """Return the status and the body of the API's answer, cut off if it is too large."""
    deadline = time.monotonic() + timeout
    body = bytearray()
    with requests.get(url, {"group_number": group}, timeout=timeout, stream=True) as answer:
        # As it arrives: the timeout of a request starts anew with every byte.
        while part := answer.raw.read1(_READ_BYTES, decode_content=True):
            body += part
            if len(body) > _MOST_BYTES:
                break
            if time.monotonic() > deadline:
                raise requests.Timeout(f"it was not complete after {timeout:g} s")
    return answer.status_code, bytes(body)


def _read(body: bytes) -> tuple[int, list[list[str]]]:
    if len(body) > _MOST_BYTES:
        raise ValueError(f"the answer is larger than {_MOST_BYTES / 1e6:g} MB")
    # Numbers stay text: 1e-400 is not 0.
    answer = json.loads(body, parse_float=str, parse_int=_integer)
    if not isinstance(answer, dict):
        raise ValueError(f"the answer is a {type(answer).__name__}, not an object")
    batch, data = answer.get("batch_number"), answer.get("data")
    if not isinstance(batch, int) or isinstance(batch, bool) or batch < 0:
        raise ValueError(f"batch_number is {str(batch)[:40]!r}, not a number")
    if not isinstance(data, list) or not all(isinstance(row, list) for row in data):
        raise ValueError("data is not a list of rows")
    return batch, [[_text(cell) for cell in row] for row in data if row]


def _integer(digits: str) -> int | str:
    # Python can't convert thousands of digits.
    return int(digits) if len(digits) <= _LONGEST_INTEGER else digits


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else "" if cell is None else json.dumps(cell)


def _detail(body: bytes) -> str:
    try:
        detail = str(json.loads(body)["detail"])
    except (ValueError, LookupError, TypeError, RecursionError):
        detail = body.decode(errors="replace")
    # A lone surrogate can't be written to a log.
    return detail[:300].encode(errors="replace").decode()


def describe(collected: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """Return the files and rows of a collection, for the event of the raw data."""
    return {"files": [name for name, _ in collected], "rows": sum(rows for _, rows in collected)}
