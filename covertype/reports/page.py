"""A page of sections with texts, tables and pictures, as one self-contained HTML file."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jinja2 import Environment

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

_TEMPLATE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ page.title }}</title>
<style>
body { font-family: sans-serif; line-height: 1.5; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; color: #1b1b1b; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { border-bottom: 1px solid #ccc; padding: 0.3rem 0.8rem; text-align: left; }
tr.marked { background: #fff3cd; font-weight: bold; }
img { max-width: 100%; height: auto; }
</style>
</head>
<body>
<h1>{{ page.title }}</h1>
<p>{{ page.summary }}</p>
{% for section in page.sections %}
<h2>{{ section.title }}</h2>
{% if section.text %}<p>{{ section.text }}</p>{% endif %}
{% if section.table %}
<table>
<thead><tr>{% for cell in section.table.header %}<th>{{ cell }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in section.table.rows %}
<tr{% if loop.index0 in section.table.marked %} class="marked"{% endif %}>
{%- for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
{% endif %}
{% if section.picture %}
<img alt="{{ section.title }}" src="{{ section.picture | inline }}">
{% endif %}
{% endfor %}
</body>
</html>
"""


@dataclass(frozen=True)
class Table:
    """A table; `marked` are the numbers, from 0, of the rows that stand out."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    marked: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Section:
    """A part of a page; what it does not have is left out."""

    title: str
    text: str = ""
    table: Table | None = None
    picture: "Figure | Image | None" = None


@dataclass(frozen=True)
class Page:
    """A page: its title, the most important in a sentence, and its sections."""

    title: str
    summary: str
    sections: Sequence[Section]


def render(page: Page) -> str:
    """Return a page as HTML without scripts, whose pictures are part of it.

    All texts are escaped, so they may hold what others wrote.
    """
    return _page.render(page=page)


def _inline(picture: "Figure | Image") -> str:
    from PIL.Image import Image

    file = io.BytesIO()
    if isinstance(picture, Image):
        picture.save(file, format="png")
    else:
        picture.savefig(file, format="png", dpi=80)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


_environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
_environment.filters["inline"] = _inline
_page = _environment.from_string(_TEMPLATE)
