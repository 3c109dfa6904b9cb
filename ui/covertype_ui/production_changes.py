"""Draws the changes of Production, with who and why, from the history under the datasets root."""

import logging
from pathlib import Path

import streamlit as st

from covertype.data import Datasets
from covertype.gate import verdicts
from covertype.history import GATE, Entry
from covertype_ui import texts
from covertype_ui.language import moment, number, percent, say
from covertype_ui.promotion_words import verdict_sentence

log = logging.getLogger(__name__)

_SHOWN = 20
_REMEMBERED_SECONDS = 15


def draw_changes(root: Path) -> None:
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
    st.dataframe([_row(change) for change in changes[:_SHOWN]], hide_index=True)


@st.cache_data(ttl=_REMEMBERED_SECONDS, show_spinner=False)
def _read(root: Path) -> list[Entry]:
    entries = Datasets(root).history.entries()
    return [entry for entry in reversed(entries) if entry.changed_production]


def _row(change: Entry) -> dict[str, str]:
    return {
        say(texts.CHANGED_AT): moment(change.at),
        say(texts.CHANGE): say(texts.KINDS_OF_CHANGE[change.kind]),
        say(texts.CHANGE_FROM): change.former or "—",
        say(texts.CHANGE_TO): change.version,
        say(texts.CHANGED_BY): say(texts.THE_GATE) if change.who == GATE else change.who,
        say(texts.CHANGED_WHY): _why(change),
    }


def _why(change: Entry) -> str:
    facts = change.facts
    if trouble := texts.TROUBLES.get(facts.get("trouble", "")):
        share, limit = (percent(float(facts[name])) for name in ("share", "limit"))
        of = number(int(facts["of"]))
        return say(trouble, version=change.former, share=share, of=of, limit=limit)
    verdict = verdicts.from_tags(facts)
    return change.why if verdict is None else verdict_sentence(verdict)
