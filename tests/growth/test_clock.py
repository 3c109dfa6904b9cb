"""The platform as `make run` starts it, while its clock jumps by a day at random moments.

What Airflow does when the clock was ahead, and what a person then has to do, is in
docs/compose.md: `put_airflow_right` does that.
"""

import hashlib
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import psutil
import pytest
import requests
from mlflow import MlflowClient

from covertype.contract import GROUPS
from covertype.gate.verdicts import VERDICT, Outcome
from covertype.models.artifact import class_probabilities
from covertype.registry.names import MODEL_NAME
from covertype.registry.production import production_version
from covertype.registry.tracking import fetch_model
from covertype.rows.arrow import from_frame
from inference.model.kept import CARD_FILE, version_of
from inference.model.store import ModelStore
from tests.compose.stack import OBSERVATION, wait_for
from tests.conftest import free_port
from tests.growth.clock import Clock
from tests.platform.running import Platform, start
from tools.local.processes import DEFAULT_PORTS

COLLECTED_GROUPS = (1, 2)
BATCHES = 10
JUMPS = 6
PROMOTIONS = 3
SCHEDULE_SECONDS = 300
PATIENCE_SECONDS = 1200
LOG_SECONDS = 1.0
SOON_SECONDS = 20
UNDER_WAY = {"queued", "running"}


@dataclass(frozen=True)
class Account:
    """Everything that something refers to."""

    raw: Mapping[str, str]
    snapshots: Mapping[str, str]
    runs: Mapping[str, str]
    """The training data of each finished run."""

    versions: Mapping[str, str]
    """The run of each version."""

    predictions: int


class Asker:
    """Asks for predictions all the time, from the first answer on, while it is open."""

    def __init__(self, address: str) -> None:
        self.answered: list[str] = []
        self.failures: list[str] = []
        self._address = address
        self._allowed_to_fail = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask_often, daemon=True)

    def __enter__(self) -> "Asker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @contextmanager
    def restart(self) -> Iterator[None]:
        """Let requests fail until one is answered after this."""
        self._allowed_to_fail = True
        yield
        before = len(self.answered)
        wait_for("an answer", lambda: len(self.answered) > before, 120, pause=0.1)
        self._allowed_to_fail = False

    def _ask_often(self) -> None:
        while not self._ended.wait(0.1):
            try:
                answer = ask(self._address)
                answer.raise_for_status()
                self.answered.append(answer.json()["model_version"])
            except (requests.RequestException, KeyError, ValueError) as error:
                if not self._allowed_to_fail:
                    self.failures.append(f"{datetime.now(UTC):%H:%M:%S} {error!r}")


def ask(address: str) -> requests.Response:
    return requests.post(f"{address}/predict", json=OBSERVATION, timeout=10)


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[Clock]:
    state = tmp_path / "state"
    with Clock(
        tmp_path / "clock", [state / one for one in ("datasets", "models", "serving")]
    ) as clock:
        yield clock


@pytest.fixture
def begin(tmp_path: Path, clock: Clock) -> Iterator[Callable[[], Platform]]:
    """What starts the platform, over the same state every time; two groups give it rows."""
    state = tmp_path / "state"
    positions = state / "data-api" / "state.json"
    positions.parent.mkdir(parents=True, exist_ok=True)
    exhausted = {
        group: {"batch": BATCHES, "since": 0} for group in GROUPS if group not in COLLECTED_GROUPS
    }
    positions.write_text(json.dumps(exhausted))
    ports = {service: free_port() for service in DEFAULT_PORTS}
    settings = {
        "BATCH_SECONDS": "0",
        # After the first round training starts when the test says so.
        "RETRAIN_GROWTH": "10",
        "PREDICTION_LOG_SECONDS": str(LOG_SECONDS),
        "REGISTRY_POLL_SECONDS": "1",
    }
    running: list[Platform] = []

    def begin() -> Platform:
        running.append(start(state, ports, **settings, **clock.environment))
        return running[-1]

    try:
        yield begin
    finally:
        for platform in running:
            platform.end()


def test_a_clock_that_jumps_by_a_day_loses_nothing_that_is_referred_to(
    begin: Callable[[], Platform], clock: Clock, figures: dict[str, str]
) -> None:
    seed = int(os.environ.get("CLOCK_SEED", random.randrange(10_000)))
    moments = random.Random(seed)
    print(f"CLOCK_SEED={seed}")
    figures["CLOCK_SEED of the jumps"] = str(seed)
    begun = time.monotonic()
    platform = begin()
    platform.wait_until_printed("airflow is up", PATIENCE_SECONDS)
    # Their rounds are like those of forests, and nothing of them is served.
    for dag in ("train_logreg_model", "train_logreg_model2"):
        airflow(platform, "PATCH", f"dags/{dag}", json={"is_paused": True})
    platform.wait_until_printed("A real prediction", PATIENCE_SECONDS)
    mlflow.set_tracking_uri(platform.address("mlflow"))
    kept = account(platform)

    def check() -> None:
        nonlocal kept
        now = account(platform)
        check_kept(kept, now)
        check_served(platform)
        kept = now

    jumps: list[str] = []

    def jump(days: int) -> None:
        clock.set(days)
        jumps.append(f"{time.monotonic() - begun:.0f} s: {days:+d}")
        print(f"The clock is {days:+d} days off", flush=True)
        check_clock(platform, clock)
        check()

    with Asker(platform.address("inference")) as asker:
        wait_until_idle(platform)
        wait_until_read(platform)

        # A day back, with nothing under way: what a person starts runs to its end.
        jump(-1)
        collect(platform)
        train(platform)
        wait_until_idle(platform)
        check()
        back = [run for run in dag_runs(platform) if moment(run["run_after"]) <= clock.now()]
        assert {"descargar_datos_api", "preprocess_covertype", "train_rf_model"} <= {
            run["dag_id"] for run in back
        }
        assert {run["state"] for run in back} == {"success"}
        jump(0)
        assert 0 < next_schedule(platform) - clock.now() < SCHEDULE_SECONDS

        # Random moments, whatever is under way; then ahead, and from there back.
        start_training(platform)
        while len(jumps) < JUMPS or clock.days < 1:
            with suppress(AssertionError):
                # Airflow may have lost the DAG, until the clock is right: `wait_until_read`.
                start_collection(platform)
            time.sleep(moments.uniform(3, 15))
            jump(moments.choice([days for days in (-1, 0, 1) if days != clock.days]))
        time.sleep(moments.uniform(3, 15))
        jump(0)
        answered = asker.answered[-1]
        with asker.restart():
            kill(platform, "inference")
            platform.process.wait(120)
            restarted = time.monotonic()
            platform = begin()
        figures["Answering again after a restart"] = f"{time.monotonic() - restarted:.0f} s"
        assert int(asker.answered[-1]) >= int(answered)
        platform.wait_until_printed("A real prediction", PATIENCE_SECONDS)
        figures["Runs that a person ended"] = put_airflow_right(platform, clock)
        check()

        # The clock is right: all goes on, first what a person starts and then by itself.
        right = clock.now()
        collect(platform)
        train(platform)
        check()
        wait_for(
            "a scheduled run",
            lambda: scheduled_since(platform, right),
            SCHEDULE_SECONDS + PATIENCE_SECONDS,
        )
        wait_until_idle(platform)
        check()
        assert len(promoted()) >= PROMOTIONS
        version = production_version()
        assert version is not None
        wait_for("the version answers", lambda: asker.answered[-1] == version.version, 30)

    figures["Jumps"] = ", ".join(jumps)
    figures["Versions promoted"] = ", ".join(promoted())
    figures["Predictions answered"] = f"{len(asker.answered)}, {len(asker.failures)} failed"
    assert asker.failures == []
    check_rows(platform)
    wait_for(
        "all predictions in the log",
        # A kill may lose what came since the last write.
        lambda: account(platform).predictions >= len(asker.answered) - 2 * LOG_SECONDS / 0.1,
        30,
    )
    figures["Seconds in all"] = f"{time.monotonic() - begun:.0f}"


def account(platform: Platform) -> Account:
    datasets = platform.datasets
    client = MlflowClient()
    experiments = [one.experiment_id for one in client.search_experiments()]
    runs = client.search_runs(experiments, max_results=5000)
    versions = client.search_model_versions(f"name = '{MODEL_NAME}'")
    return Account(
        raw={name: digest(Path(datasets.root) / name) for name in datasets.raw_names()},
        snapshots={name: digest(Path(datasets.root) / name) for name in datasets.snapshot_names()},
        runs={
            run.info.run_id: run.data.tags["covertype.snapshot"]
            for run in runs
            if run.info.status == "FINISHED"
        },
        versions={str(one.version): one.run_id for one in versions},
        predictions=len(datasets.read_predictions()),
    )


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_kept(before: Account, after: Account) -> None:
    """Check that nothing of `before` is lost or changed, and that what is referred to is there."""
    assert before.raw.items() <= after.raw.items(), "a raw file is lost or changed"
    assert before.snapshots.items() <= after.snapshots.items(), "a snapshot is lost or changed"
    assert before.runs.items() <= after.runs.items(), "a finished run is lost"
    assert before.versions.items() <= after.versions.items(), "a version is lost"
    assert before.predictions <= after.predictions, "logged predictions are lost"
    assert set(after.runs.values()) <= after.snapshots.keys(), "a run's training data is lost"
    assert set(after.versions.values()) <= after.runs.keys(), "a version's run is lost"


def check_served(platform: Platform) -> None:
    """Check that Production loads, and that what answers is in the cache of the service."""
    version = production_version()
    assert version is not None
    model = fetch_model(f"models:/{MODEL_NAME}/{version.version}")
    rows = platform.datasets.read_snapshot(platform.datasets.snapshot_names()[-1]).head(5)
    assert len(class_probabilities(model, rows.drop(columns="Cover_Type"))) == 5
    answering = ask(platform.address("inference")).json()["model_version"]
    store = ModelStore(platform.state / "serving")
    folders = [path for path in store.folder("any").parent.iterdir() if path.name[0] != "."]
    kept = {version_of(path.name) for path in folders if (path / CARD_FILE).exists()}
    assert answering in kept
    assert store.current in {path.name for path in folders}


def check_clock(platform: Platform, clock: Clock) -> None:
    """Check that every service has the clock's time, once it has made the date of its answers."""

    def unaware() -> list[str]:
        return [one for one in DEFAULT_PORTS if abs(time_of(platform, one) - clock.now()) > 60]

    wait_for("every service has the time", lambda: not unaware(), 60)


def time_of(platform: Platform, service: str) -> float:
    """Return the time that a service gives its answers."""
    said = requests.get(platform.address(service), timeout=10).headers["Date"]
    return parsedate_to_datetime(said).timestamp()


def check_rows(platform: Platform) -> None:
    """Check that every valid row of every raw file is in the processed rows exactly once."""
    datasets = platform.datasets
    raw = np.concatenate([datasets.read_raw(name)[0] for name in datasets.raw_names()])
    processed = from_frame(datasets.read_processed()).tolist()
    assert len(set(map(tuple, processed))) == len(processed)
    assert set(map(tuple, processed)) == set(map(tuple, raw.tolist()))


def judged() -> dict[str, str]:
    """Return the verdict on each version that was judged."""
    versions = MlflowClient().search_model_versions(f"name = '{MODEL_NAME}'")
    return {str(one.version): one.tags[VERDICT] for one in versions if VERDICT in one.tags}


def promoted() -> list[str]:
    """Return the versions that were promoted, in order."""
    return sorted(
        (one for one, verdict in judged().items() if verdict == Outcome.PROMOTED), key=int
    )


def kill(platform: Platform, service: str) -> None:
    """Kill the process that listens on a service's port."""
    port = platform.ports[service]
    for one in psutil.net_connections("tcp"):
        if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port:
            psutil.Process(one.pid).kill()


# Airflow, as a person uses it.


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def airflow(platform: Platform, method: str, path: str, **arguments: Any) -> dict[str, Any]:
    """Ask Airflow, and again when its SQLite was busy, as a person would."""
    answer = wait_for(
        f"{method} {path}", lambda: (platform.airflow(method, path, **arguments),), 30
    )
    return answer[0] or {}


def dag_runs(platform: Platform) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = airflow(
        platform, "GET", "dags/~/dagRuns", params={"limit": "500"}
    )["dag_runs"]
    return runs


def states(platform: Platform) -> dict[str, str]:
    """Return the state of each run by its name."""
    return {run["dag_run_id"]: run["state"] for run in dag_runs(platform)}


def under_way(platform: Platform) -> list[dict[str, Any]]:
    return [run for run in dag_runs(platform) if run["state"] in UNDER_WAY]


def wait_until_idle(platform: Platform) -> None:
    """Wait until nothing is under way, nor was some seconds before, nor begins soon by itself."""
    quiet = [False, False]

    def idle() -> bool:
        soon = 0 < next_schedule(platform) - time.time() < SOON_SECONDS
        quiet.append(not soon and not under_way(platform))
        return all(quiet[-3:])

    wait_for("every DAG run ended", idle, PATIENCE_SECONDS, pause=2)


def wait_until_read(platform: Platform) -> None:
    """Wait until Airflow has just read the DAGs, as it does every 30 seconds.

    It takes a DAG for removed, until it reads it again, if the clock is set back between the end of
    reading and the noting of it.
    """

    def just_read() -> bool:
        dags = airflow(platform, "GET", "dags")["dags"]
        ages = [time.time() - moment(dag["last_parsed_time"]) for dag in dags]
        return min(ages) > 2 and max(ages) < 25

    wait_for("the DAGs just read", just_read, PATIENCE_SECONDS, pause=0.5)


def start_by_hand(platform: Platform, dag: str, **conf: Any) -> str:
    """Start a DAG; return the run's name."""
    body = {"logical_date": None, "conf": conf}
    return str(airflow(platform, "POST", f"dags/{dag}/dagRuns", json=body)["dag_run_id"])


def start_collection(platform: Platform) -> str | None:
    """Start a collection from one group, unless one is under way; return its run."""
    collections = [run for run in dag_runs(platform) if run["dag_id"] == "descargar_datos_api"]
    if any(run["state"] in UNDER_WAY for run in collections):
        return None
    group = COLLECTED_GROUPS[len(collections) % len(COLLECTED_GROUPS)]
    return start_by_hand(platform, "descargar_datos_api", groups=[group])


def collect(platform: Platform) -> None:
    """Collect once, to the end."""
    turn = wait_for("a collection's turn", lambda: start_collection(platform), PATIENCE_SECONDS)
    run = str(turn)
    ended = {"success", "failed"}
    wait_for("the collection's end", lambda: states(platform)[run] in ended, PATIENCE_SECONDS)
    assert states(platform)[run] == "success"


def start_training(platform: Platform) -> None:
    start_by_hand(platform, "preprocess_covertype", announce_anyway=True)


def train(platform: Platform) -> None:
    """Train on all rows, to the verdict on the best forest."""
    before = len(judged())
    start_training(platform)
    wait_for("a verdict", lambda: len(judged()) > before, PATIENCE_SECONDS, pause=3)


def next_schedule(platform: Platform) -> float:
    """Return when the next collection starts by itself."""
    return moment(airflow(platform, "GET", "dags/descargar_datos_api")["next_dagrun_run_after"])


def scheduled_since(platform: Platform, when: float) -> bool:
    return any(
        run["run_type"] == "scheduled"
        and moment(run["run_after"]) >= when
        and run["state"] == "success"
        for run in dag_runs(platform)
    )


def put_airflow_right(platform: Platform, clock: Clock) -> str:
    """End what is under way, and remove the runs of the day ahead; return which were ended."""
    ended = []
    late = dag_runs(platform)
    while late:
        for run in late:
            path = f"dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}"
            if run["state"] in UNDER_WAY:
                airflow(platform, "PATCH", path, json={"state": "failed"})
                ended.append(f"{run['dag_id']} of {run['run_after']}")
            if moment(run["run_after"]) > clock.now():
                airflow(platform, "DELETE", path)
        # What was announced on that day may have made another run meanwhile.
        time.sleep(10)
        late = [run for run in dag_runs(platform) if moment(run["run_after"]) > clock.now()]
    return ", ".join(ended) or "none"
