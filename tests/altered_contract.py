"""From raw files to served answers with another contract, in a process of its own.

Run as `python -m tests.altered_contract FOLDER`; prints what came out as JSON. The contract is the
module's own text, edited as a team that adapts the platform would edit it.
"""

import json
import os
import sys
import types
from pathlib import Path
from unittest.mock import DEFAULT, patch

CONTRACT = Path(__file__).parents[1] / "covertype" / "contract.py"

_EDITS = {
    # One more quantity.
    "QUANTITIES: tuple[Quantity, ...] = (\n": "QUANTITIES: tuple[Quantity, ...] = (\n"
    '    Quantity("Tree_Height", "m", 0, 120, "Height of the tallest tree"),\n',
    # One more category, with three values.
    "CATEGORIES: tuple[Category, ...] = (": "BURNT = Category(\n"
    '    "Burnt",\n'
    '    MappingProxyType({"Never": "Never", "Once": "Once", "Often": "Often"}),\n'
    '    "How often it burnt",\n'
    ")\n\n"
    "CATEGORIES: tuple[Category, ...] = (BURNT, ",
    # One class fewer.
    '    "Aspen",\n': "",
}


def alter() -> None:
    """Let `covertype.contract` be the altered one; nothing may have imported it yet."""
    text = CONTRACT.read_text()
    for former, other in _EDITS.items():
        assert former in text
        text = text.replace(former, other)
    module = types.ModuleType("covertype.contract")
    # Its dataclasses look for the module by name.
    sys.modules["covertype.contract"] = module
    exec(compile(text, CONTRACT, "exec"), module.__dict__)


def run(folder: Path) -> dict[str, object]:
    """Collect, preprocess, train, promote, follow and serve."""
    import numpy as np
    from fastapi.testclient import TestClient

    from covertype import jobs
    from covertype.contract import CATEGORIES, CLASSES, FEATURE_NAMES, QUANTITIES
    from covertype.data import Datasets
    from covertype.registry.production import to_production
    from covertype.registry.tracking import fetch_answers
    from covertype.rows.codes import to_frame
    from covertype.training.searches import FOREST, LOGREG, Parameters, Search
    from inference.api.app import create_app
    from inference.api.supervisor import FollowerSupervisor
    from inference.follower.watcher import Follower
    from inference.model.store import ModelStore
    from inference.settings import ServingSettings

    random = np.random.default_rng(0)
    ranges = [(quantity.minimum, quantity.maximum) for quantity in QUANTITIES]
    ranges += [(0, len(category.values) - 1) for category in CATEGORIES]
    codes = np.stack(
        [random.integers(low, high, 3000, endpoint=True) for low, high in ranges], axis=1
    ).astype(np.int16)
    # The new columns decide: a model that ignored one of them would be far from right.
    classes = (codes[:, 0] // 61 + 2 * codes[:, len(QUANTITIES)]) % len(CLASSES)
    rows = to_frame(codes).assign(label=classes).astype(str).to_numpy().tolist()

    datasets = Datasets(Path(os.environ["DATASETS_URL"]))
    (Path(datasets.root) / "group_1").mkdir(parents=True)
    name = "group_1/batch_1_20260101_000000.csv"
    (Path(datasets.root) / name).write_text("".join(",".join(row) + "\n" for row in rows))
    done = jobs.preprocess_files()
    snapshot = jobs.take_snapshot(**done, anyway=True)
    assert snapshot
    run_ids = []
    searches: list[tuple[Search, list[Parameters]]] = [
        (LOGREG, [{"C": 1.0}]),
        (FOREST, [{"n_estimators": 20}, {"encoding": "one-hot", "n_estimators": 20}]),
    ]
    for search, candidates in searches:
        for batch in jobs.plan_search(search, candidates, search.run_prefix, snapshot["name"]):
            run_ids += jobs.train_batch(jobs.batch_of(search, **batch))
    served: dict[str, object] = {"rows": done["rows"], "runs": len(run_ids)}

    store = ModelStore(folder / "models")
    without_follower = patch.multiple(FollowerSupervisor, start=DEFAULT, stop=DEFAULT)
    settings = ServingSettings(model_cache_dir=store.root, datasets_url=datasets.root)
    observations = to_frame(codes[:50])
    for encoding, run_id in zip(("trees", "one-hot"), run_ids[1:], strict=True):
        version = jobs.register(run_id)
        jobs.promote(version)
        to_production(version)
        report = Follower(store, 5).check()
        assert report.refused is None, report
        with without_follower, TestClient(create_app(settings)) as client:
            answers = client.post(
                "/predict/batch",
                content=observations.to_csv(index=False),
                headers={"content-type": "text/csv", "accept": "application/json"},
            ).json()
            one = client.post("/predict", json={"features": codes[0].tolist()}).json()
            named = client.post(
                "/predict",
                json={"features": json.loads(observations.head(1).to_json(orient="records"))[0]},
            ).json()
            bad = client.post("/predict", json={"features": [0] * (len(FEATURE_NAMES) - 1)})
            schema = client.get("/openapi.json").json()
        expected = fetch_answers(f"models:/BestModelRF/{version}", observations)
        probabilities = np.array([answers["probabilities"][label] for label in CLASSES]).T
        served[encoding] = {
            "equal": bool(np.abs(probabilities - expected).max() < 1e-12),
            "right": float((np.array(answers["prediction"]) == classes[:50]).mean()),
            "one": one["probabilities"] == named["probabilities"]
            and one["prediction"] == answers["prediction"][:1],
            "labels": sorted(one["probabilities"]) == sorted(CLASSES),
            "bad": bad.status_code,
            "documented": all(text in json.dumps(schema) for text in ("Tree_Height", "Burnt")),
        }
    logged = datasets.read_predictions()
    served["logged"] = [len(logged), "Burnt" in logged and "Tree_Height" in logged]
    return served


def main() -> None:
    """Print what came out."""
    folder = Path(sys.argv[1])
    os.environ |= {
        "DATASETS_URL": str(folder / "datasets"),
        "MODELS_DIR": str(folder / "pickles"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": str(folder / "artifacts"),
        "GIT_PYTHON_REFRESH": "quiet",
    }
    os.chdir(folder)
    alter()
    print(json.dumps(run(folder)))


if __name__ == "__main__":
    main()
