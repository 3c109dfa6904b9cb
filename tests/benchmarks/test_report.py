from pathlib import Path

import pytest

from benchmarks import report


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    page = tmp_path / "docs" / "benchmarks.md"
    monkeypatch.setattr(report, "PAGE", page)
    return page


def test_a_command_replaces_its_own_section_alone(page: Path) -> None:
    report.section("First", "one")
    report.section("Second", "two")
    report.section("First", "one again")
    assert page.read_text().split("\n## ")[1:] == ["First\n\none again\n", "Second\n\ntwo\n"]


def test_a_table_has_its_numbers_to_the_right() -> None:
    assert report.table(["what", "ms"], [["a", "1"], ["b", "2"]]).splitlines() == [
        "| what | ms |",
        "| --- | ---: |",
        "| a | 1 |",
        "| b | 2 |",
    ]
