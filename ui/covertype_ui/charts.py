"""Charts, legible in both themes and for people who can't distinguish red and green.

Each function returns a Vega-Lite specification and the same in words, for screen readers. They are
written out, as building them with Altair takes longer than all the rest of an answer.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import streamlit as st

from covertype.contract import CLASSES
from covertype_ui import texts
from covertype_ui.contract_words import class_name, encoded
from covertype_ui.language import number, percent, say, short_moment, signed
from covertype_ui.texts import Phrase

STRONG = "#0072B2"
WEAK = "#8C9AA5"
AGAINST = "#D55E00"
# Okabe and Ito's palette, "Color universal design", 2008; its yellow darkened for a white page.
_CLASS_COLORS = ("#009E73", "#0072B2", "#E69F00", "#56B4E9", "#CC79A7", "#D55E00", "#B8A800")
_ROW_HEIGHT = 30

Spec = dict[str, Any]

Drawn = tuple[Spec, str]

_NAMES: Spec = {
    "field": "name",
    "type": "nominal",
    "sort": None,
    "title": None,
    "axis": {"labelLimit": 260},
}
"""The axis of what has a bar or an interval each, in their order."""


def draw(drawn: Drawn) -> None:
    """Draw a chart on the page."""
    spec, words = drawn
    st.vega_lite_chart(spec, alt=words)


def probabilities(shares: Mapping[str, float]) -> Drawn:
    """Draw the probability of each class by name, the likeliest on top."""
    bars = {class_name(label): share for label, share in shares.items()}
    written = {name: percent(share) for name, share in bars.items()}
    spec = _bars(bars, written, texts.CLASS, texts.PROBABILITY, limit=1)
    return spec, say(texts.PROBABILITIES_ALT, shares=_in_words(written))


def class_counts(counts: Mapping[str, int]) -> Drawn:
    """Draw the number of rows of each class by name."""
    bars = {class_name(label): float(count) for label, count in counts.items()}
    written = {name: number(count) for name, count in bars.items()}
    spec = _bars(bars, written, texts.CLASS, texts.ROWS)
    return spec, say(texts.BATCH_SUMMARY_ALT, counts=_in_words(written))


def importances(weights: Mapping[str, float]) -> Drawn:
    """Draw the weight of encoded columns."""
    bars = {encoded(column): weight for column, weight in weights.items()}
    written = {name: percent(weight) for name, weight in bars.items()}
    spec = _bars(bars, written, texts.INPUT, texts.WEIGHT)
    return spec, say(texts.IMPORTANCES_ALT, shares=_in_words(written))


def contributions(points: Mapping[str, float]) -> Drawn:
    """Draw what each feature adds to a probability or takes from it, the largest on top."""
    names = sorted(points, key=lambda name: -abs(points[name]))
    bars = {encoded(name): points[name] for name in names}
    written = {
        name: say(texts.POINTS, points=signed(100 * change, 1)) for name, change in bars.items()
    }
    color = _either("datum.value < 0", AGAINST, STRONG)
    low, high = min(0, *bars.values()), max(0, *bars.values())
    room = 0.3 * ((high - low) or 1)
    domain = (low - (room if low < 0 else 0), high + room)
    spec = _labelled_bars(bars, written, texts.INPUT, texts.CONTRIBUTION, domain, color)
    return spec, say(texts.CONTRIBUTIONS_ALT, points=_in_words(written))


def _bars(
    values: Mapping[str, float],
    written: Mapping[str, str],
    what: Phrase,
    how_much: Phrase,
    limit: float | None = None,
) -> Spec:
    """Draw bars from the longest to the shortest, the longest in a colour of its own."""
    longest = max(values.values(), default=0)
    ordered = {name: values[name] for name in sorted(values, key=lambda name: -values[name])}
    color = _either(f"datum.value === {longest}", STRONG, WEAK)
    # Room on the right for the label of the longest bar.
    domain = (0.0, (limit or longest or 1) * 1.2)
    return _labelled_bars(ordered, written, what, how_much, domain, color)


def _labelled_bars(
    values: Mapping[str, float],
    written: Mapping[str, str],
    what: Phrase,
    how_much: Phrase,
    domain: tuple[float, float],
    color: Spec,
) -> Spec:
    """Draw bars in their order, each with its label at the end."""
    return {
        "height": _ROW_HEIGHT * len(values),
        "data": {
            "values": [
                {"name": name, "value": value, "written": written[name]}
                for name, value in values.items()
            ]
        },
        "encoding": {
            "y": _NAMES,
            "x": {
                "field": "value",
                "type": "quantitative",
                "axis": None,
                "scale": {"domain": list(domain)},
            },
            "tooltip": [_tooltip("name", what), _tooltip("written", how_much)],
        },
        "layer": [
            {"mark": {"type": "bar", "cornerRadiusEnd": 3}, "encoding": {"color": color}},
            {
                "mark": {
                    "type": "text",
                    "align": {"expr": "datum.value < 0 ? 'right' : 'left'"},
                    "dx": {"expr": "datum.value < 0 ? -5 : 5"},
                    "fontSize": 12,
                    "color": _ink(),
                },
                "encoding": {"text": {"field": "written"}},
            },
        ],
    }


def confusion(counts: Sequence[Sequence[int]]) -> Drawn:
    """Draw test rows by true class (down) and answer (across), coloured by share of the true."""
    names = [class_name(label) for label in CLASSES]
    cells: list[dict[str, Any]] = [
        {
            "true": names[true],
            "answer": names[answer],
            "written": number(count),
            "share": count / max(sum(line), 1),
            "percent": percent(count / max(sum(line), 1)),
        }
        for true, line in enumerate(counts)
        for answer, count in enumerate(line)
    ]
    spec = {
        "height": 380,
        "data": {"values": cells},
        "encoding": {
            "x": {
                "field": "answer",
                "type": "nominal",
                "sort": names,
                "title": say(texts.PREDICTED_CLASS),
                "axis": {
                    # Written towards the left, where there is room.
                    "labelAngle": 40,
                    "labelAlign": "right",
                    "orient": "top",
                    "labelLimit": 140,
                    "labelOverlap": False,
                },
            },
            "y": {
                "field": "true",
                "type": "nominal",
                "sort": names,
                "title": say(texts.TRUE_CLASS),
                "axis": {"labelLimit": 140},
            },
            "tooltip": [
                _tooltip("true", texts.TRUE_CLASS),
                _tooltip("answer", texts.PREDICTED_CLASS),
                _tooltip("written", texts.ROWS),
                _tooltip("percent", texts.SHARE),
            ],
        },
        "layer": [
            {
                "mark": "rect",
                "encoding": {
                    "color": {
                        "field": "share",
                        "type": "quantitative",
                        "scale": {"domain": [0, 1], "range": ["#EAF1F7", "#003F6B"]},
                        "legend": None,
                    }
                },
            },
            {
                "mark": {"type": "text", "fontSize": 11},
                "encoding": {
                    "text": {"field": "written"},
                    "color": _either("datum.share > 0.45", "white", "#1C2B36"),
                },
            },
        ],
    }
    found = {cell["true"]: cell["percent"] for cell in cells if cell["true"] == cell["answer"]}
    return spec, say(texts.CONFUSION_ALT, shares=_in_words(found))


def collection_rows(rows: Mapping[datetime, int]) -> Drawn:
    """Draw the number of rows of each collection."""
    written = {when: number(count) for when, count in zip(_named(rows), rows.values(), strict=True)}
    spec = {
        "height": 260,
        "data": {
            "values": [
                {"when": when, "rows": count, "written": written[when]}
                for when, count in zip(written, rows.values(), strict=True)
            ]
        },
        "mark": {"type": "bar", "color": STRONG, "cornerRadiusEnd": 3},
        "encoding": {
            "x": _moments(),
            "y": {
                "field": "rows",
                "type": "quantitative",
                "title": say(texts.ROWS),
                "axis": {"labelExpr": _WITH_SEPARATOR.format(number(1000)[1])},
            },
            "tooltip": [_tooltip("when", texts.COLLECTED), _tooltip("written", texts.ROWS)],
        },
    }
    return spec, say(texts.COLLECTIONS_ALT, counts=_in_words(written))


def class_shares(counts: Mapping[datetime, Sequence[int]]) -> Drawn:
    """Draw the share of each class in each collection, from counts in the order of the classes."""
    names = [class_name(label) for label in CLASSES]
    parts: list[dict[str, Any]] = [
        {
            "when": when,
            "name": name,
            "order": order,
            "share": count / max(sum(line), 1),
            "percent": percent(count / max(sum(line), 1)),
        }
        for when, line in zip(_named(counts), counts.values(), strict=True)
        for order, (name, count) in enumerate(zip(names, line, strict=True))
    ]
    spec = {
        "height": 420,
        "data": {"values": parts},
        "mark": "bar",
        "encoding": {
            "x": _moments(),
            "y": {
                "field": "share",
                "type": "quantitative",
                "stack": "normalize",
                "title": None,
                "axis": {"format": "%"},
            },
            "color": {
                "field": "name",
                "type": "nominal",
                "scale": {"domain": names, "range": list(_CLASS_COLORS)},
                "legend": {"title": None, "orient": "bottom", "columns": 2, "labelLimit": 160},
            },
            "order": {"field": "order", "type": "ordinal"},
            "tooltip": [
                _tooltip("when", texts.COLLECTED),
                _tooltip("name", texts.CLASS),
                _tooltip("percent", texts.SHARE),
            ],
        },
    }
    last = {part["name"]: part["percent"] for part in parts[-len(names) :]}
    return spec, say(texts.CLASS_SHARES_ALT, shares=_in_words(last))


def accuracy_by_batch(pairs: Mapping[str, tuple[float | None, float]]) -> Drawn:
    """Draw the accuracy on the holdout and on a batch, by the name of version and batch."""
    series = (say(texts.HOLDOUT), say(texts.UNSEEN_BATCH))
    points: list[dict[str, Any]] = [
        {"name": name, "series": which, "value": value, "written": percent(value)}
        for name, pair in pairs.items()
        for which, value in zip(series, pair, strict=True)
        if value is not None
    ]
    spec = {
        "height": 340,
        "data": {"values": points},
        "encoding": {
            "x": {
                "field": "name",
                "type": "nominal",
                "sort": None,
                "title": None,
                "axis": _TILTED | {"labelOverlap": True},
            },
            "y": {
                "field": "value",
                "type": "quantitative",
                "title": None,
                "scale": {"domain": [0, 1]},
                "axis": {"format": "%"},
            },
            "tooltip": [
                _tooltip("name", texts.BATCH),
                _tooltip("series", texts.ROWS),
                _tooltip("written", texts.ACCURACY),
            ],
        },
        "layer": [
            {"mark": {"type": "line", "color": WEAK}, "encoding": {"detail": {"field": "name"}}},
            {
                "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1},
                "encoding": {
                    "color": _two_colors(series),
                    "shape": {
                        "field": "series",
                        "type": "nominal",
                        "scale": {"domain": list(series), "range": ["circle", "diamond"]},
                        "legend": _ABOVE,
                    },
                },
            },
        ],
    }
    written = {
        name: " → ".join(percent(value) for value in pair if value is not None)
        for name, pair in pairs.items()
    }
    return spec, say(texts.ACCURACY_BY_BATCH_ALT, shares=_in_words(written))


def then_and_now(bins: Mapping[str, tuple[float, float]]) -> Drawn:
    """Draw the share of rows in each bin by name, then and now."""
    series = (say(texts.THEN), say(texts.NOW))
    parts: list[dict[str, Any]] = [
        {"name": name, "series": which, "share": share, "written": percent(share)}
        for name, pair in bins.items()
        for which, share in zip(series, pair, strict=True)
    ]
    spec = {
        "height": 300,
        "data": {"values": parts},
        "mark": {"type": "bar", "cornerRadiusEnd": 2},
        "encoding": {
            "x": {"field": "name", "type": "nominal", "sort": None, "title": None, "axis": _TILTED},
            "xOffset": {"field": "series", "type": "nominal", "sort": list(series)},
            "y": {
                "field": "share",
                "type": "quantitative",
                "title": None,
                "axis": {"format": "%"},
            },
            "color": _two_colors(series),
            "tooltip": [
                _tooltip("name", texts.VALUE),
                _tooltip("series", texts.WHEN),
                _tooltip("written", texts.SHARE),
            ],
        },
    }
    written = {name: f"{percent(then)} → {percent(now)}" for name, (then, now) in bins.items()}
    return spec, say(texts.THEN_AND_NOW_ALT, shares=_in_words(written))


def intervals(accuracies: Mapping[str, tuple[float, float, float]]) -> Drawn:
    """Draw accuracies by name, each with the bounds of its interval: low, accuracy, high."""
    written = {
        name: say(
            texts.ACCURACY_BETWEEN, share=percent(share), low=percent(low), high=percent(high)
        )
        for name, (low, share, high) in accuracies.items()
    }
    spec = {
        "height": 2 * _ROW_HEIGHT * len(accuracies) + 60,
        "data": {
            "values": [
                {"name": name, "low": low, "value": share, "high": high, "written": written[name]}
                for name, (low, share, high) in accuracies.items()
            ]
        },
        "encoding": {
            "y": _NAMES,
            "x": {
                "field": "value",
                "type": "quantitative",
                "title": say(texts.ACCURACY),
                "scale": {"domain": [0, 1]},
                "axis": {"format": "%"},
            },
            "tooltip": [_tooltip("name", texts.VERSION), _tooltip("written", texts.ACCURACY)],
        },
        "layer": [
            {
                "mark": {"type": "rule", "color": STRONG, "strokeWidth": 2},
                "encoding": {
                    "x": {"field": "low", "type": "quantitative"},
                    "x2": {"field": "high"},
                },
            },
            {"mark": {"type": "point", "filled": True, "size": 110, "opacity": 1, "color": STRONG}},
        ],
    }
    return spec, say(texts.LIVE_ALT, shares=_in_words(written))


_TILTED: Spec = {"labelAngle": -40, "labelLimit": 140, "labelOverlap": False}
_ABOVE: Spec = {"title": None, "orient": "top"}


def _two_colors(names: Sequence[str]) -> Spec:
    return {
        "field": "series",
        "type": "nominal",
        "scale": {"domain": list(names), "range": [WEAK, STRONG]},
        "legend": _ABOVE,
    }


def _tooltip(field: str, title: Phrase) -> Spec:
    return {"field": field, "type": "nominal", "title": say(title)}


def _either(test: str, value: str, other: str) -> Spec:
    return {"condition": {"test": test, "value": value}, "value": other}


def _named(moments: Iterable[datetime]) -> list[str]:
    """Return a label for each moment, with only the parts that differ from the one before."""
    names: list[str] = []
    for moment in moments:
        short = short_moment(moment)
        longer = (short, f"{short}:{moment:%S}", moment.isoformat())
        names.append(next((name for name in longer if name not in names), longer[-1]))
    return names


def _moments() -> Spec:
    axis = {"labelAngle": -40, "labelOverlap": True, "labelLimit": 140}
    return {"field": "when", "type": "nominal", "sort": None, "title": None, "axis": axis}


_WITH_SEPARATOR = "replace(format(datum.value, ','), /,/g, '{}')"


def _ink() -> str:
    """Return the colour of text; Vega's default is black, even in the dark theme."""
    return "#FAFAFA" if st.context.theme.type == "dark" else "#31333F"


def _in_words(written: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in written.items())
