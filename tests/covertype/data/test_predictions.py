"""Predictions by id, and feedback joined with them."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from covertype.contract import FEATURE_NAMES
from covertype.data import Datasets
from covertype.data.prediction_ids import ALONE, PredictionIds, day_of, to_arrow

MOMENT = datetime(2026, 11, 23, 10, 5, tzinfo=UTC)
DAY = MOMENT.date()
WRITER = "3f0c9a5e77d1b284"
OBSERVATION: tuple[object, ...] = (
    *(3000, 45, 10, 100, 20, 200, 220, 230, 180, 150),
    *("Rawah", "C7745"),
)
VALUES = dict(zip(FEATURE_NAMES, OBSERVATION, strict=True))


def named(number: int, at: datetime = MOMENT) -> str:
    return f"{WRITER}-{int(at.timestamp())}-{number}"


def predicted(prediction_id: str, version: str = "3", prediction: int = 4) -> dict[str, object]:
    facts = {"time": MOMENT, "model_version": version, "prediction": prediction, "probability": 0.7}
    return {"id": prediction_id, **facts, **VALUES}


def write_predictions(
    datasets: Datasets, *rows: dict[str, object], day: date = DAY, name: str = "a"
) -> None:
    with datasets.predictions_of(day).replacing(f"{name}.parquet") as path:
        pd.DataFrame(rows).to_parquet(path)


def sent(
    prediction_id: str, truth: int, seconds: int = 0, observed: tuple[str, int] | None = None
) -> dict[str, object]:
    """One true class; `observed` is the version and its prediction of an observation."""
    version, prediction = observed or (None, None)
    values = VALUES if observed else dict.fromkeys(VALUES)
    return {
        "time": MOMENT + timedelta(seconds=seconds),
        "prediction_id": prediction_id,
        "model_version": version,
        **values,
        "truth": truth,
        "prediction": prediction,
    }


def write_feedback(
    datasets: Datasets, *rows: dict[str, object], day: date = DAY, name: str = "a"
) -> None:
    with datasets.feedback_of(day).replacing(f"{name}.parquet") as path:
        pd.DataFrame(rows).to_parquet(path)


@given(st.lists(st.tuples(st.floats(1e9, 9e9), st.integers(-1, 2**31 - 1)), min_size=1))
def test_stored_ids_are_those_that_were_answered(parts: list[tuple[float, int]]) -> None:
    times, rows = zip(*parts, strict=True)
    ids = PredictionIds(WRITER)
    with patch("covertype.data.prediction_ids.time.time", side_effect=times):
        answered = [ids.new() for _ in times]
    stored = to_arrow(
        WRITER,
        np.array([one.time for one in answered]),
        np.array([one.number for one in answered]),
        np.array(rows, np.int32),
    )
    for text, one, row in zip(stored.to_pylist(), answered, rows, strict=True):
        assert text == (one.text if row == ALONE else f"{one.text}-{row}")
        assert day_of(text) == datetime.fromtimestamp(int(one.time), UTC).date()


def test_ids_of_a_writer_differ_even_if_its_clock_goes_back() -> None:
    ids = PredictionIds(WRITER)
    with patch("covertype.data.prediction_ids.time.time", side_effect=[2e9, 2e9 + 5, 2e9, 2e9]):
        assert len({ids.new().text for _ in range(4)}) == 4


@pytest.mark.parametrize("text", ["", "a", "a-1-2", "a-1795683566-1-2-3", "A-1795683566-x"])
def test_an_id_of_another_form_has_no_day(text: str) -> None:
    assert day_of(text) is None


def test_predictions_of_a_former_release_have_no_id(datasets: Datasets) -> None:
    former = predicted("")
    del former["id"]
    write_predictions(datasets, former, day=DAY - timedelta(days=1))
    write_predictions(datasets, predicted(named(1)))
    assert sorted(datasets.read_predictions()["id"]) == ["", named(1)]


def test_feedback_by_id_takes_the_prediction_from_the_log(datasets: Datasets) -> None:
    write_predictions(datasets, predicted(named(1), "3", 4), predicted(named(2), "4", 1))
    write_feedback(datasets, sent(named(2), truth=0))
    (row,) = datasets.read_feedback().to_dict("records")
    assert (row["model_version"], row["prediction"], row["truth"]) == ("4", 1, 0)
    assert {name: row[name] for name in FEATURE_NAMES} == VALUES


def test_feedback_with_an_observation_keeps_its_own_prediction(datasets: Datasets) -> None:
    write_feedback(datasets, sent("", truth=4, observed=("3", 4)), sent("", 4, 1, ("3", 4)))
    feedback = datasets.read_feedback()
    assert feedback["model_version"].tolist() == ["3", "3"]
    assert feedback["prediction"].tolist() == [4, 4]
    assert feedback[list(FEATURE_NAMES)].to_dict("records") == [VALUES, VALUES]


def test_feedback_waits_for_a_prediction_that_is_not_written_yet(datasets: Datasets) -> None:
    write_feedback(datasets, sent(named(1), truth=4), sent("from-another-service", truth=2))
    assert datasets.read_feedback()["prediction"].isna().all()
    write_predictions(datasets, predicted(named(1)))
    assert datasets.read_feedback()["prediction"].dropna().tolist() == [4]


def test_the_last_true_class_of_a_prediction_counts_whichever_worker_took_it(
    datasets: Datasets,
) -> None:
    write_predictions(datasets, predicted(named(1)), predicted(named(2)))
    write_feedback(datasets, sent(named(1), 3, seconds=2), sent(named(2), 4), name="b")
    write_feedback(datasets, sent(named(1), 1, seconds=1), sent(named(2), 4), name="a")
    feedback = datasets.read_feedback()
    assert dict(zip(feedback["prediction_id"], feedback["truth"], strict=True)) == {
        named(1): 3,
        named(2): 4,
    }


def test_feedback_finds_a_prediction_of_an_earlier_day_and_one_written_after_midnight(
    datasets: Datasets,
) -> None:
    earlier = MOMENT - timedelta(days=40)
    late = MOMENT.replace(hour=23, minute=59)
    write_predictions(datasets, predicted(named(1, earlier)), day=earlier.date())
    write_predictions(datasets, predicted(named(2, late)), day=DAY + timedelta(days=1))
    write_feedback(datasets, sent(named(1, earlier), 4), sent(named(2, late), 4))
    assert datasets.read_feedback()["prediction"].tolist() == [4, 4]


def test_feedback_of_a_day_and_later_is_read(datasets: Datasets) -> None:
    for days in range(3):
        write_feedback(datasets, sent(f"x-{days}", days), day=DAY + timedelta(days=days))
    since = DAY + timedelta(days=1)
    assert sorted(datasets.read_feedback(since)["truth"]) == [1, 2]


def test_the_join_leaves_files_of_days_before_the_oldest_id_alone(
    datasets: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    read_schema = pq.read_schema
    monkeypatch.setattr(pq, "read_schema", lambda file: opened.append(file) or read_schema(file))  # type: ignore[func-returns-value]
    for days in (-2, 0):
        day = DAY + timedelta(days=days)
        write_predictions(datasets, predicted(named(1)), day=day)
    write_feedback(datasets, sent(named(1), 4))
    datasets.read_feedback()
    assert {Path(file.name).parent.name for file in opened} == {DAY.isoformat()}


def test_an_id_of_long_ago_does_not_open_the_whole_log(datasets: Datasets) -> None:
    long_ago = MOMENT - timedelta(days=400)
    forged = named(1, long_ago)
    write_predictions(datasets, predicted(forged), day=long_ago.date())
    write_feedback(datasets, sent(forged, 4))
    with patch("pyarrow.parquet.read_schema", side_effect=AssertionError("it was opened")):
        feedback = datasets.read_feedback(DAY)
    assert feedback["prediction"].isna().all()


def test_only_the_newest_feedback_is_read(
    datasets: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("covertype.data.feedback._LARGEST_ROWS", 2)
    for name, truth in (("a", 1), ("b", 2), ("c", 3)):
        write_feedback(datasets, sent("", truth, observed=("3", 4)), name=name)
    assert datasets.read_feedback()["truth"].tolist() == [2, 3]
