"""Reads one large body in a process of its own, and prints how much memory that took beyond it.

Run as `python -m tests.inference.reading NAME`.
"""

import ctypes
import gc
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from covertype.contract import FEATURE_NAMES
from covertype.rows.codes import Codes
from inference.api.requests import InvalidRequest, read_many
from inference.api.routes.scoring import read_invocation
from inference.api.tables import read_csv
from tests import hostile

ROWS = 250_000
_MEASURED = [3000, 45, 10, 100, 20, 200, 220, 230, 180, 150]
_VALUES = [*_MEASURED, "Rawah", "C7745"]
_ROW = json.dumps(_VALUES, separators=(",", ":")).encode()
_FRACTIONS = json.dumps([*map(float, _MEASURED), *_VALUES[10:]]).encode()
_OBJECT = json.dumps(dict(zip(FEATURE_NAMES, _VALUES, strict=True))).encode()
_LINE = ",".join(map(str, _VALUES)).encode()
_Body = hostile.Body


def _columns() -> bytes:
    parts = (
        json.dumps(name).encode() + b":[" + b",".join([json.dumps(value).encode()] * ROWS) + b"]"
        for name, value in zip(FEATURE_NAMES, _VALUES, strict=True)
    )
    return b'{"inputs":{' + b",".join(parts) + b"}}"


def _valid(path: str, kind: str, head: bytes, row: bytes, end: bytes, tail: bytes) -> hostile.Body:
    return _Body(path, kind, head, row + end, row + tail)


VALID: Mapping[str, hostile.Body] = {
    "features": _valid("/predict/batch", hostile.JSON, b'{"features":[', _ROW, b",", b"]}"),
    "fractions": _valid("/predict/batch", hostile.JSON, b'{"features":[', _FRACTIONS, b",", b"]}"),
    "objects": _valid("/predict/batch", hostile.JSON, b'{"features":[', _OBJECT, b",\n", b"]}"),
    "rows apart": _valid("/predict/batch", hostile.JSON, b'{"features":[', _ROW, b" ,\n ", b"]}"),
    "split": _valid(
        *("/invocations", hostile.JSON, b'{"dataframe_split":{"data":[', _ROW, b",", b"]}}")
    ),
    "records": _valid(
        *("/invocations", hostile.JSON, b'{"dataframe_records":[', _OBJECT, b",", b"]}")
    ),
    "lines": _valid("/predict/batch", hostile.CSV, b"", _LINE, b"\n", b"\n"),
    "quoted lines": _valid(
        "/predict/batch", hostile.CSV, b"", _LINE.replace(b"Rawah", b'" Rawah"'), b"\n", b"\n"
    ),
}
COLUMNS = "columns"


def _make(name: str) -> tuple[bytearray, Callable[[bytearray, int], Codes]]:
    if name == COLUMNS:
        return bytearray(_columns()), read_invocation
    body = {**hostile.FOUR, **hostile.MORE, **{f"valid {n}": b for n, b in VALID.items()}}[name]
    read = {hostile.CSV: read_csv}.get(
        body.kind, read_invocation if body.path == "/invocations" else read_many
    )
    most = ROWS - 1 if name.startswith("valid ") else hostile.SIZE
    return bytearray(body.make(most=most)), read


def _memory(figure: str) -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{figure}:")[2].split()[0]) / 1000


def main() -> None:
    """Print the megabytes beyond the body, and how many rows were read or why they were refused."""
    for small in (b'{"features":[' + _ROW + b"," + _OBJECT + b"]}",):
        read_many(small, 10)
    read_csv(_LINE, 10)
    read_csv(_LINE + b"\n" + _LINE.replace(b"R", b" R"), 10)
    body, read = _make(sys.argv[1])
    gc.collect()
    # What was given back while the body was made must not pass for what is in use.
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _memory("VmRSS")
    try:
        told = f"{len(read(body, ROWS))} rows"
    except InvalidRequest as error:
        told = str(error)
    print(json.dumps({"beyond": _memory("VmHWM") - before, "told": told[:500]}))


if __name__ == "__main__":
    main()
