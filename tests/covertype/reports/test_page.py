"""A page is one file that shows what it was given and fetches nothing."""

import re
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure
from PIL import Image

from covertype.reports.page import Page, Section, Table, render


class Read(HTMLParser):
    """The elements of a page, and its texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())


def test_a_page_shows_its_texts_and_tables_in_order() -> None:
    table = Table(("Name", "Value"), [("one", "1"), ("two", "2")], frozenset({1}))
    page = Read(render(Page("A title", "A summary.", [Section("First", "Said.", table)])))
    assert page.texts[-10:] == [
        *("A title", "A summary.", "First", "Said."),
        *("Name", "Value", "one", "1", "two", "2"),
    ]
    rows = [attributes for tag, attributes in page.tags if tag == "tr"]
    assert [row.get("class") for row in rows] == [None, None, "marked"]


def test_what_a_section_does_not_have_is_left_out() -> None:
    page = Read(render(Page("A title", "A summary.", [Section("Empty")])))
    assert {tag for tag, _ in page.tags}.isdisjoint({"table", "img"})


@pytest.mark.parametrize("drawn", [Figure(), Image.new("RGB", (2, 2))])
def test_pictures_are_part_of_the_file(drawn: Figure | Image.Image) -> None:
    page = Read(render(Page("A title", "A summary.", [Section("Drawn", picture=drawn)])))
    (picture,) = [attributes for tag, attributes in page.tags if tag == "img"]
    assert picture["alt"] == "Drawn"
    assert str(picture["src"]).startswith("data:image/png;base64,iVBOR")


def test_a_page_fetches_nothing_and_runs_nothing() -> None:
    html = render(Page("A title", "A summary.", [Section("One", picture=Figure())]))
    assert not re.search(r"https?:|<script|<link|url\(", html)


def test_texts_are_escaped_wherever_they_stand() -> None:
    hostile = "<script>alert('x')</script>"
    table = Table((hostile,), [(hostile,)])
    page = Page(hostile, hostile, [Section(hostile, hostile, table, Figure())])
    html = render(page)
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 8
