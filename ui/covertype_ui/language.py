"""The chosen language, and the format of its numbers and dates."""

from datetime import UTC, date, datetime
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from covertype_ui import texts
from covertype_ui.texts import Phrase

Language = Literal["es", "en"]

_KEY = "lang"
_FIRST: Language = "es"
_NAMES: dict[str, str] = {"es": "Español", "en": "English"}


def settle_language() -> None:
    """Set the language before the page is drawn: the chosen one, or that of the URL.

    The address keeps the choice, so that a link opens in the language in which it was copied.
    """
    if _KEY not in st.session_state:
        asked = st.query_params.get(_KEY)
        st.session_state[_KEY] = asked if asked in _NAMES else _FIRST
    if st.session_state[_KEY] != st.query_params.get(_KEY, _FIRST):
        st.query_params[_KEY] = st.session_state[_KEY]
    # Screen readers pronounce a page by the language that it declares; Streamlit declares English.
    st.html(
        f"<script>document.documentElement.lang = '{language()}'</script>",
        unsafe_allow_javascript=True,
    )


def choose_language() -> None:
    """Draw the switch."""
    st.segmented_control(
        say(texts.LANGUAGE),
        list(_NAMES),
        required=True,
        format_func=_NAMES.__getitem__,
        key=_KEY,
        label_visibility="collapsed",
    )


def language() -> Language:
    """Return the chosen language; the default is Spanish."""
    return "en" if st.session_state.get(_KEY) == "en" else "es"


def say(phrase: Phrase, **values: object) -> str:
    """Return the phrase in the chosen language, with `values` in its braces."""
    text = phrase.en if language() == "en" else phrase.es
    return text.format(**values)


def number(value: float, decimals: int = 0) -> str:
    """Write a number with the language's separators: 3 134,5 or 3,134.5."""
    written = f"{value:,.{decimals}f}"
    if language() == "en":
        return written
    return written.translate(str.maketrans(",.", "\u202f,"))


def signed(value: float, decimals: int = 0) -> str:
    """Write a number with its sign, but zero without: +3,1, −3,1 and 0,0."""
    written = number(abs(value), decimals)
    if not round(value, decimals):
        return written
    return ("−" if value < 0 else "+") + written


def decimal(value: float) -> str:
    """Write a number with three decimals: 0,871 or 0.871."""
    return number(value, 3)


def percent(share: float, decimals: int = 1) -> str:
    """Write a share of one as a percentage: 87,3 % or 87.3%."""
    return number(share * 100, decimals) + ("%" if language() == "en" else "\u202f%")


def moment(when: datetime) -> str:
    """Write a moment in the time zone of the person's browser: 23/11/2026 10:05."""
    return _local(when).strftime("%Y-%m-%d %H:%M" if language() == "en" else "%d/%m/%Y %H:%M")


def day(when: date) -> str:
    """Write a day: 23/11/2026."""
    return when.strftime("%Y-%m-%d" if language() == "en" else "%d/%m/%Y")


def short_moment(when: datetime) -> str:
    """Write a moment in short form, without the year: 23/11 10:05."""
    return _local(when).strftime("%m-%d %H:%M" if language() == "en" else "%d/%m %H:%M")


def _local(when: datetime) -> datetime:
    try:
        return when.astimezone(ZoneInfo(st.context.timezone or "UTC"))
    except (ZoneInfoNotFoundError, ValueError):
        return when.astimezone(UTC)
