import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from fastapi.testclient import TestClient

from api import Settings, create_app
from tests.conftest import ROOT, free_port, wait_until_up

Start = Callable[..., TestClient]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the service, on the same state file each time."""
    with ExitStack() as stack:

        def started(**settings: Any) -> TestClient:
            app = create_app(Settings(state_file=tmp_path / "state.json", **settings))
            return stack.enter_context(TestClient(app, raise_server_exceptions=False))

        yield started


def _data(client: TestClient, group: object) -> Any:
    return client.get("/data", params={"group_number": str(group)})


def test_data_answers_the_contract(start: Start) -> None:
    answer = _data(start(), 7)
    body = answer.json()
    assert answer.status_code == 200
    assert list(body) == ["group_number", "batch_number", "data"]
    assert (body["group_number"], body["batch_number"]) == (7, 1)
    assert len(body["data"]) == 5810
    assert {len(row) for row in body["data"]} == {13}


def test_exhausted_group_gets_400_until_it_is_restarted(start: Start) -> None:
    client = start(batch_seconds=0)
    assert [_data(client, 1).json()["batch_number"] for _ in range(10)] == list(range(1, 11))
    answer = _data(client, 1)
    assert answer.status_code == 400
    assert answer.json() == {"detail": "Ya se recolectó toda la información minima necesaria"}
    assert _data(client, 2).status_code == 200
    assert client.get("/restart_data_generation?group_number=1").status_code == 200
    assert _data(client, 1).json()["batch_number"] == 1


@pytest.mark.parametrize("route", ["/data", "/restart_data_generation"])
@pytest.mark.parametrize("group", ["0", "11", "-1", "1.5", "one", ""])
def test_unknown_group_gets_422_with_what_is_allowed(start: Start, route: str, group: str) -> None:
    answer = start().get(route, params={"group_number": group})
    assert answer.status_code == 422
    detail = answer.json()["detail"]
    assert detail == f"group_number must be a whole number from 1 to 10, got '{group}'"


def test_missing_group_gets_422(start: Start) -> None:
    answer = start().get("/data")
    assert answer.status_code == 422
    assert "got nothing" in answer.json()["detail"]


def test_batch_survives_a_restart_of_the_service(start: Start) -> None:
    for _ in range(3):
        _data(start(batch_seconds=0), 5)
    assert _data(start(), 5).json()["batch_number"] == 3


def test_advance_that_cannot_be_kept_gets_503_with_the_reason(start: Start, tmp_path: Path) -> None:
    client = start()
    (tmp_path / "state.json").mkdir()
    answer = _data(client, 1)
    assert answer.status_code == 503
    assert "can't be kept: Is a directory" in answer.json()["detail"]


def test_error_fault_gets_500(start: Start) -> None:
    client = start(faults="error@3:1")
    assert _data(client, 3).status_code == 500
    assert _data(client, 4).status_code == 200


def test_malformed_fault_cuts_the_json(start: Start) -> None:
    answer = _data(start(faults="malformed:1"), 1)
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.content)


def test_empty_fault_sends_no_rows(start: Start) -> None:
    assert _data(start(faults="empty:1"), 1).json() == {
        "group_number": 1,
        "batch_number": 1,
        "data": [],
    }


def test_columns_fault_sends_some_rows_of_twelve_cells(start: Start) -> None:
    rows = _data(start(faults="columns:1"), 1).json()["data"]
    assert [len(row) for row in rows].count(12) == 581
    assert [len(row) for row in rows].count(13) == 5810 - 581


def test_soil_fault_sends_some_rows_of_an_unknown_soil(start: Start) -> None:
    rows = _data(start(faults="soil:1"), 1).json()["data"]
    assert [row[11] for row in rows].count("C0000") == 581


def _command(port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "uvicorn", "main:app", "--app-dir", "data-api"),
        *("--port", str(port)),
    ]


def test_timeout_fault_is_silent_for_the_client_and_lets_others_pass(tmp_path: Path) -> None:
    port = free_port()
    environment = os.environ | {"STATE_FILE": f"{tmp_path}/state.json", "FAULTS": "timeout@3:1"}
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(
            _command(port), cwd=ROOT, env=environment, stdout=log, stderr=log
        ) as server,
    ):
        try:
            address = f"http://127.0.0.1:{port}"
            wait_until_up(f"{address}/health", server, tmp_path / "log")
            with pytest.raises(requests.ReadTimeout):
                requests.get(f"{address}/data", params={"group_number": 3}, timeout=1)
            assert requests.get(f"{address}/data", params={"group_number": 4}, timeout=5).ok
        finally:
            server.terminate()
        # A client that left keeps nothing waiting.
        assert server.wait(timeout=10) is not None


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("FAULTS", "error:lots", "FAULTS: Value error, 'error:lots' is not kind:share"),
        ("BATCH_SECONDS", "-1", "BATCH_SECONDS: Input should be greater than or equal to 0"),
    ],
)
def test_wrong_setting_is_refused_at_start_with_a_sentence(
    variable: str, value: str, sentence: str
) -> None:
    refused = subprocess.run(
        _command(free_port()),
        cwd=ROOT,
        env=os.environ | {variable: value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == 1
    assert refused.stderr.startswith(sentence)
    assert "Traceback" not in refused.stderr
