"""Requests of the pages to other services, cached for seconds, and messages for failures."""

import streamlit as st

from covertype.answers import ModelAnswer
from covertype_ui import texts
from covertype_ui.contract_words import rule
from covertype_ui.history import HistoryAway, VersionRecord, read_history
from covertype_ui.inference import (
    PROBLEMS,
    InferenceClient,
    InvalidInput,
    ServiceAway,
    ServiceBusy,
    ServiceProblem,
    ServiceSlow,
    ServiceWithoutModel,
)
from covertype_ui.language import say
from covertype_ui.settings import settings

# Every page shows the model, so it must not wait long for it, nor ask at every keystroke.
_IN_PASSING_SECONDS = 2
_HISTORY_SECONDS = 5
REMEMBERED_SECONDS = 5


def inference() -> InferenceClient:
    """Return the client of the inference service."""
    return _client(settings().inference_timeout_seconds)


def _client(timeout: float) -> InferenceClient:
    return InferenceClient(settings().inference_url, timeout, settings().inference_api_key)


def model_in_production() -> ModelAnswer | ServiceProblem:
    """Return the model in Production, or the problem in asking for it."""
    return _model()


@st.cache_data(ttl=REMEMBERED_SECONDS, show_spinner=False)
def _model() -> ModelAnswer | ServiceProblem:
    try:
        return _client(_IN_PASSING_SECONDS).model()
    except PROBLEMS as problem:
        return problem


def version_history() -> list[VersionRecord] | HistoryAway:
    """Return the versions of the model, the newest first, or that MLflow is away."""
    return _history(settings().mlflow_tracking_uri)


@st.cache_data(ttl=REMEMBERED_SECONDS, show_spinner=False)
def _history(tracking_uri: str) -> list[VersionRecord] | HistoryAway:
    try:
        return read_history(tracking_uri, _HISTORY_SECONDS, settings().mlflow_login)
    except HistoryAway as away:
        return away


def explain(problem: ServiceProblem) -> None:
    """Show what the problem is, and what to do."""
    if isinstance(problem, ServiceWithoutModel):
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
    elif isinstance(problem, InvalidInput):
        st.error(_invalid_input(problem), icon=":material/edit_off:")
    else:
        st.error(say(texts.SERVICE_FAILED), icon=":material/report:")


def _invalid_input(problem: InvalidInput) -> str:
    if not problem.features:
        return say(texts.INVALID_INPUT)
    rules = (f"- {rule(name)}" for name in problem.features)
    return "\n".join([say(texts.INVALID_VALUES), "", *rules])
