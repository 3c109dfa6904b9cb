"""Draws the changes of Production, with who and why, from the history under the datasets root."""

import logging
from pathlib import Path

import streamlit as st

from covertype.data import Datasets
from covertype.gate import verdicts
from covertype.history import GATE, Entry, Kind
from covertype.monitoring.first_hour import Finding
from covertype_ui import texts
from covertype_ui.language import moment, number, percent, say
from covertype_ui.promotion_words import verdict_sentence

log = logging.getLogger(__name__)

_SHOWN = 5
_REMEMBERED_SECONDS = 15
_LOOKS = {
    Kind.PROMOTED: ("blue", "check", texts.PROMOTION),
    Kind.ROLLED_BACK: ("orange", "undo", texts.ROLLBACK),
    Kind.FOUND: ("gray", "front_hand", texts.CHANGE_IN_MLFLOW),
}


def draw_changes(root: Path | str) -> None:
    """Draw the changes of Production, the newest first; nothing before the first."""
    try:
        changes = _read(root)
    except (OSError, ValueError, KeyError, TypeError):
        log.exception("The history of Production under %s can't be read", root)
        st.error(say(texts.CHANGES_UNREADABLE), icon=":material/broken_image:")
        return
    if not changes:
        return
    st.subheader(say(texts.CHANGES_OF_PRODUCTION), help=say(texts.CHANGES_OF_PRODUCTION_HELP))
    for change in changes[:_SHOWN]:
        _draw(change)
    if older := changes[_SHOWN:]:
        with st.expander(say(texts.CHANGES_OLDER, count=len(older))):
            for change in older:
                _draw(change)


@st.cache_data(ttl=_REMEMBERED_SECONDS, show_spinner=False)
def _read(root: Path | str) -> list[Entry]:
    entries = Datasets(root).history.entries()
    return [entry for entry in reversed(entries) if entry.changed_production]


def _draw(change: Entry) -> None:
    color, icon, name = _LOOKS[change.kind]
    facts = [
        f"**{change.former or '—'} → {change.version}**",
        f":{color}-badge[:material/{icon}: {say(name)}]",
        moment(change.at),
    ]
    who = say(texts.THE_GATE) if change.who == GATE else change.who
    with st.container(border=True, gap=None):
        st.markdown(" &ensp; ".join(facts))
        # Not as Markdown: people write it.
        if told := ": ".join(filter(None, (who, _why(change)))):
            st.text(told)


def _why(change: Entry) -> str:
    if found := Finding.from_facts(change.facts):
        share, limit = percent(found.share), percent(found.limit)
        figures = {"share": share, "of": number(found.of), "limit": limit}
        return say(texts.TROUBLES[found.trouble], version=change.former, **figures)
    verdict = verdicts.from_tags(change.facts)
    return change.why if verdict is None else verdict_sentence(verdict)
