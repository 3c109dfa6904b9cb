"""Unexpected errors: a sentence for the user, the traceback for the log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from covertype_ui import texts
from covertype_ui.language import say

log = logging.getLogger(__name__)


@contextmanager
def guard(what: str) -> Iterator[None]:
    """Draw `what` inside; on an error show a message without technical details."""
    try:
        yield
    except Exception:
        log.exception("%s can't be drawn", what)
        st.error(say(texts.UNEXPECTED), icon=":material/report:")
