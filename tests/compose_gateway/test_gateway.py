"""From outside there is one door; it knows who asks, and what each may do."""

import json
import shutil
import socket
import ssl
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
import uvloop
from hypothesis import given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok

from benchmarks.client import http_request, load
from tests.compose.images import image_of
from tests.compose.stack import OBSERVATION, wait_for
from tests.compose_gateway.conftest import (
    HOST,
    MAX_BODY_BYTES,
    NAMES,
    PORT,
    Door,
    open_ports,
    outside,
)
from tools.containers.passwords import read_variables

_ASKED_INSIDE = """
import json, socket, sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen
found = {}
for name in ("tracking-server", "mysql"):
    try:
        found[name] = socket.gethostbyname(name)
    except OSError:
        found[name] = None
for path in ("/api/2.0/mlflow/registered-models/get?name=BestModelRF",):
    try:
        found[path] = urlopen("http://mlflow:5000" + path, timeout=10).status
    except HTTPError as error:
        found[path] = error.code
print(json.dumps(found))
"""

# A service that tells which headers reached it.
_ECHO = """
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Echo(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"headers": [name.lower() for name in self.headers]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
ThreadingHTTPServer(("", 8000), Echo).serve_forever()
"""

_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_EXPERIMENT = "api/2.0/mlflow/experiments/create"


def test_a_scan_from_outside_finds_one_port_more_than_before(door: Door) -> None:
    first, last = map(int, _EPHEMERAL.read_text().split())
    found = open_ports(outside()) - door.ports_before
    # Whatever else runs on this machine may listen on a port that it did not choose.
    assert {port for port in found if not first <= port <= last} == {PORT}
    published = {
        int(binding["HostPort"])
        for container in door.stack.containers().values()
        for bindings in container["NetworkSettings"]["Ports"].values()
        for binding in bindings or ()
    }
    assert published == {PORT}


def test_the_doctor_knows_the_door(door: Door) -> None:
    assert "Nothing wrong" in door.stack.make("doctor")


@pytest.mark.parametrize("name", ["", "api.", "mlflow."])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": "wrong"},
        {"X-API-Key": ""},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic YWRtaW46YWRtaW4="},
        {"Authorization": "nonsense"},
    ],
)
def test_nobody_gets_in_without_a_key(door: Door, name: str, headers: dict[str, str]) -> None:
    for path in ("/", "/predict", "/api/2.0/mlflow-artifacts/artifacts"):
        answer = door.ask(name, path, headers=headers)
        assert answer.status_code == 401, path
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
        assert "A key is needed" in answer.json()["detail"]


def test_airflow_sends_people_to_its_login_and_programs_away(door: Door) -> None:
    answer = door.ask("airflow.", "/dags")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/auth/login/")
    assert door.ask("airflow.", "/auth/login/").status_code == 200
    assert door.ask("airflow.", "/api/v2/dags").status_code == 401
    token = door.ask(
        *("airflow.", "/auth/token", None, "POST"),
        json={"username": "admin", "password": door.stack.password},
    ).json()["access_token"]
    listed = door.ask("airflow.", "/api/v2/dags", headers={"Authorization": f"Bearer {token}"})
    assert listed.json()["total_entries"] > 0


@pytest.mark.parametrize("path", ["/execution/health", "/%65xecution/health", "//execution/x"])
def test_what_tasks_ask_of_airflow_is_not_for_outside(door: Door, path: str) -> None:
    assert door.status_of("airflow.", path, {}, {"Authorization": "Bearer any"}) == 404


@pytest.mark.parametrize("name", ["data-api", "minio", "www", "api.x"])
def test_no_other_service_has_a_name(door: Door, name: str) -> None:
    answer = door.ask("", "/", "admin", headers={"Host": f"{name}.{HOST}"})
    assert answer.status_code == 404
    assert "There is no such host" in answer.json()["detail"]


_MAY = {
    "predict": {("api.", "/model")},
    "metrics": {("api.", "/metrics?replica=1")},
    "read": {("", "/"), ("mlflow.", "/")},
    "admin": {("", "/"), ("api.", "/model"), ("api.", "/metrics?replica=1"), ("mlflow.", "/")},
}


@pytest.mark.parametrize("role", _MAY)
def test_a_key_opens_what_its_role_allows(in_production: Door, role: str) -> None:
    for name, path in _MAY["admin"]:
        allowed = (name, path) in _MAY[role]
        assert in_production.ask(name, path, role).status_code == (200 if allowed else 403)


_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/1"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"/{_EXPERIMENT}"),
        ("PUT", f"{_ARTIFACTS}/model"),
        ("DELETE", f"{_ARTIFACTS}/model"),
        ("PUT", f"{_ARTIFACTS}/mlflow/registered-models/get-latest-versions"),
        ("PUT", f"{_ARTIFACTS}/api/2.0/mlflow/runs/search"),
        ("DELETE", "/api/2.0/mlflow/logged-models/search"),
        ("PATCH", "/ajax-api/2.0/mlflow/logged-models/search"),
        ("POST", "/api/2.0/mlflow/experiments%2Fcreate?x=/mlflow/runs/search"),
        ("DELETE", "/graphql"),
    ],
)
def test_who_may_read_mlflow_changes_nothing(door: Door, method: str, path: str) -> None:
    refused = door.ask("mlflow.", path, "read", method, json={"name": "made-at-the-door"})
    assert (refused.status_code, refused.json()["error_code"]) == (403, "PERMISSION_DENIED")


def test_an_admin_changes_what_mlflow_has(door: Door) -> None:
    name = {"name": "made-at-the-door"}
    searched = {"max_results": 10}
    found = door.ask("mlflow.", "/api/2.0/mlflow/experiments/search", "read", "POST", json=searched)
    assert found.status_code == 200
    assert door.ask("mlflow.", f"/{_EXPERIMENT}", "admin", "POST", json=name).status_code == 200


def test_inside_mlflow_is_reached_through_its_door_alone(in_production: Door) -> None:
    network = f"{in_production.stack.project}_network"
    found = json.loads(
        in_production.stack.command(
            *("docker", "run", "--rm", "--network", network, image_of("inference")),
            *("python", "-c", _ASKED_INSIDE),
        )
    )
    assert set(found.values()) == {None, 401}


@pytest.mark.parametrize("role", ["follower", "form"])
def test_an_account_of_the_platform_has_the_least_rights(in_production: Door, role: str) -> None:
    key = read_variables(in_production.stack.folder / ".env")[f"{role.upper()}_KEY"]
    asked = (
        *("exec", "-T", "-e", "KEY", "airflow-dag-processor", "python", "-c"),
        "import os, requests; print(requests.post('http://mlflow:5000/"
        f"{_EXPERIMENT}', json={{'name': 'x'}}, auth=('{role}', os.environ['KEY'])).status_code)",
    )
    assert in_production.stack.compose(*asked, more={"KEY": key}).strip() == "403"
    # Nor is it for outside.
    for name in ("", "api.", "mlflow."):
        assert in_production.ask(name, "/", headers={"X-API-Key": key}).status_code == 403


def test_a_revoked_key_fails_within_a_second_and_for_good(in_production: Door) -> None:
    door = in_production
    door.make_key("leaving", "predict")
    door.make_key("staying", "predict")
    assert door.predict("leaving").status_code == 200
    said = door.stack.make("keys", "REVOKE=leaving")
    revoked = time.monotonic()
    assert "leaving is revoked" in said
    assert door.predict("leaving").status_code == 401
    assert time.monotonic() - revoked < 1
    door.stack.compose("restart", "gateway")
    wait_for("the gateway", lambda: door.predict("staying").status_code == 200, 60)
    assert door.predict("leaving").status_code == 401
    listed = door.stack.make("keys")
    assert "staying" in listed
    assert "leaving" not in listed


def test_a_burst_gets_429_and_others_do_not_notice(in_production: Door) -> None:
    door = in_production
    door.make_key("bursting", "predict", rate=20)
    door.make_key("calm", "predict", rate=20)

    def burst(_: int) -> tuple[int, str | None]:
        answer = door.predict("bursting")
        return answer.status_code, answer.headers.get("Retry-After")

    with ThreadPoolExecutor(8) as clients:
        bursts = clients.map(burst, range(400))
        begun = time.monotonic()
        calm = []
        while time.monotonic() - begun < 4:
            calm.append(door.predict("calm"))
            time.sleep(0.1)
        statuses = Counter(bursts)
    assert {answer.status_code for answer in calm} == {200}
    assert set(statuses) == {(200, None), (429, "1")}
    slowest = max(answer.elapsed.total_seconds() for answer in calm)
    door.stack.figures["A burst of 400 requests with a key for 20 a second"] = (
        f"{statuses[200, None]} answered, {statuses[429, '1']} got 429; {len(calm)} of another "
        f"key meanwhile: all answered, the slowest after {slowest * 1000:.0f} ms"
    )


def test_two_batches_of_a_key_leave_places_for_others(in_production: Door) -> None:
    door = in_production
    body = json.dumps({"features": [OBSERVATION["features"]] * 10_000}).encode()
    head = (
        f"POST /predict/batch HTTP/1.1\r\nHost: api.{HOST}:{PORT}\r\n"
        f"X-API-Key: {door.keys['predict']}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    context = ssl.create_default_context(cafile=str(door.certificate))
    slow = [
        context.wrap_socket(socket.create_connection((outside(), PORT)), server_hostname=HOST)
        for _ in range(2)
    ]
    try:
        for client in slow:
            client.sendall(head + body[:60_000])
        time.sleep(1)
        path, short = "/predict/batch", {"features": [OBSERVATION["features"]]}
        refused = door.ask("api.", path, "predict", "POST", json=short)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
        assert door.ask("api.", path, "admin", "POST", json=short).status_code == 200
    finally:
        for client in slow:
            client.close()


@pytest.mark.parametrize("path", ["/m%65trics", "/predict/b%61tch", "/feedb%61ck"])
def test_an_encoded_path_passes_no_rule(in_production: Door, path: str) -> None:
    key = {"X-API-Key": in_production.keys["predict"]}
    assert in_production.status_of("api.", path, OBSERVATION, key) == 404


def test_a_key_does_not_reach_the_service(in_production: Door) -> None:
    stack = in_production.stack
    network, name = f"{stack.project}_network", f"{stack.project}-echo"
    gateway = stack.containers()["gateway"]
    stack.command(
        *("docker", "run", "--detach", "--rm", "--name", name, "--network", network),
        *("--network-alias", "inference", gateway["Config"]["Image"], "python", "-c", _ECHO),
    )
    try:
        seen: set[str] = set()

        def is_asked() -> bool:
            answer = in_production.ask("api.", "/model", "predict").json()
            seen.update(answer.get("headers", ()))
            return bool(seen)

        wait_for("the other service", is_asked, 60, pause=0.05)
    finally:
        stack.command("docker", "rm", "--force", name)
    assert "host" in seen
    assert not {"x-api-key", "authorization"} & seen
    wait_for("the service alone", lambda: in_production.predict("predict").ok, 30)


def test_bodies_have_limits(in_production: Door) -> None:
    long = b" " * (MAX_BODY_BYTES + 1)
    for path in ("/predict", "/predict/batch", "/feedback"):
        assert in_production.ask("api.", path, "predict", "POST", data=long).status_code == 413
    for content in ({"data": long}, {"headers": {"Content-Length": str(2**32)}}):
        token = in_production.ask("airflow.", "/auth/token", None, "POST", **content)
        assert token.status_code == 413
    endless = in_production.ask("airflow.", "/auth/token", None, "POST", data=iter([b"{}"]))
    assert endless.status_code == 411


def test_every_answer_has_the_headers_that_protect_browsers(in_production: Door) -> None:
    for name in NAMES:
        for key in (None, "admin"):
            headers = in_production.ask(name, "/", key).headers
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["X-Frame-Options"] == "SAMEORIGIN"
            assert headers["Referrer-Policy"] == "same-origin"
            assert "frame-ancestors" in headers["Content-Security-Policy"]
            assert headers["Strict-Transport-Security"] == "max-age=31536000"
            assert "Server" not in headers


@pytest.mark.filterwarnings("ignore:.*TLSv1:DeprecationWarning")
def test_old_tls_is_refused(door: Door) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection((outside(), PORT), timeout=10) as plain,
        pytest.raises(ssl.SSLError),
    ):
        context.wrap_socket(plain, server_hostname=HOST)


def test_what_schemathesis_makes_up_finds_no_fault(in_production: Door) -> None:
    door = in_production
    document = door.ask("api.", "/openapi.json", "predict").json()
    asked: Counter[int] = Counter()

    def ask(case: Any) -> None:
        answer = case.call(
            base_url=f"https://api.{HOST}:{PORT}",
            headers={"X-API-Key": door.keys["predict"]},
            verify=str(door.certificate),
        )
        case.validate_response(answer, checks=[not_a_server_error])
        asked[answer.status_code] += 1

    bounds = settings(max_examples=25, deadline=None, database=None)
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if operation.path != "/metrics":
            bounds(given(operation.as_strategy())(ask))()
    assert 401 not in asked
    door.stack.figures["Schemathesis through the gateway"] = (
        f"{asked.total()} requests, by status {dict(sorted(asked.items()))}"
    )


def _per_second(host: str, port: int, request: bytes, tls: ssl.SSLContext | None) -> float:
    measured = uvloop.run(load(host, port, [request], 32, 3, 10**9, tls))
    assert measured.failures == 0
    return measured.per_second


@pytest.fixture
def without_door(in_production: Door) -> Iterator[str]:
    """The address of another gateway before the same service, which asks for nothing."""
    stack = in_production.stack
    gateway = stack.containers()["gateway"]
    settings = [
        f"--env={line}"
        for line in gateway["Config"]["Env"]
        if line.partition("=")[0].endswith(("_SECONDS", "_BYTES", "_REQUESTS"))
    ]
    network, name = f"{stack.project}_network", f"{stack.project}-open"
    stack.command(
        *("docker", "run", "--detach", "--rm", "--name", name, "--network", network),
        *("--cpu-shares", "2048", "--tmpfs", "/tmp", *settings, gateway["Config"]["Image"]),
    )
    try:
        found = json.loads(stack.command("docker", "inspect", name))[0]
        address = found["NetworkSettings"]["Networks"][network]["IPAddress"]
        predict = f"http://{address}:8000/predict"
        wait_for(
            "another gateway", lambda: requests.post(predict, json=OBSERVATION, timeout=5).ok, 30
        )
        yield address
    finally:
        stack.command("docker", "rm", "--force", name)


def test_the_rate_with_keys_and_without(in_production: Door, without_door: str) -> None:
    door = in_production
    door.make_key("fast", "predict", rate=100_000)
    body = json.dumps(OBSERVATION).encode()
    networks = door.stack.containers()["inference"]["NetworkSettings"]["Networks"]
    direct = networks[f"{door.stack.project}_network"]["IPAddress"]
    context = ssl.create_default_context(cafile=str(door.certificate))
    context.check_hostname = False
    plain = http_request("/predict", body)
    keyed = http_request("/predict", body, f"api.{HOST}:{PORT}", {"X-API-Key": door.keys["fast"]})
    ways = {
        "directly": (direct, 8000, plain, None),
        "through a gateway without TLS and keys": (without_door, 8000, plain, None),
        "through the door": (outside(), PORT, keyed, context),
    }
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(5):
        for way, asked in ways.items():
            rates[way].append(_per_second(*asked))
    door.stack.figures["32 clients ask"] = "; ".join(
        f"{way} {statistics.median(measured):,.0f} requests/s" for way, measured in rates.items()
    )


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_given_certificate_is_used_and_renewed_without_a_lost_request(
    in_production: Door, tmp_path: Path
) -> None:
    door = in_production
    folder = tmp_path / "certificate"
    folder.mkdir(mode=0o755)
    first = _make_certificate(folder)
    door.stack.settings["GATEWAY_CERTIFICATE"] = str(folder)
    try:
        door.stack.compose("up", "--detach", "--wait", "--no-deps", "gateway")
        assert ssl.get_server_certificate((outside(), PORT)) == first
        second = _make_certificate(folder)
        statuses: Counter[int] = Counter()
        stopped = time.monotonic() + 6
        door.stack.compose("kill", "--signal", "USR2", "gateway")
        while time.monotonic() < stopped:
            answer = requests.post(
                f"https://api.{HOST}:{PORT}/predict",
                json=OBSERVATION,
                headers={"X-API-Key": door.keys["predict"]},
                verify=False,  # it is another one every time
                timeout=10,
            )
            statuses[answer.status_code] += 1
        assert set(statuses) == {200}
        assert ssl.get_server_certificate((outside(), PORT)) == second != first

        (folder / "privkey.pem").unlink()
        door.stack.compose("up", "--detach", "--no-deps", "--force-recreate", "gateway")
        wait_for("why", lambda: "privkey.pem" in door.stack.compose("logs", "gateway"), 30)
    finally:
        del door.stack.settings["GATEWAY_CERTIFICATE"]
        door.stack.compose("up", "--detach", "--wait", "--no-deps", "gateway")


def _make_certificate(folder: Path) -> str:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", f"/CN={HOST}", "-keyout", folder / "privkey.pem"),
            *("-addext", f"subjectAltName=DNS:{HOST},DNS:*.{HOST}", "-out", folder / "new.pem"),
        ],
        check=True,
        capture_output=True,
    )
    shutil.move(folder / "new.pem", folder / "fullchain.pem")
    (folder / "privkey.pem").chmod(0o644)
    return (folder / "fullchain.pem").read_text()


def test_the_log_has_refusals_and_no_key(in_production: Door) -> None:
    door = in_production
    door.ask("api.", "/predict?features=secret", "read", "POST", headers={"X-Other": "secret"})
    lines = door.stack.compose("logs", "gateway")
    assert "read POST /predict 403" in lines
    assert "secret" not in lines
    known: Sequence[str] = [
        *door.keys.values(),
        *read_variables(door.stack.folder / ".env").values(),
    ]
    assert not any(key in lines for key in known)


def test_guessing_is_slowed_down(in_production: Door) -> None:
    door = in_production
    wrong = {"username": "admin", "password": "guess"}
    logins = Counter(
        door.status_of("airflow.", path, wrong, {"Cookie": "_token=x"})
        for path in ("/auth/token", "/%61uth/token") * 15
    )
    assert set(logins) == {401, 429}
    assert logins[429] >= 4
    keys = Counter(
        door.ask("api.", "/model", headers={"X-API-Key": f"guess-{number}"}).status_code
        for number in range(80)
    )
    assert set(keys) == {401, 429}
    assert keys[429] >= 10
    # Whoever has a key does not notice.
    assert door.predict("predict").status_code == 200
