"""What runs without end, on a disk without room: it says so, and goes on by itself."""

import asyncio
import logging
import shutil
from pathlib import Path
from unittest.mock import patch

import numpy as np
import skops.io
from fastapi.testclient import TestClient
from mlflow.entities.model_registry import ModelVersion
from numba.core.caching import CacheImpl, UserProvidedCacheLocator

from api import Settings, create_app
from covertype.data import Datasets
from covertype.data.prediction_ids import PredictionIds
from covertype.models import forest_walks
from covertype.models.artifact import MODEL_FILE
from covertype.rows.codes import to_row
from covertype.training.fitting import TrainingSet
from inference.follower import watcher
from inference.follower.watcher import Follower
from inference.model import kept
from inference.model.store import ModelStore
from inference.telemetry.metrics import Metrics
from inference.telemetry.prediction_log import PredictionLog, prediction_files
from tests.faults.apart import SmallDisk, small_disk
from tests.faults.writers import OBSERVATIONS
from tests.inference.conftest import make_card
from tests.models import make_forest


class _Heard(logging.Handler):
    """Everything that was logged from now on."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.text += record.getMessage() + "\n"


def _disk(place: Path, megabytes: int) -> SmallDisk:
    folder = place / "disk"
    folder.mkdir()
    return small_disk(folder, megabytes)


def the_prediction_log_goes_on(place: Path, trouble: str) -> None:
    disk, heard = _disk(place, 1), _Heard()
    datasets = Datasets(disk.folder)
    row = to_row(OBSERVATIONS.iloc[0, :-1].tolist())

    async def reach(rows: int) -> None:
        async with asyncio.timeout(10):
            while len(datasets.read_predictions()) < rows:
                await asyncio.sleep(0.02)

    async def answer() -> None:
        ids = PredictionIds("a")
        log = PredictionLog(prediction_files(datasets, "a", 500), "a", 0.01, Metrics())
        running = asyncio.create_task(log.run())
        log.add(ids.new(), "1", row, 3, 0.5)
        await reach(1)
        with disk.refusing(trouble):
            log.add(ids.new(), "1", row, 3, 0.5)
            await asyncio.sleep(0.3)
            assert "Predictions wait to be written: [Errno" in heard.text
            assert f"the disk of {disk.folder}" in heard.text
            assert f"is {trouble}" in heard.text
            assert len(datasets.read_predictions()) == 1
        await reach(2)
        log.stop()
        await running

    asyncio.run(answer())


def the_follower_goes_on(place: Path, trouble: str) -> None:
    ready, data = place / "ready", TrainingSet.from_rows(OBSERVATIONS)
    ready.mkdir()
    model = make_forest(data, n_estimators=5, max_depth=8)
    skops.io.dump(model, kept.model_file(ready))
    kept.write_card(ready, make_card("1", model, data))
    compiled = forest_walks.compile_walk(place / "compiled")
    first, second = (
        ModelVersion("BestModelRF", number, 0, last_updated_timestamp=1, run_id="run")
        for number in "12"
    )
    present = first

    def fetch(version: ModelVersion, folder: Path) -> None:
        for file in ready.iterdir():
            shutil.copy(file, folder)

    disk = _disk(place, 4)
    store = ModelStore(disk.folder / "models")
    with (
        patch.object(watcher, "production_version", lambda: present),
        patch.object(watcher, "_fetch", fetch),
        patch.object(watcher, "_FIRST_PAUSE", 0),
        patch.object(forest_walks, "compile_walk", lambda _: compiled),
    ):
        following = Follower(store, 5)
        assert following.check().message == "version 1 is in Production"
        present = second
        with disk.refusing(trouble):
            report = following.check()
            assert report.refused is None
            assert "can't be fetched yet: [Errno" in report.message
            assert f"the disk of {store.root}" in report.message
            assert f"is {trouble}" in report.message
            assert ModelStore(store.root).current == "1-run"
            assert {path.name for path in store.folder("1-run").iterdir()} >= {MODEL_FILE}
        assert following.check().message == "version 2 is in Production"
        assert store.current == "2-run"


def the_data_api_goes_on(place: Path, trouble: str) -> None:
    disk = _disk(place, 1)
    settings = Settings(batch_seconds=0, state_file=disk.folder / "state.json")
    with TestClient(create_app(settings)) as client:

        def ask() -> tuple[int, dict[str, object]]:
            answer = client.get("/data", params={"group_number": 1})
            return answer.status_code, answer.json()

        assert ask()[1]["batch_number"] == 1
        with disk.refusing(trouble):
            status, body = ask()
            assert status == 503
            assert f"the disk of {disk.folder} is {trouble}" in str(body["detail"])
        status, body = ask()
        assert (status, body["batch_number"]) == (200, 2)


def _walk(codes, nodes, leaves, weights, trees, depth, out):  # type: ignore[no-untyped-def]
    out[:] = trees


def compiled_code_is_used_and_kept_when_there_is_room(place: Path, trouble: str) -> None:
    disk, heard = _disk(place, 1), _Heard()
    folder = disk.folder / "compiled"
    folder.mkdir()
    codes, nodes = np.zeros((1, 12), np.int16), np.zeros(1, np.uint64)

    def answer() -> float:
        forest_walks.compile_walk.cache_clear()
        out = np.zeros((1, 7))
        walk = forest_walks.compile_walk(folder)
        walk(codes, nodes, out, np.zeros((10, 0), np.int32), 3, 1, out)
        return float(out[0, 0])

    with (
        patch.object(forest_walks, "_walk", _walk),
        # As in a container, where nothing beside the code is writable.
        patch.object(CacheImpl, "_locator_classes", [UserProvidedCacheLocator]),
    ):
        with disk.refusing(trouble):
            assert answer() == 3
            assert f"can't be kept in {folder}" in heard.text
            assert not [path for path in folder.rglob("*") if path.is_file()]
        assert answer() == 3
        kept = {path.suffix for path in folder.rglob("*") if path.is_file()}
        assert kept == {".nbi", ".nbc"}
        with disk.refusing(trouble):
            assert answer() == 3
