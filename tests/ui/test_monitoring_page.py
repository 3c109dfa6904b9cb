"""The monitoring's page: what it shows of the documents that the platform wrote."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from covertype.contract import FEATURE_NAMES, TARGET
from covertype.data import Datasets
from covertype.documents import Documents
from covertype.monitoring.drift import Limits, Reference
from covertype.rows.arrow import from_frame
from covertype.rows.codes import Codes
from covertype_ui import charts, monitored, texts
from covertype_ui.contract_words import bins, class_name, column
from covertype_ui.monitored import Histogram, read_monitored
from covertype_ui.settings import settings
from tests.stored_files import folder_of
from tests.ui.fakes import FakeInference

Page = Callable[[str], AppTest]
HOUR = datetime(2026, 11, 26, 9, tzinfo=UTC)
LIMITS = Limits(psi=0.25, share=0.1)
IDS = {"experiment_id": "4", "run_id": "abc"}
AIRFLOW = "http://127.0.0.1:8080/dags/monitor_data_drift"


def document(documents: Documents, name: str) -> Path:
    return folder_of(documents.folder) / f"{name}.json"


@pytest.fixture
def low_and_high(real_rows: pd.DataFrame) -> tuple[Codes, Codes]:
    rows = np.asarray(from_frame(real_rows))
    return rows[rows[:, 0] <= 3000], rows[rows[:, 0] > 3000]


def compared(reference: Codes, window: Codes) -> dict[str, Any]:
    then = Reference.of(reference)
    facts = then.compare(then.count(window), 0.02, LIMITS).facts()
    return {"rows": len(window), **facts, **IDS}


def add_batch(datasets: Datasets, version: str, batch: int, facts: dict[str, Any]) -> None:
    name = f"version_{version:0>6}_batch_{batch:06d}_files_000010"
    given = {"version": version, "snapshot": "training/a", "batch": batch, "files": 10}
    datasets.monitored_batches.add(name, {**given, "read": 1050, "rejected": 21, **facts})


def scores(next_batch: float, holdout: float) -> dict[str, Any]:
    return {"metrics": {"accuracy": next_batch}, "holdout": {"accuracy": holdout}}


@pytest.fixture
def datasets(page: Page, low_and_high: tuple[Codes, Codes]) -> Datasets:
    """Two versions on new batches, two hours of requests, one of them unusual, and feedback."""
    datasets = Datasets(settings().datasets_url)
    low, high = low_and_high
    far, near = compared(low, high), compared(low, low[:300])
    add_batch(datasets, "2", 3, far | scores(0.7, 0.95))
    add_batch(datasets, "3", 3, near | scores(0.8, 0.96))
    add_batch(datasets, "3", 4, far | scores(0.7512, 0.9712))
    for hours, facts in enumerate((near, far)):
        hour = HOUR - timedelta(hours=hours)
        document = {"version": "3", "snapshot": "a", "hour": hour.isoformat(), **facts}
        datasets.monitored_hours.add(f"{hour:%Y%m%dT%H}", document)
    live = {"rows": 100, "correct": 80, "accuracy": 0.8, "low": 0.71, "high": 0.87}
    datasets.monitored_feedback.add(
        f"{HOUR:%Y%m%dT%H}",
        {"hour": HOUR.isoformat(), "since": "2026-10-27", "versions": {"3": live}},
    )
    return datasets


def shown(app: AppTest) -> str:
    places = (app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(element.value for place in places for element in place)


def alternatives(app: AppTest) -> list[str]:
    return [chart.proto.alt for chart in app.get("vega_lite_chart")]


def test_nothing_compared_yet_says_who_does_it(page: Page) -> None:
    app = page("monitoring").run()
    assert not app.exception
    assert [info.value for info in app.info] == [texts.MONITORING_EMPTY.es.format(airflow=AIRFLOW)]


def test_both_accuracies_stand_together_with_what_they_mean(page: Page, datasets: Datasets) -> None:
    app = page("monitoring").run()
    assert not app.exception
    assert [(metric.label, metric.value) for metric in app.metric] == [
        ("En las filas de prueba", "97,1\u202f%"),
        ("En el lote 4, nunca visto", "75,1\u202f%"),
    ]
    assert texts.HOLDOUT_MEANING.es in shown(app)
    assert "cuente con esta" in shown(app)


def test_the_page_is_in_english_too(page: Page, datasets: Datasets) -> None:
    app = page("monitoring")
    app.session_state["lang"] = "en"
    app.run()
    assert not app.exception
    assert [(metric.label, metric.value) for metric in app.metric] == [
        ("On the holdout", "97.1%"),
        ("On batch 4, never seen", "75.1%"),
    ]
    assert "Hours with requests, of the last 2, that are far from the training data: 1." in shown(
        app
    )
    assert app.table[0].value[texts.COLUMN.en].tolist()[0] == "Elevation (m)"


def test_the_findings_of_the_newest_batch_are_listed_the_largest_first(
    page: Page, datasets: Datasets
) -> None:
    (table,) = page("monitoring").run().table
    assert table.value[texts.COLUMN.es].tolist()[0] == "Elevación (m)"
    assert table.value[texts.MEASURE.es].tolist()[0] == texts.MEASURES["psi"].es
    values = [float(value.replace(",", ".")) for value in table.value[texts.VALUE.es]]
    assert values == sorted(values, reverse=True)
    assert set(table.value[texts.LIMIT.es]) == {"0,25", "0,10"}


def test_charts_say_in_words_what_they_draw(page: Page, datasets: Datasets) -> None:
    by_batch, *compared, live = alternatives(page("monitoring").run())
    assert "v3 · lote 4 97,1\u202f% → 75,1\u202f%" in by_batch
    assert "v2 · lote 3 95,0\u202f% → 70,0\u202f%" in by_batch
    # Four features and the classes of the batch, and the classes that were answered.
    assert len(compared) == 6
    assert "Krummholz" in compared[-1]
    assert "Versión 3 (100 respuestas) 80,0\u202f% (entre 71,0\u202f% y 87,0\u202f%)" in live


def test_hours_that_are_far_from_training_are_listed(page: Page, datasets: Datasets) -> None:
    app = page("monitoring").run()
    (table,) = app.dataframe
    assert table.value[texts.HOUR.es].tolist() == ["26/11/2026 08:00"]
    assert table.value[texts.CHANGES.es].tolist()[0].startswith("Elevación (m) y ")


def test_links_lead_to_the_run_the_experiment_and_the_dag(page: Page, datasets: Datasets) -> None:
    urls = [link.proto.url for link in page("monitoring").run().get("link_button")]
    experiment = "http://127.0.0.1:5000/#/experiments/4"
    assert urls == [f"{experiment}/runs/abc", experiment, AIRFLOW]


@pytest.mark.parametrize(("answers", "accuracy"), [("2", "70,0\u202f%"), ("9", "75,1\u202f%")])
def test_the_version_that_answers_comes_first_if_it_was_compared(
    answers: str, accuracy: str, page: Page, datasets: Datasets, services: FakeInference
) -> None:
    body = services.routes["GET /model"]
    assert isinstance(body, tuple)
    body[1]["version"] = answers
    app = page("monitoring").run()
    assert app.metric[1].value == accuracy
    assert ("Responde la versión 9" in shown(app)) == (answers == "9")


def test_the_last_evaluation_of_a_batch_counts(
    page: Page, datasets: Datasets, low_and_high: tuple[Codes, Codes]
) -> None:
    facts = compared(*low_and_high) | scores(0.61, 0.9712)
    given = {"version": "3", "batch": 4, "read": 9000, "rejected": 0}
    datasets.monitored_batches.add("version_000003_batch_000004_files_000011", given | facts)
    app = page("monitoring").run()
    assert app.metric[1].value == "61,0\u202f%"
    assert alternatives(app)[0].count("v3 · lote 4") == 1


def test_a_batch_without_metrics_leaves_the_accuracies_of_the_one_before(
    page: Page, datasets: Datasets, low_and_high: tuple[Codes, Codes]
) -> None:
    low, _ = low_and_high
    add_batch(datasets, "3", 5, compared(low, low[:0]))
    app = page("monitoring").run()
    assert not app.exception
    assert "El lote 5 no trajo ninguna fila nueva que medir: leídas 1\u202f050" in shown(app)
    assert app.metric[1].value == "75,1\u202f%"


def test_a_batch_without_metrics_alone_has_no_figures(
    page: Page, low_and_high: tuple[Codes, Codes]
) -> None:
    low, _ = low_and_high
    add_batch(Datasets(settings().datasets_url), "3", 5, compared(low, low[:0]))
    app = page("monitoring").run()
    assert not app.exception
    assert not app.metric
    text = shown(app)
    assert all(
        phrase.es in text for phrase in (texts.NO_FINDINGS, texts.REQUESTS_NONE, texts.LIVE_NONE)
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"version": "3"',
        b'{"version": "3", "rows": "many"}',
        b"[]",
        b"\xff\xfe",
        b" " * 300_000,
    ],
    ids=["empty", "half", "other types", "a list", "no text", "too large"],
)
def test_a_damaged_document_is_named_and_the_others_are_shown(
    content: bytes, page: Page, datasets: Datasets
) -> None:
    name = "version_000003_batch_000006_files_000001"
    document(datasets.monitored_batches, name).write_bytes(content)
    app = page("monitoring").run()
    assert not app.exception
    assert [warning.value for warning in app.warning] == [
        texts.MONITORING_DAMAGED.es.format(count=1, names=f"batches/{name}.json")
    ]
    assert app.metric[1].value == "75,1\u202f%"


def test_bins_that_don_t_match_their_edges_are_damage(page: Page, datasets: Datasets) -> None:
    path = document(datasets.monitored_batches, "version_000003_batch_000004_files_000010")
    content = json.loads(path.read_text())
    content["histograms"]["Elevation"]["edges"].pop()
    path.write_text(json.dumps(content))
    assert read_monitored(datasets.root).unreadable == [f"batches/{path.name}"]


def test_no_more_than_the_newest_documents_are_read(
    datasets: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitored, "DOCUMENTS_READ", 1)
    document(datasets.monitored_batches, "version_000002_batch_000003_files_000010").write_text("?")
    found = read_monitored(datasets.root)
    assert [(one.version, one.batch) for one in found.batches] == [("3", 4)]
    assert [one.hour for one in found.hours] == [HOUR]
    assert found.unreadable == []


def test_unreadable_results_are_said_in_words(page: Page, datasets: Datasets) -> None:
    hours = folder_of(datasets.monitored_hours.folder)
    hours.rename(hours.with_name("away"))
    hours.write_text("no folder")
    app = page("monitoring").run()
    assert [error.value for error in app.error] == [texts.DATA_UNREADABLE.es]
    assert not app.exception


def test_a_column_that_the_contract_lacks_is_named_as_it_was_stored() -> None:
    assert column("Humidity") == "Humidity"
    assert bins("Humidity", []) == []


@pytest.mark.parametrize("name", [*FEATURE_NAMES, TARGET.name])
def test_every_bin_of_a_column_has_a_name_of_its_own(
    name: str, low_and_high: tuple[Codes, Codes]
) -> None:
    histogram = compared(*low_and_high)["histograms"][name]
    names = bins(name, histogram["edges"])
    assert len(set(names)) == len(names) == len(histogram["reference"])


def test_ranges_end_at_the_edges() -> None:
    assert bins("Elevation", [2500, 2501, 3000]) == [
        *("hasta 2\u202f500", "2\u202f501", "2\u202f502 a 3\u202f000", "más de 3\u202f000")
    ]


def test_shares_are_of_the_rows_then_and_now() -> None:
    assert Histogram([], [1, 3], [2, 0]).shares == [(0.25, 1.0), (0.75, 0.0)]
    assert Histogram([], [1], [0]).shares == [(1.0, 0.0)]


def test_then_and_now_are_drawn_side_by_side() -> None:
    name = class_name("Aspen")
    spec, words = charts.then_and_now({name: (0.25, 0.5)})
    assert [(part["series"], part["share"]) for part in spec["data"]["values"]] == [
        (texts.THEN.es, 0.25),
        (texts.NOW.es, 0.5),
    ]
    assert f"{name} 25,0\u202f% → 50,0\u202f%" in words


def test_a_batch_without_a_holdout_has_one_point() -> None:
    spec, words = charts.accuracy_by_batch({"v1 · lote 2": (None, 0.5)})
    assert len(spec["data"]["values"]) == 1
    assert words.endswith("v1 · lote 2 50,0\u202f%")
