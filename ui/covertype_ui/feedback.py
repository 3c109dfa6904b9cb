"""The control below an answer that sends its true class to the service."""

import streamlit as st

from covertype.answers import FeedbackAnswer, PredictionAnswer
from covertype.contract import CLASSES
from covertype_ui import texts
from covertype_ui.contract_words import class_name
from covertype_ui.inference import PROBLEMS, InvalidInput, ServiceProblem
from covertype_ui.language import say
from covertype_ui.services import explain, inference

_SENT = "feedback"


def ask_truth(answer: PredictionAnswer) -> None:
    """Let the user send the true class of an answer, if the service gave it an id."""
    named = answer.prediction_id
    if not named:
        return
    truth = st.selectbox(
        say(texts.FEEDBACK_QUESTION),
        CLASSES,
        index=None,
        format_func=class_name,
        placeholder=say(texts.FEEDBACK_CHOOSE),
        key=f"truth of {named}",
    )
    if st.button(say(texts.FEEDBACK_SEND), disabled=truth is None, icon=":material/send:"):
        st.session_state[_SENT] = named, _send(named, str(truth))
    sent, outcome = st.session_state.get(_SENT, ("", None))
    if sent == named:
        _show(outcome)


def _send(prediction_id: str, truth: str) -> FeedbackAnswer | ServiceProblem:
    try:
        return inference().give_feedback(prediction_id, truth)
    except PROBLEMS as problem:
        return problem


def _show(outcome: FeedbackAnswer | ServiceProblem) -> None:
    if isinstance(outcome, FeedbackAnswer):
        st.success(say(texts.FEEDBACK_THANKS), icon=":material/check:")
    elif isinstance(outcome, InvalidInput):
        st.error(say(texts.FEEDBACK_REFUSED), icon=":material/report:")
    else:
        explain(outcome)
