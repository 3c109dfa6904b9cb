"""What the follower does with a version that it can't fetch at once."""

import errno
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from mlflow.entities.model_registry import ModelVersion, ModelVersionTag
from mlflow.exceptions import MlflowException
from requests import RequestException
from sklearn.pipeline import Pipeline

from covertype.answers import LiveAccuracy, NextBatch
from covertype.registry.monitoring_tags import to_tags
from covertype.rows.codes import to_codes
from inference.follower import watcher as follower
from inference.follower.watcher import Follower
from inference.model import kept
from inference.model.serving import Serving
from inference.model.store import ModelStore
from inference.telemetry.metrics import Metrics
from tests.conftest import ROOT
from tests.inference.conftest import Keep

VERSION = ModelVersion("BestModelRF", "7", 0, last_updated_timestamp=1, run_id="run7")
AWAY = OSError("connection refused\nand a long story")


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which stands still until the test moves it on."""
    now = [1000.0]
    monkeypatch.setattr("inference.follower.watcher.time.monotonic", lambda: now[0])
    monkeypatch.setattr(follower, "production_version", lambda: VERSION)
    return now


def test_a_version_that_cannot_be_fetched_is_said_so_and_tried_again_at_growing_pauses(
    store: ModelStore, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[float] = []

    def fail(*_: object) -> None:
        tried.append(clock[0])
        raise AWAY

    monkeypatch.setattr(follower, "_fetch", fail)
    followed = Follower(store, 5)
    for _ in range(200):
        report = followed.check()
        clock[0] += 1
    assert report.reachable
    assert report.production == "7"
    assert report.refused is None
    assert report.message == (
        "version 7 is in Production, but can't be fetched yet: connection refused"
    )
    pauses = [after - before for before, after in pairwise(tried)]
    assert pauses == [4, 8, 16, 32, 60, 60]


def test_a_version_that_can_be_fetched_again_answers(
    store: ModelStore,
    clock: list[float],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    forest: Pipeline,
    keep: Keep,
) -> None:
    ready = ModelStore(tmp_path / "elsewhere")
    keep(ready, "7", forest)
    files = ready.folder(str(ready.current))
    errors = iter([AWAY])

    def fetch(_: ModelVersion, folder: Path) -> None:
        for error in errors:
            raise error
        kept.link(files, folder)

    monkeypatch.setattr(follower, "_fetch", fetch)
    followed = Follower(store, 5)
    assert "can't be fetched" in followed.check().message
    clock[0] += 10
    assert followed.check().message == "version 7 is in Production"
    assert store.current == "7-run7"


def test_a_version_that_memory_was_short_for_is_tried_again_and_not_refused(
    store: ModelStore, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[float] = []

    def exhaust(*_: object) -> None:
        tried.append(clock[0])
        raise MemoryError

    monkeypatch.setattr(follower, "_fetch", exhaust)
    followed = Follower(store, 5)
    assert followed.check().refused is None
    clock[0] += 10
    assert followed.check().message.endswith("can't be fetched yet: MemoryError")
    assert len(tried) == 2


def test_a_version_that_the_disk_is_too_full_for_is_tried_again_and_the_disk_is_named(
    store: ModelStore, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(follower, "_fetch", lambda *_: (_ for _ in ()).throw(full))
    report = Follower(store, 5).check()
    assert report.refused is None
    assert f"the disk of {store.root}/versions is full" in report.message


@contextmanager
def full_disk() -> Iterator[None]:
    """Let every write to a file fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_said_and_the_follower_goes_on_when_there_is_room(
    store: ModelStore,
    clock: list[float],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(follower, "production_version", lambda: None)
    followed = Follower(store, 5)
    before = followed.check()
    with full_disk():
        followed.check()
    assert f"can't be written to {store.root}: [Errno 27]" in caplog.text
    kept = store.read_report()
    assert kept is not None
    assert kept.message == before.message
    monkeypatch.setattr(follower, "production_version", lambda: VERSION)
    monkeypatch.setattr(follower, "_fetch", lambda *_: (_ for _ in ()).throw(AWAY))
    followed.check()
    after = store.read_report()
    assert after is not None
    assert after.production == "7"


def raising(error: Exception) -> Callable[[], ModelVersion | None]:
    def fail() -> ModelVersion | None:
        raise error

    return fail


def test_a_fault_of_the_follower_s_own_is_logged_with_its_traceback_and_not_put_on_the_registry(
    store: ModelStore,
    clock: list[float],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    followed = Follower(store, 5)
    with monkeypatch.context() as patch:
        patch.setattr(Follower, "_follow", lambda _, version: version.tags["version"])
        report = followed.check()
        followed.check()
    assert report.message == "the follower failed: KeyError: 'version'"
    assert not report.reachable
    assert store.read_report() == report
    # Once, not at every refresh.
    (logged,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert logged.exc_info is not None
    monkeypatch.setattr(follower, "_fetch", lambda *_: (_ for _ in ()).throw(AWAY))
    assert followed.check().reachable


@pytest.mark.parametrize("error", [KeyError("x"), PermissionError(13, "denied"), MemoryError()])
def test_what_fails_beside_mlflow_and_the_network_is_the_follower_s_failure(
    error: Exception, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "production_version", raising(error))
    assert (
        Follower(store, 5)
        .check()
        .message.startswith(f"the follower failed: {type(error).__name__}")
    )


@pytest.mark.parametrize(
    "error",
    [MlflowException("no answer"), RequestException("no answer"), TimeoutError("no answer")],
)
def test_a_registry_that_fails_is_reported_without_a_traceback(
    error: Exception,
    store: ModelStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(follower, "production_version", raising(error))
    report = Follower(store, 5).check()
    assert report.message == "the registry can't be used: no answer"
    assert not report.reachable
    assert not caplog.records


def tagged(version: str, *figures: NextBatch | LiveAccuracy | None) -> ModelVersion:
    tags = [ModelVersionTag(*tag) for one in figures if one for tag in to_tags(one).items()]
    return ModelVersion(
        "BestModelRF", version, 0, last_updated_timestamp=1, run_id=f"run{version}", tags=tags
    )


def test_the_next_batch_of_production_is_reported_and_changes_with_its_tags(
    store: ModelStore, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "_fetch", lambda *_: (_ for _ in ()).throw(AWAY))
    followed = Follower(store, 5)
    for version, figures in (
        ("7", None),
        ("7", NextBatch("7", 5, 100, 0.75)),
        ("7", NextBatch("7", 6, 200, 0.7)),
        ("8", None),
    ):
        production = tagged(version, figures)
        monkeypatch.setattr(follower, "production_version", lambda found=production: found)
        assert followed.check().next_batch == figures


def test_the_live_accuracy_of_production_is_reported_beside_the_next_batch(
    store: ModelStore, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "_fetch", lambda *_: (_ for _ in ()).throw(AWAY))
    figures = NextBatch("7", 5, 100, 0.75), LiveAccuracy("7", 40, 0.8)
    monkeypatch.setattr(follower, "production_version", lambda: tagged("7", *figures))
    report = Follower(store, 5).check()
    assert (report.next_batch, report.live) == figures
    monkeypatch.setattr(follower, "production_version", raising(MlflowException("no answer")))
    assert Follower(store, 5).check().live == figures[1]


def test_the_next_batch_is_remembered_while_the_registry_is_away_even_by_a_new_follower(
    store: ModelStore, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "_fetch", lambda *_: (_ for _ in ()).throw(AWAY))
    figures = NextBatch("7", 5, 100, 0.75)
    monkeypatch.setattr(follower, "production_version", lambda: tagged("7", figures))
    followed = Follower(store, 5)
    followed.check()
    monkeypatch.setattr(follower, "production_version", raising(MlflowException("no answer")))
    for later in (followed, Follower(store, 5)):
        report = later.check()
        assert (report.reachable, report.next_batch) == (False, figures)
    assert store.read_report() == report


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The versions that the follower tried to fetch; it can fetch none."""
    tried: list[str] = []

    def fail(version: ModelVersion, _: Path) -> None:
        tried.append(version.version)
        raise AWAY

    monkeypatch.setattr(follower, "_fetch", fail)
    return tried


@pytest.fixture
def back_to_kept(store: ModelStore, clock: list[float], forest: Pipeline, keep: Keep) -> Path:
    """The folder of version 7, which is in Production again after version 8."""
    keep(store, "7", forest)
    folder = store.folder(str(store.current))
    keep(store, "8", forest)
    return folder


def test_after_a_rollback_the_kept_version_answers_again_without_being_fetched(
    store: ModelStore, back_to_kept: Path, fetched: list[str]
) -> None:
    assert Follower(store, 5).check().message == "version 7 is in Production"
    assert fetched == []
    assert store.current == "7-run7"
    assert store.folder("8-run8").is_dir()
    # It is in Production since now, and not since the first time.
    assert kept.read_card(back_to_kept).since == "1970-01-01T00:00:00+00:00"


def test_after_a_rollback_a_kept_version_that_is_damaged_is_fetched_again(
    store: ModelStore, back_to_kept: Path, fetched: list[str]
) -> None:
    (back_to_kept / kept.CARD_FILE).write_text("{")
    Follower(store, 5).check()
    assert fetched == ["7"]
    assert store.current == "8-run8"


def test_a_kept_version_that_is_damaged_is_fetched_again(
    store: ModelStore, clock: list[float], fetched: list[str], forest: Pipeline, keep: Keep
) -> None:
    keep(store, "7", forest)
    (store.folder(str(store.current)) / kept.CARD_FILE).write_text("{")
    Follower(store, 5).check()
    assert fetched == ["7"]


def kept_by_a_former_release(store: ModelStore, forest: Pipeline, keep: Keep) -> Path:
    keep(store, "7", forest)
    folder = store.folder(str(store.current))
    (folder / "forest-3").rename(folder / "forest-2")
    (folder / "forest-2" / "shares.npy").unlink()
    return folder


@pytest.fixture
def loaded_pipelines(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The models that were loaded whole."""
    loaded: list[Path] = []
    monkeypatch.setattr("covertype.models.predictors.load_model", loaded.append)
    return loaded


def test_a_forest_that_a_former_release_kept_is_flattened_without_registry_and_then_answers(
    store: ModelStore,
    forest: Pipeline,
    keep: Keep,
    rows: list[list[object]],
    expected: npt.NDArray[np.float64],
    loaded_pipelines: list[Path],
) -> None:
    folder = kept_by_a_former_release(store, forest, keep)
    serving = Serving(store, Metrics())
    serving.refresh()
    assert serving.model is None
    assert serving.failure == "version 7, which a former release kept, is being flattened"
    Follower(store, 5)
    assert {path.name for path in folder.iterdir()} == {"card.json", "model.skops", "forest-3"}
    time.sleep(1)
    serving.refresh()
    assert serving.failure is None
    assert serving.model is not None
    assert np.array_equal(serving.model.predictor.answer(to_codes(rows)), expected)
    assert not loaded_pipelines


def test_a_forest_that_a_former_release_kept_and_is_damaged_is_fetched_again(
    store: ModelStore,
    clock: list[float],
    monkeypatch: pytest.MonkeyPatch,
    forest: Pipeline,
    keep: Keep,
) -> None:
    folder = kept_by_a_former_release(store, forest, keep)
    model = kept.model_file(folder)
    model.write_bytes(model.read_bytes()[: model.stat().st_size // 2])
    fetched: list[str] = []
    monkeypatch.setattr(follower, "_fetch", lambda version, _: fetched.append(version.version))
    Follower(store, 5).check()
    assert fetched == ["7"]


def test_a_version_is_followed_without_loading_the_forest_whole(
    store: ModelStore,
    clock: list[float],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    forest: Pipeline,
    keep: Keep,
    loaded_pipelines: list[Path],
) -> None:
    ready = ModelStore(tmp_path / "elsewhere")
    keep(ready, "7", forest)
    files = ready.folder(str(ready.current))

    def fetch(_: ModelVersion, folder: Path) -> None:
        kept.link(files, folder)

    monkeypatch.setattr(follower, "_fetch", fetch)
    Follower(store, 5).check()
    assert store.current == "7-run7"
    assert not loaded_pipelines


def test_the_follower_needs_no_scikit_learn_until_there_is_a_version() -> None:
    program = "import sys, inference.follower.watcher; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
