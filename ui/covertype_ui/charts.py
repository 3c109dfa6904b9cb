"""Pictures, legible in both themes and to those who don't tell red from green.

Each function returns the chart and the same in words, for screen readers.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import altair as alt
import pandas as pd
import streamlit as st

from covertype.contract import CLASSES
from covertype_ui import texts
from covertype_ui.contract_words import class_name, encoded
from covertype_ui.language import number, percent, say, short_moment

STRONG = "#0072B2"
WEAK = "#8C9AA5"
# Okabe and Ito's palette, "Color universal design", 2008; its yellow darkened for a white page.
_CLASS_COLORS = ("#009E73", "#0072B2", "#E69F00", "#56B4E9", "#CC79A7", "#D55E00", "#B8A800")
_ROW_HEIGHT = 30

Picture = alt.Chart | alt.LayerChart | alt.FacetChart
Drawn = tuple[Picture, str]


def probabilities(shares: Mapping[str, float]) -> Drawn:
    """Draw the probability of each class by name, the likeliest on top."""
    bars = {class_name(label): share for label, share in shares.items()}
    written = {name: percent(share) for name, share in bars.items()}
    chart = _bars(bars, written, texts.CLASS, texts.PROBABILITY, limit=1)
    return chart, say(texts.PROBABILITIES_ALT, shares=_in_words(written))


def class_counts(counts: Mapping[str, int]) -> Drawn:
    """Draw how many rows each class by name has."""
    bars = {class_name(label): float(count) for label, count in counts.items()}
    written = {name: number(count) for name, count in bars.items()}
    chart = _bars(bars, written, texts.CLASS, texts.ROWS)
    return chart, say(texts.BATCH_SUMMARY_ALT, counts=_in_words(written))


def importances(weights: Mapping[str, float]) -> Drawn:
    """Draw the weight of encoded columns."""
    bars = {encoded(column): weight for column, weight in weights.items()}
    written = {name: percent(weight) for name, weight in bars.items()}
    chart = _bars(bars, written, texts.INPUT, texts.WEIGHT)
    return chart, say(texts.IMPORTANCES_ALT, shares=_in_words(written))


def _bars(
    values: Mapping[str, float],
    written: Mapping[str, str],
    what: texts.Phrase,
    how_much: texts.Phrase,
    limit: float | None = None,
) -> Picture:
    rows = pd.DataFrame(
        {"name": values.keys(), "value": values.values(), "written": [written[n] for n in values]}
    ).sort_values("value", ascending=False, kind="stable", ignore_index=True)
    highest = limit or max(rows["value"].max(), 1e-9)
    base = alt.Chart(rows, height=_ROW_HEIGHT * len(rows)).encode(
        y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=260)),
        # Room on the right for what is written after the longest bar.
        x=alt.X("value:Q", axis=None, scale=alt.Scale(domain=[0, highest * 1.2])),
        tooltip=[
            alt.Tooltip("name:N", title=say(what)),
            alt.Tooltip("written:N", title=say(how_much)),
        ],
    )
    best = alt.datum.value == rows["value"].max()
    bars = base.mark_bar(cornerRadiusEnd=3).encode(
        color=alt.condition(best, alt.value(STRONG), alt.value(WEAK))
    )
    labels = base.mark_text(align="left", dx=5, fontSize=12, color=_ink()).encode(text="written:N")
    return alt.layer(bars, labels)


def confusion(counts: Sequence[Sequence[int]]) -> Drawn:
    """Draw test rows by true class (down) and answer (across), coloured by share of the true."""
    names = [class_name(label) for label in CLASSES]
    rows = pd.DataFrame(
        [
            {
                "true": names[true],
                "answer": names[answer],
                "rows": count,
                "written": number(count),
                "share": count / max(sum(line), 1),
                "percent": percent(count / max(sum(line), 1)),
            }
            for true, line in enumerate(counts)
            for answer, count in enumerate(line)
        ]
    )
    base = alt.Chart(rows, height=380).encode(
        x=alt.X(
            "answer:N",
            sort=names,
            title=say(texts.PREDICTED_CLASS),
            axis=alt.Axis(labelAngle=-40, orient="top", labelLimit=140, labelOverlap=False),
        ),
        y=alt.Y("true:N", sort=names, title=say(texts.TRUE_CLASS), axis=alt.Axis(labelLimit=140)),
        tooltip=[
            alt.Tooltip("true:N", title=say(texts.TRUE_CLASS)),
            alt.Tooltip("answer:N", title=say(texts.PREDICTED_CLASS)),
            alt.Tooltip("written:N", title=say(texts.ROWS)),
            alt.Tooltip("percent:N", title=say(texts.SHARE)),
        ],
    )
    cells = base.mark_rect().encode(
        color=alt.Color("share:Q", scale=alt.Scale(range=["#EAF1F7", "#003F6B"]), legend=None)
    )
    dark = alt.datum.share > 0.45
    labels = base.mark_text(fontSize=11).encode(
        text="written:N", color=alt.condition(dark, alt.value("white"), alt.value("#1c2b36"))
    )
    found = rows[rows["true"] == rows["answer"]].set_index("true")["percent"]
    words = _in_words(dict(zip(found.index, found, strict=True)))
    return alt.layer(cells, labels), say(texts.CONFUSION_ALT, shares=words)


def collection_rows(rows: Mapping[datetime, int]) -> Drawn:
    """Draw how many rows each collection brought."""
    table = pd.DataFrame(
        {"when": [short_moment(when) for when in rows], "rows": rows.values()}
    ).assign(written=lambda drawn: drawn["rows"].map(number))
    chart = (
        alt.Chart(table, height=260)
        .mark_bar(color=STRONG, cornerRadiusEnd=3)
        .encode(
            x=alt.X("when:N", sort=None, title=None, axis=_moments()),
            y=alt.Y("rows:Q", title=say(texts.ROWS), axis=_numbers()),
            tooltip=[
                alt.Tooltip("when:N", title=say(texts.COLLECTED)),
                alt.Tooltip("written:N", title=say(texts.ROWS)),
            ],
        )
    )
    words = _in_words(dict(zip(table["when"], table["written"], strict=True)))
    return chart, say(texts.COLLECTIONS_ALT, counts=words)


def class_shares(counts: Mapping[datetime, Sequence[int]]) -> Drawn:
    """Draw the share of each class in each collection, from counts in the order of the classes."""
    names = [class_name(label) for label in CLASSES]
    table = pd.DataFrame(
        [
            {
                "when": short_moment(when),
                "name": name,
                "order": order,
                "share": count / max(sum(line), 1),
                "percent": percent(count / max(sum(line), 1)),
            }
            for when, line in counts.items()
            for order, (name, count) in enumerate(zip(names, line, strict=True))
        ]
    )
    chart = (
        alt.Chart(table, height=420)
        .mark_bar()
        .encode(
            x=alt.X("when:N", sort=None, title=None, axis=_moments()),
            y=alt.Y(
                "share:Q",
                stack="normalize",
                title=None,
                axis=alt.Axis(format="%"),
            ),
            color=alt.Color(
                "name:N",
                scale=alt.Scale(domain=names, range=list(_CLASS_COLORS)),
                legend=alt.Legend(title=None, orient="bottom", columns=2, labelLimit=160),
            ),
            order="order:O",
            tooltip=[
                alt.Tooltip("when:N", title=say(texts.COLLECTED)),
                alt.Tooltip("name:N", title=say(texts.CLASS)),
                alt.Tooltip("percent:N", title=say(texts.SHARE)),
            ],
        )
    )
    last = table.tail(len(names)).set_index("name")["percent"]
    words = _in_words(dict(zip(last.index, last, strict=True)))
    return chart, say(texts.CLASS_SHARES_ALT, shares=words)


def _ink() -> str:
    """Return the colour of writing; Vega's own is black in the dark theme too."""
    return "#FAFAFA" if st.context.theme.type == "dark" else "#31333F"


def _moments() -> alt.Axis:
    return alt.Axis(labelAngle=-40, labelOverlap=True, labelLimit=140)


def _numbers() -> alt.Axis:
    separator = number(1000)[1]
    return alt.Axis(labelExpr=f"replace(format(datum.value, ','), /,/g, '{separator}')")


def _in_words(written: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in written.items())
