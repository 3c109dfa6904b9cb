"""Collecting one group's observations from the data API into a raw file."""

import json
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import requests

from covertype.contract import COLUMNS
from covertype.storage import Datasets

log = logging.getLogger(__name__)

_REFUSED = 422


class NothingToCollect(Exception):
    """The group has no rows to give now; asking again at once is of no use."""


class DataApiUnavailable(Exception):
    """The data API failed or answered nonsense; asking again may help."""


class DataApiRefused(Exception):
    """The data API does not know what was asked; asking again is of no use."""


def collect(
    datasets: Datasets, group: int, collected: datetime, url: str, timeout: float
) -> tuple[str, int]:
    """Fetch a group's rows once for a collection, and keep them.

    Parameters
    ----------
    collected : datetime with a time zone
        Which collection this is. If the group's file of it is there already, as after a repeated
        try, it is kept and nothing is fetched.
    url : str
        Address of the data API's `/data`.
    timeout : float
        Seconds to wait for a connection, and for the answer.

    Returns
    -------
    name : str
        The file, under the datasets root.
    rows : int
        Rows in it, valid or not.

    Raises
    ------
    NothingToCollect
        If the group is exhausted or answered with no rows.
    DataApiUnavailable
        If the API can't be reached, is too slow, fails or answers something else than the design's.
    DataApiRefused
        If the API refuses the group's number.
    """
    name = datasets.find_raw(group, collected)
    if name is not None:
        log.info("Group %d: %s is there from an earlier try, kept", group, name)
        with (datasets.root / name).open() as file:
            return name, sum(1 for _ in file)
    batch, rows = _fetch(group, url, timeout)
    name = datasets.write_raw(group, batch, collected, rows)
    log.info("Group %d: %d rows of batch %d in %s", group, len(rows), batch, name)
    return name, len(rows)


def _fetch(group: int, url: str, timeout: float) -> tuple[int, list[list[str]]]:
    try:
        answer = requests.get(url, params={"group_number": group}, timeout=timeout)
        body = answer.content
    except requests.RequestException as error:
        raise DataApiUnavailable(f"Group {group}: no answer from {url}: {error}") from error
    if answer.status_code == requests.codes.bad_request:
        raise NothingToCollect(f"Group {group}: {_detail(answer)}")
    if answer.status_code == _REFUSED:
        raise DataApiRefused(f"Group {group}: {url} refused the request: {_detail(answer)}")
    if answer.status_code != requests.codes.ok:
        raise DataApiUnavailable(
            f"Group {group}: {url} answered {answer.status_code}: {_detail(answer)}"
        )
    try:
        batch, rows = _read(json.loads(body))
    except ValueError as error:
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


def _read(body: Any) -> tuple[int, list[list[str]]]:
    if not isinstance(body, dict):
        raise ValueError(f"the answer is a {type(body).__name__}, not an object")
    batch, data = body.get("batch_number"), body.get("data")
    if not isinstance(batch, int) or isinstance(batch, bool) or batch < 0:
        raise ValueError(f"batch_number is {str(batch)[:40]!r}, not a number")
    if not isinstance(data, list) or not all(isinstance(row, list) for row in data):
        raise ValueError("data is not a list of rows")
    return batch, [[_text(cell) for cell in row] for row in data if row]


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else "" if cell is None else json.dumps(cell)


def _detail(answer: requests.Response) -> str:
    try:
        return str(answer.json()["detail"])[:300]
    except (ValueError, KeyError, TypeError):
        return answer.text[:300]


def describe(collected: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """Return what a collection brought, for the event of the raw data: files and rows."""
    return {"files": [name for name, _ in collected], "rows": sum(rows for _, rows in collected)}
