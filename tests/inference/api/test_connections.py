"""What clients that are slow, silent or many can do to the service: real processes and sockets."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import requests
from sklearn.pipeline import Pipeline

from inference import COMMAND
from inference.api.connections import Connections
from inference.model.store import ModelStore
from inference.settings import ServingSettings
from tests.conftest import ROOT, free_port, wait_until
from tests.inference.conftest import Keep

IDLE, ANSWER, UPLOAD = 1.0, 2.0, 20.0
PLACES, BODY_BYTES, CONNECTIONS = 2, 8_000_000, 40
VALUES = [3000, 45, 10, 100, 20, 200, 220, 230, 180, 150, "Rawah", "C7745"]
ONE = json.dumps({"features": VALUES}).encode()
BATCH = json.dumps({"features": [VALUES] * 50}).encode()
LARGE = json.dumps({"features": [VALUES] * 100_000}).encode()


def head(path: str, length: int, *more: str) -> bytes:
    lines = (f"POST {path} HTTP/1.1", "Host: test", f"Content-Length: {length}", *more, "", "")
    return "\r\n".join(lines).encode()


class Running:
    """The service in a process of its own, with short limits."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.log = folder / "service.log"
        environment = os.environ | {
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
            "MODEL_CACHE_DIR": str(folder / "models"),
            "DATASETS_URL": str(folder / "datasets"),
            "IDLE_TIMEOUT_SECONDS": str(IDLE),
            "ANSWER_TIMEOUT_SECONDS": str(ANSWER),
            "REQUEST_TIMEOUT_SECONDS": str(UPLOAD),
            "MAX_BATCHES": str(PLACES),
            "MAX_BODY_BYTES": str(BODY_BYTES),
            "MAX_CONNECTIONS": str(CONNECTIONS),
        }
        command = [sys.executable, "-m", *COMMAND, "--port", str(self.port)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=log, env=environment
            )

    @contextmanager
    def connect(self, receive_buffer: int | None = None) -> Iterator[socket.socket]:
        with socket.socket() as connection:
            if receive_buffer is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            connection.settimeout(30)
            connection.connect(("127.0.0.1", self.port))
            yield connection

    def connections(self) -> int:
        found = psutil.Process(self.process.pid).net_connections("tcp")
        return sum(one.status == psutil.CONN_ESTABLISHED for one in found)

    def post(self, body: bytes, path: str = "/predict/batch") -> requests.Response:
        return requests.post(f"{self.address}{path}", data=body, timeout=60)

    def is_ready(self) -> bool:
        with suppress(requests.RequestException):
            return requests.get(f"{self.address}/ready", timeout=2).ok
        return False

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def status_of(connection: socket.socket) -> int:
    """Read one answer whole; return its status."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(10_000)
    beginning, _, body = received.partition(b"\r\n\r\n")
    length = int(beginning.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(10_000)
    return int(beginning.split()[1])


def seconds_until_closed(connection: socket.socket) -> float:
    start = time.monotonic()
    with suppress(ConnectionError):
        while connection.recv(65536):
            pass
    return time.monotonic() - start


@contextmanager
def running(folder: Path, forest: Pipeline, keep: Keep) -> Iterator[Running]:
    keep(ModelStore(folder / "models"), "3", forest)
    service = Running(folder)
    try:
        wait_until(service.is_ready, 60)
        yield service
    finally:
        service.stop()


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, forest: Pipeline, keep: Keep
) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("connections"), forest, keep) as service:
        yield service


@pytest.mark.parametrize(
    "begun", [b"", b"POST /predict HTTP/1.1\r\nHost: te", b"\r\n"], ids=["silent", "head", "line"]
)
def test_connection_without_a_whole_head_is_closed(service: Running, begun: bytes) -> None:
    with service.connect() as connection:
        connection.sendall(begun)
        assert seconds_until_closed(connection) < IDLE + 2


@pytest.mark.parametrize("before", [b"", b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"])
def test_head_that_drips_in_is_no_longer_waited_for(service: Running, before: bytes) -> None:
    start = time.monotonic()
    with service.connect() as connection, suppress(ConnectionError):
        connection.sendall(before)
        for character in head("/predict", 0, "Drip: " + "a" * 1000):
            connection.sendall(bytes([character]))
            time.sleep(0.05)
            if time.monotonic() - start > IDLE + 4:
                raise AssertionError("It is waited for longer than it may be")


@pytest.mark.parametrize(
    "endless",
    [
        b"POST /predict HTTP/1.1\r\nHost: " + b"a" * 100_000,
        b"POST /predict HTTP/1.1\r\n" + b"a:b\r\n" * 1000,
        b"POST /" + b"a" * 100_000,
        b"POST /predict HTTP/1.1\r\nContent-Length: 9\r\na: " + b"a" * 100_000 + b"\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
        + b"a: b\r\n" * 5000,
    ],
    ids=["header", "headers", "path", "whole header", "trailers"],
)
def test_head_without_end_is_refused(service: Running, endless: bytes) -> None:
    with service.connect() as connection:
        connection.sendall(endless)
        start = time.monotonic()
        answer = connection.recv(65536)
        assert time.monotonic() - start < IDLE
        assert answer.startswith(b"HTTP/1.1 431 ")


def test_answer_that_nobody_reads_is_given_up_and_its_place_is_free(service: Running) -> None:
    with ExitStack() as stack:

        def hold_places() -> bool:
            for _ in range(PLACES):
                connection = stack.enter_context(service.connect(receive_buffer=4096))
                # The service closes it early when all places are held.
                with suppress(ConnectionError):
                    connection.sendall(head("/predict/batch", len(LARGE)) + LARGE)
            return service.post(BATCH).status_code == 503

        begun = time.monotonic()
        # A small batch may come before the large ones have their places.
        wait_until(hold_places, 120)
        wait_until(lambda: service.post(BATCH).status_code == 200, ANSWER + 60)
        assert time.monotonic() - begun > ANSWER
        wait_until(lambda: service.connections() == 0, 60)


def test_answer_that_is_read_in_time_arrives_whole(service: Running) -> None:
    with service.connect(receive_buffer=4096) as connection:
        connection.sendall(head("/predict/batch", len(LARGE), "Connection: close") + LARGE)
        time.sleep(1)
        received = bytearray()
        while part := connection.recv(1 << 20):
            received += part
    answer = json.loads(received.partition(b"\r\n\r\n")[2])
    assert len(answer["prediction"]) == 100_000


def test_slow_uploads_hold_no_place_of_batches(service: Running) -> None:
    with ExitStack() as stack:
        for _ in range(3 * PLACES):
            connection = stack.enter_context(service.connect())
            connection.sendall(head("/predict/batch", len(LARGE)) + LARGE[:300_000])
        for _ in range(20):
            assert service.post(BATCH).status_code == 200


def test_slow_uploads_that_fill_the_room_are_given_up_for_a_fast_one(service: Running) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(service.connect()) for _ in range(2 * PLACES)]
        for connection in slow:
            connection.sendall(head("/predict/batch", BODY_BYTES) + b" " * (BODY_BYTES // 2 - 1000))
        time.sleep(0.5)
        assert service.post(LARGE).status_code == 200
        slow[0].settimeout(1)
        told = []
        for connection in slow:
            connection.settimeout(1)
            with suppress(TimeoutError, ConnectionError):
                told.append(connection.recv(1000))
        assert any(answer.startswith(b"HTTP/1.1 503 ") for answer in told)


def test_slow_single_observations_take_no_more_than_their_room(service: Running) -> None:
    held = 60_000
    with ExitStack() as stack:
        for _ in range(CONNECTIONS - 5):
            connection = stack.enter_context(service.connect())
            connection.sendall(head("/predict", held + 10) + b" " * held)
        for _ in range(10):
            assert service.post(ONE, "/predict").status_code == 200


def test_one_connection_more_than_allowed_is_told_to_return(service: Running) -> None:
    wait_until(lambda: service.connections() == 0, 10)
    with ExitStack() as stack:
        # Each is answered once: until then it may only wait to be accepted.
        for _ in range(CONNECTIONS):
            connection = stack.enter_context(service.connect())
            connection.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            assert status_of(connection) == 200
        with service.connect() as another:
            answer = another.recv(1000)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 5\r\n" in answer
    wait_until(lambda: service.connections() == 0, 10)
    assert service.post(ONE, "/predict").status_code == 200


def test_client_that_pauses_between_requests_keeps_its_connection(service: Running) -> None:
    with service.connect() as connection:
        for _ in range(3):
            connection.sendall(head("/predict", len(ONE)) + ONE)
            assert status_of(connection) == 200
            time.sleep(IDLE * 2)


def test_rest_of_a_body_that_is_refused_early_is_let_pass(service: Running) -> None:
    length = 3_000_000
    with service.connect() as connection:
        connection.sendall(head("/nowhere", length))
        for _ in range(10):
            connection.sendall(b" " * (length // 10))
        assert status_of(connection) == 404
        connection.sendall(head("/predict", len(ONE)) + ONE)
        assert status_of(connection) == 200
        connection.sendall(head("/nowhere", 10) + b" " * 5)
        assert status_of(connection) == 404
        with suppress(ConnectionError):
            connection.sendall(b" " * 5 + b"GET /" + b"a" * 5)
            for _ in range(30):
                connection.sendall(b"a" * 1000)
                time.sleep(0.01)
        assert seconds_until_closed(connection) < IDLE


def test_client_that_sends_requests_ahead_gets_every_answer(service: Running) -> None:
    with service.connect() as connection:
        connection.sendall((head("/predict", len(ONE)) + ONE) * 10)
        received = b""
        while received.count(b"HTTP/1.1 200 ") < 10:
            received += connection.recv(10_000)


def test_requests_ahead_without_end_are_cut_off(service: Running) -> None:
    with service.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n" * 5000)
        assert seconds_until_closed(connection) < IDLE


def test_stop_finishes_the_answers_that_were_asked(
    tmp_path: Path, forest: Pipeline, keep: Keep
) -> None:
    with running(tmp_path, forest, keep) as service:
        answers: list[requests.Response] = []
        asking = threading.Thread(target=lambda: answers.append(service.post(LARGE)))
        with service.connect():
            asking.start()
            wait_until(lambda: service.connections() >= 2, 10)
            time.sleep(0.2)
            service.process.send_signal(signal.SIGTERM)
            asking.join(30)
            service.process.wait(20)
    assert len(answers[0].json()["prediction"]) == 100_000


@pytest.mark.parametrize("file", ["Procfile", "inference/Dockerfile"])
def test_every_start_of_the_service_has_these_limits(file: str) -> None:
    words = re.findall(r"[\w.:-]+", (ROOT / file).read_text())
    begun = words.index(COMMAND[1]) - 1
    assert tuple(words[begun : begun + len(COMMAND)]) == COMMAND


def test_a_connection_whose_limits_fail_keeps_the_limits_of_the_others() -> None:
    class Broken:
        def enforce_limits(self, *_: float) -> None:
            raise RuntimeError("the transport is gone")

    class Looked(Broken):
        times = 0

        def enforce_limits(self, *_: float) -> None:
            self.times += 1

    async def watched(looked: Looked) -> None:
        connections = Connections(ServingSettings(idle_timeout_seconds=0.1))
        for one in (Broken(), looked, Broken()):
            assert connections.add(one)  # type: ignore[arg-type]
        watching = asyncio.create_task(connections.watch())
        await asyncio.sleep(0.5)
        assert not watching.done()
        watching.cancel()

    looked = Looked()
    asyncio.run(watched(looked))
    assert looked.times > 1
