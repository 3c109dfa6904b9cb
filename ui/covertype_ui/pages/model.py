"""The model in Production: its scores, and the history of versions."""

import streamlit as st

from covertype.answers import ModelAnswer, NextBatch
from covertype.gate.verdicts import Outcome
from covertype_ui import charts, links, texts
from covertype_ui.history import HistoryAway, VersionRecord
from covertype_ui.language import decimal, moment, number, percent, say
from covertype_ui.production_changes import draw_changes
from covertype_ui.promotion_words import verdict_reason
from covertype_ui.services import explain, model_in_production, version_history
from covertype_ui.settings import settings
from covertype_ui.texts import Phrase

_IMPORTANCES_SHOWN = 12
_HISTORY_SHOWN = 10
_OUTCOMES = {
    None: ("gray", "hourglass_top", texts.UNDECIDED),
    Outcome.PROMOTED: ("blue", "check", texts.PROMOTED),
    Outcome.ELIGIBLE: ("green", "front_hand", texts.ELIGIBLE),
    Outcome.REFUSED: ("orange", "close", texts.REFUSED_VERSION),
}
_OUT = ":material/open_in_new:"
_UNKNOWN = "—"


def page() -> None:
    """Draw the page."""
    st.write(say(texts.MODEL_INTRODUCTION))
    model = model_in_production()
    if isinstance(model, ModelAnswer):
        _describe(model)
    else:
        explain(model)
    draw_changes(settings().datasets_url)
    st.subheader(say(texts.HISTORY))
    history = version_history()
    if isinstance(history, HistoryAway):
        st.error(say(texts.MLFLOW_AWAY), icon=":material/cloud_off:")
    elif history:
        _tell(history)
    else:
        st.info(say(texts.HISTORY_EMPTY, airflow=links.airflow()), icon=":material/hourglass_top:")


def _describe(model: ModelAnswer) -> None:
    with st.container(horizontal=True, key="figures"):
        _figure(texts.VERSION, model.version)
        if model.in_production_since is not None:
            _figure(texts.IN_PRODUCTION_SINCE, moment(model.in_production_since))
        if "accuracy" in model.metrics:
            _figure(texts.ACCURACY, percent(model.metrics["accuracy"]), say(texts.ACCURACY_HELP))
        _figure_of_next_batch(model.next_batch)
        if model.live is not None:
            told = say(texts.LIVE_ACCURACY_HELP, rows=number(model.live.rows))
            _figure(texts.LIVE, percent(model.live.accuracy), told)
        for metric, name, about in (
            ("f1_macro", texts.F1_MACRO, texts.F1_MACRO_HELP),
            ("log_loss", texts.LOG_LOSS, texts.LOG_LOSS_HELP),
        ):
            if metric in model.metrics:
                _figure(name, decimal(model.metrics[metric]), say(about))
    with st.container(horizontal=True):
        st.link_button(say(texts.SEE_VERSION), links.mlflow_version(model.version), icon=_OUT)
        if model.experiment_id and model.run_id:
            run = links.mlflow_run(model.experiment_id, model.run_id)
            st.link_button(say(texts.SEE_RUN), run, icon=_OUT)
        if model.experiment_id:
            experiment = links.mlflow_experiment(model.experiment_id)
            st.link_button(say(texts.SEE_EXPERIMENT), experiment, icon=_OUT)
    left, right = st.columns(2, gap="large")
    if model.confusion_matrix is not None:
        with left:
            st.subheader(say(texts.CONFUSION), help=say(texts.CONFUSION_HELP))
            charts.draw(charts.confusion(model.confusion_matrix))
    if model.importances:
        with right:
            largest = sorted(model.importances.items(), key=lambda item: -item[1])
            shown = dict(largest[:_IMPORTANCES_SHOWN])
            st.subheader(say(texts.IMPORTANCES), help=say(texts.IMPORTANCES_HELP, count=len(shown)))
            charts.draw(charts.importances(shown))
    if model.parameters:
        with st.expander(say(texts.PARAMETERS)):
            st.table(model.parameters)


def _figure_of_next_batch(found: NextBatch | None) -> None:
    if found is None:
        _figure(texts.NEXT_BATCH, _UNKNOWN, say(texts.NEXT_BATCH_UNKNOWN))
    else:
        about = say(texts.NEXT_BATCH_HELP, rows=number(found.rows), batch=found.batch)
        _figure(texts.NEXT_BATCH, percent(found.accuracy), about)


def _figure(name: Phrase, value: str, about: str | None = None) -> None:
    st.metric(say(name), value, help=about, border=True, width="content")


def _tell(history: list[VersionRecord]) -> None:
    for record in history[:_HISTORY_SHOWN]:
        _tell_version(record)
    if older := history[_HISTORY_SHOWN:]:
        with st.expander(say(texts.HISTORY_OLDER, count=len(older))):
            for record in older:
                _tell_version(record)


def _tell_version(record: VersionRecord) -> None:
    name = f"{say(texts.VERSION)} {record.version}"
    facts = [
        f"**[{name}]({links.mlflow_version(record.version)})**",
        _verdict(record),
        *([_stage(record)] if record.stage in texts.STAGES else []),
        moment(record.registered),
    ]
    with st.container(border=True, gap=None):
        st.markdown(" &ensp; ".join(facts))
        if record.reason:
            st.caption(verdict_reason(record))


def _stage(record: VersionRecord) -> str:
    return f":gray-badge[{say(texts.STAGES[record.stage])}]"


def _verdict(record: VersionRecord) -> str:
    color, icon, name = _OUTCOMES[record.outcome]
    return f":{color}-badge[:material/{icon}: {say(name)}]"
