"""Pictures, legible in both themes and to those who don't tell red from green."""

import altair as alt
import pandas as pd

from covertype_ui import texts
from covertype_ui.language import percent, say

STRONG = "#0072B2"
WEAK = "#9AA5AE"
_ROW_HEIGHT = 30


def probabilities(shares: dict[str, float]) -> tuple[alt.LayerChart, str]:
    """Draw the probability of each class by name, the likeliest on top; say it in words too."""
    rows = pd.DataFrame(
        {
            "name": [say(texts.CLASS_LABELS[label]) for label in shares],
            "share": list(shares.values()),
            "written": [percent(share) for share in shares.values()],
        }
    ).sort_values("share", ascending=False, ignore_index=True)
    base = alt.Chart(rows, height=_ROW_HEIGHT * len(rows)).encode(
        y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=200)),
        x=alt.X("share:Q", title=None, axis=None, scale=alt.Scale(domain=[0, 1.15])),
        tooltip=[
            alt.Tooltip("name:N", title=say(texts.CLASS)),
            alt.Tooltip("written:N", title=say(texts.PROBABILITY)),
        ],
    )
    best = alt.datum.share == rows["share"].max()
    bars = base.mark_bar(cornerRadiusEnd=3).encode(
        color=alt.condition(best, alt.value(STRONG), alt.value(WEAK))
    )
    labels = base.mark_text(align="left", dx=5).encode(text="written:N")
    words = ", ".join(
        f"{row.name_} {row.written}" for row in rows.rename(columns={"name": "name_"}).itertuples()
    )
    return bars + labels, say(texts.PROBABILITIES_ALT, shares=words)
