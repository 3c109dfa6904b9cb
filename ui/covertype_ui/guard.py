"""What nobody foresaw: a sentence for the person, everything else for the log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from covertype_ui import texts
from covertype_ui.language import say

log = logging.getLogger(__name__)


@contextmanager
def guard(what: str) -> Iterator[None]:
    """Draw `what` inside; on an error say so, with nothing technical in it."""
    try:
        yield
    except Exception:
        log.exception("%s can't be drawn", what)
        st.error(say(texts.UNEXPECTED), icon=":material/report:")
