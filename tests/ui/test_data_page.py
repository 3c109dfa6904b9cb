"""The data's page: sums over the files that the platform wrote."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from covertype.data import Datasets
from covertype.ingestion.preprocessing import preprocess
from covertype_ui import texts
from covertype_ui.collected import by_collection, collected_files
from covertype_ui.settings import settings
from tests.stored_files import parquet_of

Page = Callable[[str], AppTest]
FIRST = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
SECOND = FIRST + timedelta(minutes=5)


@pytest.fixture
def datasets(page: Page, real_rows: pd.DataFrame) -> Datasets:
    """Two collections of two groups, with three bad rows, preprocessed."""
    datasets = Datasets(settings().datasets_url)
    rows = real_rows.astype(str).to_numpy().tolist()
    for number, (group, when) in enumerate([(1, FIRST), (2, FIRST), (1, SECOND), (2, SECOND)]):
        part = [list(row) for row in rows[100 * number : 100 * (number + 1)]]
        if group == 2:
            part[0][1] = "999"
        if number == 3:
            part[1].pop()
        datasets.write_raw(group, 1, when, part)
    preprocess(datasets)
    return datasets


def test_rows_and_classes_are_added_up_by_collection(
    datasets: Datasets, real_rows: pd.DataFrame
) -> None:
    rows, classes = by_collection(collected_files(datasets.root))
    assert rows == {FIRST: 200, SECOND: 200}
    # The first row of group 2 is rejected.
    expected = real_rows["Cover_Type"][:200].drop(real_rows.index[100]).value_counts()
    assert classes[FIRST] == [expected.get(number, 0) for number in range(7)]
    assert sum(classes[SECOND]) == 198


def test_page_shows_what_came_in_and_what_was_set_aside(page: Page, datasets: Datasets) -> None:
    app = page("data").run()
    assert not app.exception
    values = [metric.value for metric in app.metric]
    assert values == ["400", str(len(datasets.read_processed())), "3", "4", "23/11/2026 10:05"]
    assert app.table[0].value.to_numpy().tolist() == [
        ["Orientación debe ser un número entero de 0 a 360", "2"],
        ["la fila debe tener 13 columnas", "1"],
    ]
    reasons = app.dataframe[1].value[texts.REASON.es].tolist()
    assert all("número entero" in reason or "13 columnas" in reason for reason in reasons)


def test_a_file_of_another_name_is_counted_and_shown_by_its_name(
    page: Page, datasets: Datasets, real_rows: pd.DataFrame
) -> None:
    stray = Path(datasets.root) / "group_1" / "batch_x.csv"
    stray.write_text(real_rows[:30].to_csv(index=False, header=False))
    app = page("data").run()
    assert not app.exception
    assert not app.error
    assert app.metric[0].value == "430"
    assert app.metric[4].value == "23/11/2026 10:05"
    assert "group_1/batch_x.csv" in app.dataframe[0].value[texts.COLLECTED.es].tolist()


def test_a_file_of_another_name_alone_has_no_time(page: Page, real_rows: pd.DataFrame) -> None:
    stray = Path(settings().datasets_url) / "group_1" / "batch_x.csv"
    stray.parent.mkdir(parents=True)
    stray.write_text(real_rows[:30].to_csv(index=False, header=False))
    app = page("data").run()
    assert not app.exception
    assert app.metric[4].value == "—"


def test_a_new_file_is_shown_at_the_next_run(page: Page, datasets: Datasets) -> None:
    app = page("data").run()
    datasets.write_raw(3, 1, SECOND + timedelta(minutes=5), [["1"]])
    assert app.run().metric[0].value == "401"


def test_no_data_yet_says_where_it_comes_from(page: Page) -> None:
    app = page("data").run()
    assert [info.value for info in app.info] == [
        texts.DATA_EMPTY.es.format(airflow="http://127.0.0.1:8080")
    ]


def test_unreadable_data_is_said_in_words(page: Page, datasets: Datasets) -> None:
    parquet_of(datasets).write_bytes(b"half")
    app = page("data").run()
    assert [error.value for error in app.error] == [texts.DATA_UNREADABLE.es]
    assert not app.exception
