"""Waiting until every replica of the inference service answers with a version."""

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from covertype.answers import ANSWERED, FAILED, REQUESTS_BY_VERSION
from covertype.jobs.services import (
    NoMetrics,
    NotFollowed,
    failed_requests,
    versions_served,
    wait_until_served,
)


class Replica(BaseHTTPRequestHandler):
    """Answers with a version, which changes after some requests."""

    versions: list[str]

    def do_GET(self) -> None:
        known = type(self).versions
        version = known.pop(0) if len(known) > 1 else known[0]
        content = json.dumps({"name": "BestModelRF", "version": version}).encode()
        self.send_response(200 if self.path == "/model" else 404)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def replica(address: str, port: int, *versions: str) -> Iterator[int]:
    handler = type("Handler", (Replica,), {"versions": list(versions)})
    with ThreadingHTTPServer((address, port), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@contextmanager
def serving_metrics(counts: Mapping[tuple[str, str], float]) -> Iterator[str]:
    """Serve the requests by version and result as metrics; yields the address."""
    text = "".join(
        f'{REQUESTS_BY_VERSION}_total{{version="{version}",result="{result}"}} {count}\n'
        for (version, result), count in counts.items()
    )
    other = f'covertype_feedback_total{{version="3",result="{FAILED}"}} 9\n'
    with serving_text(text + other) as address:
        yield address


@contextmanager
def serving_text(text: str) -> Iterator[str]:
    """Serve a text as metrics; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/metrics" else 404)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_requests_of_a_version_are_counted_with_those_that_failed() -> None:
    with serving_metrics({("3", ANSWERED): 80, ("3", FAILED): 20, ("2", ANSWERED): 7}) as address:
        assert failed_requests(address, "3") == (20, 100)
        assert failed_requests(address, "2") == (0, 7)
        assert failed_requests(address, "1") == (0, 0)


def test_without_metrics_of_any_replica_nothing_is_known() -> None:
    with pytest.raises(NoMetrics):
        failed_requests("http://127.0.0.1:9", "3")
    with serving_text("not metrics at all {") as address, pytest.raises(NoMetrics):
        failed_requests(address, "3")


@pytest.fixture
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the name `inference` stand for two replicas, as Docker's DNS does."""
    look_up = socket.getaddrinfo

    def resolve(host: Any, port: Any, *more: Any, **named: Any) -> Any:
        if host != "inference":
            return look_up(host, port, *more, **named)
        return [
            entry for one in ("127.0.0.1", "127.0.0.2") for entry in look_up(one, port, **named)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.mark.usefixtures("two_addresses")
def test_it_waits_for_every_replica_behind_a_name() -> None:
    with replica("127.0.0.1", 0, "2") as port, replica("127.0.0.2", port, "1", "1", "2"):
        assert wait_until_served(f"http://inference:{port}", "2", seconds=10) == [
            f"http://127.0.0.1:{port}",
            f"http://127.0.0.2:{port}",
        ]


@pytest.mark.usefixtures("two_addresses")
def test_a_replica_that_does_not_follow_is_named_with_what_it_answers() -> None:
    with (
        replica("127.0.0.1", 0, "2") as port,
        replica("127.0.0.2", port, "1"),
        pytest.raises(NotFollowed, match=rf"127\.0\.0\.2:{port} answers with 1: see /health"),
    ):
        wait_until_served(f"http://inference:{port}", "2", seconds=0)


def test_a_service_that_is_down_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert versions_served(url) == {url: None}
    with pytest.raises(NotFollowed, match=f"{url} answers with nothing"):
        wait_until_served(url, "2", seconds=0)


def test_a_name_without_an_address_is_named() -> None:
    with pytest.raises(NotFollowed, match=r"http://nowhere\.invalid:8000 has no address"):
        wait_until_served("http://nowhere.invalid:8000", "2", seconds=0)
