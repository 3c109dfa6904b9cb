from pathlib import Path

import pytest

from covertype.contract import FEATURES, TARGET
from covertype.data import Datasets, RejectedRow
from covertype.rows.violations import CELLS, OTHER, VALUE, Violation

FACTS = [Violation(VALUE, "Elevation", "-5"), Violation(VALUE, "Soil_Type", '"C0; x"')]


def test_rows_come_back_with_every_rule_that_they_break(datasets: Datasets) -> None:
    short = [Violation(CELLS, value="12")]
    datasets.write_rejected("a.csv", [RejectedRow(3, "x,1", FACTS), RejectedRow(7, "y", short)])
    datasets.write_rejected("b.csv", [RejectedRow(3, "x,1", FACTS)])
    rows = datasets.read_rejected()
    assert rows["source"].tolist() == ["a.csv", "a.csv", "b.csv"]
    assert rows["line"].tolist() == [3, 7, 3]
    assert rows["violations"].tolist() == [FACTS, short, FACTS]


def test_a_file_without_bad_rows_leaves_no_file(datasets: Datasets) -> None:
    datasets.write_rejected("a.csv", [RejectedRow(3, "x", FACTS)])
    datasets.write_rejected("a.csv", [])
    assert datasets.read_rejected().empty


@pytest.fixture
def former(datasets: Datasets) -> Path:
    """The place of a file as a former release wrote it: a sentence in place of facts."""
    path = Path(datasets.root) / "rejected" / "group_1_batch_1.csv"
    path.parent.mkdir()
    return path


def test_sentences_of_a_former_release_are_read_as_facts(datasets: Datasets, former: Path) -> None:
    every = "; ".join(f"{feature.rule}, got ''x; y''" for feature in (*FEATURES, TARGET))
    former.write_text(
        "source,line,text,reason\n"
        f'g,1,"a,b","{every}"\n'
        'g,2,a,"Aspect must be a whole number from 0 to 360, got nothing"\n'
        'g,3,a,"a row must have 13 columns, got 12"\n'
        'g,4,a,"too dark, and too steep"\n'
    )
    rows = datasets.read_rejected()
    assert rows["line"].tolist() == [1, 2, 3, 4]
    assert rows["text"][0] == "a,b"
    assert rows["violations"].tolist() == [
        [Violation(VALUE, feature.name, "''x; y''") for feature in (*FEATURES, TARGET)],
        [Violation(VALUE, "Aspect", "")],
        [Violation(CELLS, value="12")],
        [Violation(OTHER, value="too dark, and too steep")],
    ]


def test_a_bare_carriage_return_in_a_row_breaks_no_file(datasets: Datasets) -> None:
    datasets.write_rejected("a.csv", [RejectedRow(1, "a\rcells", FACTS)])
    assert datasets.read_rejected()["text"].tolist() == ["a\rcells"]
