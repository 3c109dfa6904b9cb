"""Replicas are killed, restarted, ahead, empty or away: clients of the gateway notice little."""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from typing import NamedTuple

import pytest
import requests
import uvloop

from benchmarks.client import http_request, load
from inference.api.bodies import LONGEST_VALUE
from tests.compose.images import image_of
from tests.compose.stack import OBSERVATION, wait_for
from tests.compose_replicas.conftest import MAX_BODY_BYTES, MAX_REQUESTS, Replicas
from tests.load import Load

# MLflow says so of every stage that is set.
pytestmark = pytest.mark.filterwarnings("ignore:.*stages:FutureWarning")

_SIGNAL_FOLLOWER = """
import os, pathlib, sys
for folder in pathlib.Path("/proc").glob("[0-9]*"):
    if b"-m\\0inference.follower" in (folder / "cmdline").read_bytes():
        os.kill(int(folder.name), int(sys.argv[1]))
"""
_STOP, _CONTINUE = "19", "18"

_LOGGED_IDS = """
import json, pathlib
import pyarrow.parquet as pq
files = pathlib.Path("/datasets/feedback").glob("*/*.parquet")
print(json.dumps([i for file in files for i in pq.read_table(file)["prediction_id"].to_pylist()]))
"""

# What a Prometheus does that finds its targets by `dns_sd_configs`.
_SCRAPE = """
import json, socket
from urllib.request import urlopen
found = {entry[4][0] for entry in socket.getaddrinfo("inference", 8000, type=socket.SOCK_STREAM)}
print(json.dumps([urlopen(f"http://{one}:8000/metrics").read().decode() for one in found]))
"""


class Sent(NamedTuple):
    """A true class: when it was sent, when it was answered, and how."""

    at: float
    answered: float
    status: int


class Feedback(threading.Thread):
    """Sends one true class after the other, each of another id, and keeps what came of it."""

    def __init__(self, gateway: str) -> None:
        super().__init__()
        self._gateway = gateway
        self._stopped = threading.Event()
        self.sent: dict[str, Sent] = {}

    def run(self) -> None:
        number = 0
        while not self._stopped.wait(0.03):
            number += 1
            named = f"feedback-{number}"
            body = {"prediction_id": named, "cover_type": 1}
            at = time.monotonic()
            status = requests.post(f"{self._gateway}/feedback", json=body, timeout=30).status_code
            self.sent[named] = Sent(at, time.monotonic(), status)

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def _signal_followers(replicas: Replicas, names: Sequence[str], signal: str) -> None:
    for name in names:
        replicas.stack.command("docker", "exec", name, "python", "-c", _SIGNAL_FOLLOWER, signal)


def test_replicas_without_any_model_say_so_themselves(started: Replicas) -> None:
    for path, content in (("/predict", OBSERVATION), ("/predict/batch", {"features": []})):
        answer = requests.post(f"{started.gateway}{path}", json=content, timeout=30)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "5"
        assert "No model is in Production yet" in answer.json()["detail"]
    assert requests.get(f"{started.gateway}/ready", timeout=30).status_code == 503
    body = {"features": OBSERVATION["features"], "cover_type": 1}
    answer = requests.post(f"{started.gateway}/feedback", json=body, timeout=30)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_only_the_gateway_is_published_and_it_is_confined(started: Replicas) -> None:
    stack = started.stack
    for container in stack.replicas("inference").values():
        assert not any(container["NetworkSettings"]["Ports"].values())
    gateway = stack.containers()["gateway"]
    (published,) = gateway["NetworkSettings"]["Ports"]["8000/tcp"]
    assert published == {"HostIp": "127.0.0.1", "HostPort": str(stack.ports["INFERENCE_PORT"])}
    host = gateway["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Memory"] > 0
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    processes = stack.command("docker", "top", gateway["Id"], "-eo", "pid,uid").splitlines()[1:]
    assert {line.split()[1] for line in processes} == {"1001"}
    ui = json.loads(stack.compose("config", "--format", "json"))["services"]["ui"]
    assert ui["environment"]["INFERENCE_URL"] == "http://gateway:8000"


def test_no_request_fails_while_replicas_die_restart_and_differ(replicas: Replicas) -> None:
    stack = replicas.stack
    first, second, third = sorted(stack.replicas("inference"))
    (old,) = set(replicas.versions().values())
    assert old is not None
    feedback = Feedback(replicas.gateway)
    feedback.start()
    try:
        with Load(replicas.gateway, replicas.rows) as asked:
            time.sleep(4)
            kill = time.monotonic()
            stack.command("docker", "kill", first)
            killed = time.monotonic()
            time.sleep(4)
            stack.command("docker", "start", first)
            replicas.wait_for_version(old)
            restart = time.monotonic()
            stack.command("docker", "restart", second)
            restarted = time.monotonic()
            replicas.wait_for_version(old)

            _signal_followers(replicas, (first, second), _STOP)
            new = replicas.promote(trees=9)
            wait_for("one ahead", lambda: replicas.versions()[third] == new, 60, pause=0.3)
            ahead = len(asked.answers)
            time.sleep(5)
            assert replicas.versions() == {first: old, second: old, third: new}
            mixed = Counter(str(answer["model_version"]) for _, answer in asked.answers[ahead:])
            _signal_followers(replicas, (first, second), _CONTINUE)
            replicas.wait_for_version(new)
            time.sleep(max(0, 60 - asked.seconds))
    finally:
        feedback.stop()

    assert not asked.failures
    assert asked.seconds >= 60
    assert set(mixed) == {old, new}
    assert all(replicas.is_right(row, answer) for row, answer in asked.answers)
    stack.figures["Predictions while one replica was killed, one restarted and one ahead"] = (
        f"{len(asked.answers)} in {asked.seconds:.0f} s, none failed; while one was ahead: {mixed}"
    )

    time.sleep(2)
    logged = Counter(
        json.loads(stack.command("docker", "exec", third, "python", "-c", _LOGGED_IDS))
    )
    assert set(logged.values()) == {1}, "feedback is logged twice"
    lost = [
        one for named, one in feedback.sent.items() if one.status == 202 and named not in logged
    ]
    assert all(kill - 2 < one.at < killed for one in lost), [one.at - kill for one in lost]
    assert len(feedback.sent) > 500
    # What was on its way to the replica that ended; the gateway asks the others for what follows.
    unsure = [one for one in feedback.sent.values() if one.status != 202]
    endings = ((kill, killed), (restart, restarted))
    at_ending = [[one for one in unsure if one.at < to and one.answered > of] for of, to in endings]
    moments = [(one.at - kill, one.answered - kill, one.status) for one in unsure]
    assert all(len(ending) <= 1 for ending in at_ending), moments
    assert len(unsure) == sum(map(len, at_ending)), moments
    assert {one.status for one in unsure} <= {502}
    stack.figures["Feedback meanwhile"] = (
        f"{len(feedback.sent)} sent, {len(unsure)} got 502 while a replica ended; "
        f"{len(lost)} accepted ones were lost by the kill, none was logged twice"
    )


def test_feedback_and_batches_are_taken_as_soon_as_predictions_are(replicas: Replicas) -> None:
    stack = replicas.stack
    (version,) = set(replicas.versions().values())
    assert version is not None
    observed = {"features": OBSERVATION["features"], "cover_type": 1}
    for _ in range(2):
        stack.compose("stop", "mlflow")
        try:
            # Empty caches: all live, and none has a model.
            stack.compose("rm", "--stop", "--force", "--volumes", "inference")
            stack.compose("up", "--detach", "--wait", "--no-deps", "inference")
            assert set(replicas.versions().values()) == {None}
        finally:
            stack.compose("start", "mlflow")
        wait_for("a prediction", lambda: stack.predict().status_code == 200, 60, pause=0.02)
        end = time.monotonic() + 2
        while time.monotonic() < end:
            answer = requests.post(f"{replicas.gateway}/feedback", json=observed, timeout=30)
            assert answer.status_code == 202, answer.text
            batch = {"features": replicas.rows[:2]}
            answer = requests.post(f"{replicas.gateway}/predict/batch", json=batch, timeout=30)
            assert answer.status_code == 200, answer.text
        replicas.wait_for_version(version)


def test_a_replica_without_a_model_fails_no_request(replicas: Replicas) -> None:
    stack = replicas.stack
    (version,) = set(replicas.versions().values())
    stack.compose("stop", "mlflow")
    try:
        # An empty cache, and nothing to fill it from.
        stack.compose(
            "up", "--detach", "--wait", "--no-deps", "--scale", "inference=4", "inference"
        )
        versions = list(replicas.versions().values())
        assert (versions.count(version), versions.count(None)) == (3, 1)
        observed = {"features": OBSERVATION["features"], "cover_type": 1}
        for _ in range(60):
            assert stack.predict().json()["model_version"] == version
            answer = requests.post(f"{replicas.gateway}/feedback", json=observed, timeout=30)
            assert answer.status_code == 202
            assert requests.get(f"{replicas.gateway}/ready", timeout=30).status_code == 200

        # The others keep their models over a restart.
        (restarted, *_) = (name for name, one in replicas.versions().items() if one == version)
        stack.command("docker", "restart", restarted)

        def is_back() -> bool:
            return replicas.versions()[restarted] == version

        wait_for("the kept model", is_back, 60)
    finally:
        stack.compose(
            "up", "--detach", "--wait", "--no-deps", "--scale", "inference=3", "inference"
        )
        stack.compose("start", "mlflow")


def test_a_replica_that_hangs_fails_no_request(replicas: Replicas) -> None:
    stack = replicas.stack
    name = min(stack.replicas("inference"))
    stack.command("docker", "pause", name)
    try:
        with Load(replicas.gateway, replicas.rows) as asked:
            time.sleep(8)
    finally:
        stack.command("docker", "unpause", name)
    assert asked.answers
    assert not asked.failures


def test_prometheus_finds_the_metrics_of_every_replica(replicas: Replicas) -> None:
    network = f"{replicas.stack.project}_network"
    pages = json.loads(
        replicas.stack.command(
            *("docker", "run", "--rm", "--network", network, image_of("inference")),
            *("python", "-c", _SCRAPE),
        )
    )
    assert len(pages) == 3
    assert all("covertype_version_requests_total" in page for page in pages)
    assert len(set(pages)) == 3
    answer = requests.get(f"{replicas.gateway}/metrics", timeout=30)
    assert answer.status_code == 404
    assert "Each replica has metrics of its own" in answer.json()["detail"]
    through = [
        requests.get(f"{replicas.gateway}/metrics", {"replica": number}, timeout=30)
        for number in (1, 2, 3)
    ]
    assert all(page.status_code == 200 for page in through)
    assert len({page.text for page in through}) == 3


def _hang(port: int) -> socket.socket:
    """Begin a request that is never finished."""
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.sendall(b"POST /predict HTTP/1.1\r\nHost: gateway\r\nContent-Length: 50\r\n\r\n{")
    return client


def test_slow_clients_take_no_place_from_others(replicas: Replicas) -> None:
    port = replicas.stack.ports["INFERENCE_PORT"]
    clients = [_hang(port) for _ in range(2 * MAX_REQUESTS)]
    try:
        time.sleep(1)
        assert replicas.stack.predict().status_code == 200
    finally:
        for client in clients:
            client.close()


def test_too_many_requests_are_refused_politely(replicas: Replicas) -> None:
    stack = replicas.stack
    names = sorted(stack.replicas("inference"))

    def ask(_: int) -> requests.Response | None:
        try:
            return requests.post(f"{replicas.gateway}/predict", json=OBSERVATION, timeout=60)
        except requests.ConnectionError:
            # It waited, and no replica is left to ask.
            return None

    stack.command("docker", "pause", *names)
    try:
        with ThreadPoolExecutor(2 * MAX_REQUESTS) as clients:
            answers = list(clients.map(ask, range(2 * MAX_REQUESTS)))
    finally:
        stack.command("docker", "unpause", *names)
    refused = [one for one in answers if one is not None and "Too many" in one.json()["detail"]]
    assert len(refused) >= MAX_REQUESTS - 1
    assert {answer.status_code for answer in refused} == {503}
    assert {answer.headers["Retry-After"] for answer in refused} == {"5"}
    assert max(answer.elapsed.total_seconds() for answer in refused) < 2
    stack.figures["Requests at once while no replica answers"] = (
        f"{2 * MAX_REQUESTS - len(refused)} waited, {len(refused)} were refused at once"
    )
    wait_for("room again", lambda: stack.predict().status_code == 200, 30)


@pytest.mark.parametrize(
    ("path", "limit"), [("/predict", LONGEST_VALUE), ("/predict/batch", MAX_BODY_BYTES)]
)
def test_a_body_has_the_limit_that_it_has_at_the_service(
    replicas: Replicas, path: str, limit: int
) -> None:
    (replica, *_) = replicas.addresses().values()
    fits, long = b" " * limit, b" " * (limit + 1)
    for address in (replica, replicas.gateway):
        assert requests.post(address + path, data=fits, timeout=30).status_code == 422
        answer = requests.post(address + path, data=long, timeout=30)
        assert answer.status_code == 413
        assert answer.json() == {
            "detail": f"The body may have {limit} bytes: send fewer observations at once"
        }


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/9.9.9\r\nHost: gateway\r\n\r\n",
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: gateway\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: gateway\r\nLong: " + b"a" * 40_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: one\r\nHost: two\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_what_is_no_request_is_refused(replicas: Replicas, head: bytes) -> None:
    port = replicas.stack.ports["INFERENCE_PORT"]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(head)
        assert client.recv(4096).startswith(b"HTTP/1.1 400 ")


def test_an_encoded_path_is_not_taken_for_a_prediction(replicas: Replicas) -> None:
    connection = HTTPConnection("127.0.0.1", replicas.stack.ports["INFERENCE_PORT"], timeout=30)
    with closing(connection):
        connection.request("POST", "/feedb%61ck", json.dumps(OBSERVATION))
        assert connection.getresponse().status == 404


def _per_second(address: str) -> float:
    host, _, port = address.removeprefix("http://").partition(":")
    request = http_request("/predict", json.dumps(OBSERVATION).encode())
    measured = uvloop.run(load(host, int(port), [request], 32, 4, 10**9))
    assert measured.failures == 0
    return measured.per_second


def test_throughput_by_replicas(replicas: Replicas) -> None:
    stack = replicas.stack
    names = sorted(stack.replicas("inference"))
    (direct, *_) = replicas.addresses().values()
    figures = [f"directly {_per_second(direct):,.0f} requests/s"]
    gateway = stack.containers()["gateway"]["NetworkSettings"]["Networks"]
    address = f"http://{gateway[f'{stack.project}_network']['IPAddress']}:8000"
    for count in (3, 2, 1):
        figures.append(f"{count} behind the gateway {_per_second(address):,.0f}")
        if count > 1:
            stack.command("docker", "stop", names[count - 1])
            time.sleep(2)
    stack.command("docker", "start", *names[1:])
    stack.figures["32 clients ask"] = "; ".join(figures)
    wait_for("all replicas", lambda: None not in replicas.versions().values(), 60)


def test_without_any_replica_the_gateway_says_so(replicas: Replicas) -> None:
    stack = replicas.stack
    stack.compose("stop", "inference")
    try:
        for path in ("/predict", "/predict/batch", "/feedback"):
            answer = requests.post(f"{replicas.gateway}{path}", json=OBSERVATION, timeout=60)
            assert answer.status_code in {502, 504}
            assert answer.headers["Retry-After"] == "5"
            assert "No replica" in answer.json()["detail"]
        assert requests.get(f"{replicas.gateway}/ready", timeout=60).status_code in {502, 504}
        answer = requests.get(f"{replicas.gateway}/metrics?replica=1", timeout=60)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    finally:
        stack.compose("start", "inference")
    wait_for("a prediction", lambda: stack.predict().status_code == 200, 60)
