"""The documentation names what there is, and its links lead somewhere."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

PAGES = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/**/*.md", "data-api/*.md")
    for path in ROOT.glob(pattern)
)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text())
    files = {link.partition("#")[0] for link in links if not re.match(r"https?://|#", link)}
    assert [name for name in files if not (ROOT / page.parent / name).exists()] == []


def test_every_metric_of_the_service_is_documented() -> None:
    code = (ROOT / "inference" / "telemetry" / "metrics.py").read_text()
    metrics = set(re.findall(r'"(covertype_\w+)"', code))
    assert metrics
    documentation = (ROOT / "docs" / "serving.md").read_text()
    assert {name for name in metrics if f"`{name}" not in documentation} == set()


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text())
    assert listed == sorted(path.name for path in folder.glob("[0-9]*.md"))
