import csv
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from covertype.data import Datasets
from covertype.ingestion import collection
from covertype.ingestion.collection import (
    DataApiRejected,
    DataApiUnavailable,
    NothingToCollect,
    collect,
    describe,
)
from covertype.ingestion.preprocessing import preprocess

MOMENT = datetime(2026, 11, 23, 10, 5, 0, tzinfo=UTC)
ROW = ["3000", "45", "10", "100", "20", "200", "220", "230", "180", "150", "Rawah", "C7745", "4"]
EXHAUSTED = "Ya se recolectó toda la información minima necesaria"


def body(rows: Any, batch: Any = 3) -> bytes:
    return json.dumps({"group_number": 1, "batch_number": batch, "data": rows}).encode()


class Server(ThreadingHTTPServer):
    """Answers each group as it is told to, and counts how often it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[int, tuple[int, bytes] | None] = {}
        self.pause = 0.0
        self.asked: list[int] = []
        self.stopping = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/data"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        group = int(parse_qs(urlsplit(self.path).query)["group_number"][0])
        self.server.asked.append(group)
        answer = self.server.answers[group]
        if answer is None:
            self.server.stopping.wait(10)
            return
        status, content = answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if not self.server.pause:
            self.wfile.write(content)
        for byte in content if self.server.pause else b"":
            self.wfile.write(bytes([byte]))
            if self.server.stopping.wait(self.server.pause):
                return

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.stopping.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_rows_of_a_group_are_kept_as_they_came(server: Server, datasets: Datasets) -> None:
    server.answers[1] = (200, body([ROW, ROW]))
    name, rows = collect(datasets, 1, MOMENT, server.url, 5)
    assert (name, rows) == ("group_1/batch_3_20261123_100500.csv", 2)
    assert (Path(datasets.root) / name).read_text() == (",".join(ROW) + "\n") * 2


def test_a_repeated_try_keeps_the_file_that_is_there(server: Server, datasets: Datasets) -> None:
    server.answers[1] = (200, body([ROW]))
    first = collect(datasets, 1, MOMENT, server.url, 5)
    server.answers[1] = (200, body([ROW, ROW], batch=4))
    assert collect(datasets, 1, MOMENT, server.url, 5) == first
    assert server.asked == [1]
    assert len(datasets.raw_names()) == 1


def test_an_exhausted_group_has_nothing_to_collect(server: Server, datasets: Datasets) -> None:
    server.answers[1] = (400, json.dumps({"detail": EXHAUSTED}).encode())
    with pytest.raises(NothingToCollect, match=EXHAUSTED):
        collect(datasets, 1, MOMENT, server.url, 5)


def test_empty_data_is_nothing_to_collect(server: Server, datasets: Datasets) -> None:
    server.answers[1] = (200, body([]))
    with pytest.raises(NothingToCollect, match="no rows"):
        collect(datasets, 1, MOMENT, server.url, 5)
    assert datasets.raw_names() == []


def test_a_refused_group_is_not_worth_another_try(server: Server, datasets: Datasets) -> None:
    server.answers[11] = (422, b'{"detail": "group_number must be 1 to 10"}')
    with pytest.raises(DataApiRejected, match="1 to 10"):
        collect(datasets, 11, MOMENT, server.url, 5)


@pytest.mark.parametrize(
    ("status", "content", "said"),
    [
        (500, b"Internal Server Error", "answered 500: Internal Server Error"),
        (502, b'{"detail": "gateway"}', "answered 502: gateway"),
        (404, b"", "answered 404"),
        (200, b'{"group_number": 1, "batch', "sent something else"),
        (200, b"\xff\xfe\x00", "sent something else"),
        (200, b"[]", "a list, not an object"),
        (200, b"{}", "batch_number is 'None'"),
        (200, body([ROW], batch="3; rm"), "batch_number is '3; rm'"),
        (200, body([ROW], batch=-1), "batch_number is '-1'"),
        (200, body({"a": 1}), "data is not a list of rows"),
        (200, body([ROW, "row"]), "data is not a list of rows"),
        (200, b"[" * 100_000, "sent something else"),
        (500, b'{"detail": "\\ud800"}', "answered 500: ?"),
    ],
)
def test_a_failing_answer_says_what_happened_and_leaves_no_file(
    server: Server, datasets: Datasets, status: int, content: bytes, said: str
) -> None:
    server.answers[2] = (status, content)
    with pytest.raises(DataApiUnavailable) as caught:
        collect(datasets, 2, MOMENT, server.url, 5)
    assert str(caught.value).startswith("Group 2: ")
    assert said in str(caught.value)
    assert not list(Path(datasets.root).rglob("*.csv"))


def test_a_slow_answer_is_given_up(server: Server, datasets: Datasets) -> None:
    server.answers[1] = None
    with pytest.raises(DataApiUnavailable, match="no answer"):
        collect(datasets, 1, MOMENT, server.url, 0.2)


def test_an_answer_that_comes_byte_by_byte_is_given_up(server: Server, datasets: Datasets) -> None:
    server.answers[1] = (200, body([ROW] * 20))
    server.pause = 0.05
    with pytest.raises(DataApiUnavailable, match=r"no answer .* not complete after 0\.4 s"):
        collect(datasets, 1, MOMENT, server.url, 0.4)


@pytest.mark.parametrize(
    ("status", "ends", "said"),
    [
        (200, DataApiUnavailable, "the answer is larger than 0.001 MB"),
        (400, NothingToCollect, "no more"),
    ],
)
def test_of_a_larger_answer_than_any_batch_only_the_beginning_is_read(
    server: Server,
    datasets: Datasets,
    status: int,
    ends: type[Exception],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(collection, "_MOST_BYTES", 1000)
    monkeypatch.setattr(collection, "_READ_BYTES", 100)
    server.answers[1] = (status, b"no more" + b" " * 1_000_000)
    with pytest.raises(ends, match=said):
        collect(datasets, 1, MOMENT, server.url, 5)
    assert not list(Path(datasets.root).rglob("*.csv"))


def test_an_api_that_is_away_is_named(datasets: Datasets) -> None:
    with pytest.raises(DataApiUnavailable, match=r"no answer from http://127\.0\.0\.1:1/data"):
        collect(datasets, 1, MOMENT, "http://127.0.0.1:1/data", 5)


def test_rows_of_another_width_are_kept_for_preprocessing(
    server: Server, datasets: Datasets, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers[1] = (200, body([ROW, ROW[:12]]))
    name, rows = collect(datasets, 1, MOMENT, server.url, 5)
    assert rows == 2
    assert "1 of 2 rows don't have 13 columns" in caplog.text
    assert len(datasets.read_raw(name)[1]) == 1


def test_cells_that_are_no_text_are_written_as_their_json(
    server: Server, datasets: Datasets
) -> None:
    server.answers[1] = (200, body([[1, 2.5, None, True, {"a": [1]}, *ROW[5:]]]))
    name, _ = collect(datasets, 1, MOMENT, server.url, 5)
    with (Path(datasets.root) / name).open(newline="") as file:
        (cells,) = csv.reader(file)
    assert cells[:2] == ["1", "2.5"]
    assert cells[4] == '{"a": [1]}'


@pytest.mark.parametrize(
    "cell", ['"\\ud800"', '"\\udc00 and \\ud800"', "1e-400", '"1e-400"', "9" * 5000, "Infinity"]
)
def test_a_cell_that_is_no_value_loses_its_row_alone(
    server: Server, datasets: Datasets, cell: str
) -> None:
    bad = body([ROW, ["cell", *ROW[1:]]]).replace(b'"cell"', cell.encode())
    server.answers[1] = (200, bad)
    first = collect(datasets, 1, MOMENT, server.url, 5)
    assert first[1] == 2
    assert collect(datasets, 1, MOMENT, server.url, 5) == first
    assert server.asked == [1]
    done = preprocess(datasets)
    assert (done.read, done.rejected, done.total) == (2, 1, 1)
    assert datasets.read_rejected()["line"].tolist() == [2]


def test_a_collection_is_described_by_files_and_rows() -> None:
    assert describe([("a", 2), ("b", 3)]) == {"files": ["a", "b"], "rows": 5}
