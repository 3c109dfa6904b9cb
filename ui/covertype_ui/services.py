"""What the pages ask of other services, remembered for seconds, and failures put into words."""

import streamlit as st

from covertype.answers import ModelAnswer
from covertype_ui import texts
from covertype_ui.contract_words import rule
from covertype_ui.history import HistoryAway, VersionRecord, read_history
from covertype_ui.inference import (
    PROBLEMS,
    InferenceClient,
    NoModel,
    Refused,
    ServiceAway,
    ServiceBusy,
    ServiceProblem,
    ServiceSlow,
)
from covertype_ui.language import say
from covertype_ui.settings import settings

# A page asks for the model in passing: it must not wait long, nor ask at every keystroke.
_IN_PASSING_SECONDS = 2
_HISTORY_SECONDS = 5
REMEMBERED_SECONDS = 5


def inference() -> InferenceClient:
    """Return the client of the inference service."""
    return InferenceClient(settings().inference_url, settings().inference_timeout_seconds)


def model_in_production() -> ModelAnswer | ServiceProblem:
    """Return the model that answers now, or why none is known."""
    return _model(settings().inference_url)


@st.cache_data(ttl=REMEMBERED_SECONDS, show_spinner=False)
def _model(url: str) -> ModelAnswer | ServiceProblem:
    try:
        return InferenceClient(url, _IN_PASSING_SECONDS).model()
    except PROBLEMS as problem:
        return problem


def version_history() -> list[VersionRecord] | HistoryAway:
    """Return the versions of the model, the newest first, or that none can be known."""
    return _history(settings().mlflow_tracking_uri)


@st.cache_data(ttl=REMEMBERED_SECONDS, show_spinner=False)
def _history(tracking_uri: str) -> list[VersionRecord] | HistoryAway:
    try:
        return read_history(tracking_uri, _HISTORY_SECONDS)
    except HistoryAway as away:
        return away


def explain(problem: ServiceProblem) -> None:
    """Tell a person what is the matter, and what to do."""
    if isinstance(problem, NoModel):
        st.info(
            say(texts.NO_MODEL, airflow=settings().airflow_public_url),
            icon=":material/hourglass_top:",
        )
    elif isinstance(problem, ServiceAway):
        st.error(say(texts.SERVICE_AWAY), icon=":material/cloud_off:")
    elif isinstance(problem, ServiceSlow):
        seconds = f"{problem.seconds:g}"
        st.warning(say(texts.SERVICE_SLOW, seconds=seconds), icon=":material/timer_off:")
    elif isinstance(problem, ServiceBusy):
        st.warning(say(texts.SERVICE_BUSY), icon=":material/timer_off:")
    elif isinstance(problem, Refused):
        st.error(_refusal(problem), icon=":material/edit_off:")
    else:
        st.error(say(texts.SERVICE_FAILED), icon=":material/report:")


def _refusal(refused: Refused) -> str:
    if not refused.features:
        return say(texts.REFUSED_UNKNOWN)
    return "\n".join([say(texts.REFUSED), "", *(f"- {rule(name)}" for name in refused.features)])
