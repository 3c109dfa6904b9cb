"""Monitoring: the model on what it has never seen, and how far what arrives has drifted."""

import logging
from collections.abc import Sequence

import streamlit as st

from covertype.answers import ModelAnswer
from covertype.contract import TARGET
from covertype_ui import charts, links, texts
from covertype_ui.contract_words import bins, column
from covertype_ui.language import day, moment, number, percent, say
from covertype_ui.monitored import (
    Batch,
    Feedback,
    Histogram,
    Hour,
    Monitored,
    Shift,
    read_monitored,
)
from covertype_ui.services import model_in_production
from covertype_ui.settings import settings

log = logging.getLogger(__name__)

_BATCHES_SHOWN = 30
_FEATURES_SHOWN = 4
_BINS_SHOWN = 12
_HOURS_SHOWN = 24
_OUT = ":material/open_in_new:"


def page() -> None:
    """Draw the page."""
    st.write(say(texts.MONITORING_INTRODUCTION))
    root = settings().datasets_url
    try:
        monitored = read_monitored(root)
    except OSError:
        log.exception("The results of monitoring under %s can't be read", root)
        st.error(say(texts.DATA_UNREADABLE), icon=":material/folder_off:")
        return
    if monitored.is_empty:
        st.info(
            say(texts.MONITORING_EMPTY, airflow=links.airflow_dag(links.MONITORING_DAG)),
            icon=":material/hourglass_top:",
        )
        return
    if names := monitored.unreadable:
        shown = say(texts.MONITORING_DAMAGED, count=len(names), names=", ".join(names[:3]))
        st.warning(shown, icon=":material/broken_image:")
    if monitored.batches:
        _batches(monitored)
    left, right = st.columns(2, gap="large")
    with left:
        _requests(monitored.hours)
    with right:
        _live(monitored.feedback)
    _links(monitored)


def _batches(monitored: Monitored) -> None:
    batches = _of_production(monitored)
    newest, scored = batches[-1], [one for one in batches if _next_accuracy(one)]
    if newest.accuracy is None:
        st.write(
            say(
                texts.NOTHING_UNSEEN,
                batch=newest.batch,
                read=number(newest.read),
                rejected=number(newest.rejected),
            )
        )
    left, right = st.columns(2, gap="large")
    with left:
        if scored:
            _two_accuracies(scored[-1])
    with right:
        _accuracies(monitored.batches)
    _changes(newest)
    if newest.experiment_id and newest.run_id:
        run = links.mlflow_run(newest.experiment_id, newest.run_id)
        st.link_button(say(texts.SEE_REPORT), run, icon=_OUT)


def _next_accuracy(batch: Batch) -> float | None:
    return batch.accuracy if batch.is_next else None


def _of_production(monitored: Monitored) -> list[Batch]:
    """Return the batches of the version that answers; without any, of the newest that has some."""
    model = model_in_production()
    answering = model.version if isinstance(model, ModelAnswer) else ""
    if batches := monitored.batches_of(answering):
        return batches
    shown = monitored.batches[-1].version
    if answering:
        st.caption(say(texts.MONITORED_OTHER, version=answering, shown=shown))
    return monitored.batches_of(shown)


def _two_accuracies(batch: Batch) -> None:
    st.subheader(say(texts.TWO_ACCURACIES, version=batch.version))
    for name, accuracy, meaning in (
        (say(texts.HOLDOUT_ACCURACY), batch.holdout_accuracy, say(texts.HOLDOUT_MEANING)),
        (
            say(texts.NEXT_ACCURACY, batch=batch.batch),
            batch.accuracy,
            say(texts.NEXT_MEANING, rows=number(batch.rows)),
        ),
    ):
        with st.container(border=True):
            st.metric(name, "—" if accuracy is None else percent(accuracy))
            st.caption(meaning)


def _accuracies(batches: Sequence[Batch]) -> None:
    pairs = {
        say(texts.VERSION_AND_BATCH, version=one.version, batch=one.batch): (
            one.holdout_accuracy,
            accuracy,
        )
        for one in batches[-_BATCHES_SHOWN:]
        if (accuracy := _next_accuracy(one)) is not None
    }
    if pairs:
        st.subheader(say(texts.ACCURACY_BY_BATCH), help=say(texts.ACCURACY_BY_BATCH_HELP))
        charts.draw(charts.accuracy_by_batch(pairs))


def _changes(batch: Batch) -> None:
    st.subheader(say(texts.BATCH_CHANGES, batch=batch.batch), help=say(texts.BATCH_CHANGES_HELP))
    if batch.findings:
        st.table(
            [
                {
                    say(texts.COLUMN): _called(shift),
                    say(texts.MEASURE): say(texts.MEASURES[shift.measure]),
                    say(texts.VALUE): number(shift.value, 2),
                    say(texts.LIMIT): number(shift.limit, 2),
                }
                for shift in batch.findings
            ]
        )
    else:
        st.write(say(texts.NO_FINDINGS))
    if not batch.rows:
        return
    st.markdown(f"#### {say(texts.FARTHEST)}", help=say(texts.FARTHEST_HELP))
    places = st.columns(2, gap="large") * (_FEATURES_SHOWN // 2)
    for place, shift in zip(places, batch.worst(_FEATURES_SHOWN), strict=False):
        if histogram := batch.histograms.get(shift.column):
            with place:
                st.markdown(f"**{column(shift.column)}** · PSI {number(shift.value, 2)}")
                _then_and_now(shift.column, histogram)
    if batch.classes:
        st.markdown(f"#### {say(texts.CLASSES_THEN_AND_NOW)}")
        _then_and_now(TARGET.name, batch.classes)


def _requests(hours: Sequence[Hour]) -> None:
    st.subheader(say(texts.REQUESTS))
    if not hours:
        st.write(say(texts.REQUESTS_NONE))
        return
    last = hours[-_HOURS_SHOWN:]
    found = [one for one in last if one.findings]
    st.write(say(texts.REQUESTS_FOUND, hours=len(last), found=len(found)))
    if found:
        st.dataframe(
            [
                {
                    say(texts.HOUR): moment(one.hour),
                    say(texts.ROWS): one.rows,
                    say(texts.CHANGES): _changed(one),
                }
                for one in reversed(found)
            ],
            hide_index=True,
        )
    newest = hours[-1]
    if newest.classes:
        st.markdown(f"#### {say(texts.ANSWERED_CLASSES)}")
        st.caption(
            say(
                texts.ANSWERED_CLASSES_ABOUT,
                hour=moment(newest.hour),
                rows=number(newest.rows),
                version=newest.version,
            )
        )
        _then_and_now(TARGET.name, newest.classes)


def _live(feedback: Feedback | None) -> None:
    st.subheader(say(texts.LIVE), help=say(texts.LIVE_HELP))
    if feedback is None:
        st.write(say(texts.LIVE_NONE))
        return
    st.caption(say(texts.LIVE_SINCE, since=day(feedback.since), hour=moment(feedback.hour)))
    if not feedback.versions:
        st.write(say(texts.LIVE_NONE))
        return
    charts.draw(
        charts.intervals(
            {
                say(texts.LIVE_VERSION, version=version, rows=number(live.rows)): (
                    live.low,
                    live.accuracy,
                    live.high,
                )
                for version, live in feedback.versions.items()
            }
        )
    )


def _links(monitored: Monitored) -> None:
    logged = [one for one in (*monitored.hours, *monitored.batches) if one.experiment_id]
    with st.container(horizontal=True):
        if logged:
            experiment = links.mlflow_experiment(logged[-1].experiment_id)
            st.link_button(say(texts.SEE_COMPARISONS), experiment, icon=_OUT)
        st.link_button(
            say(texts.SEE_MONITORING), links.airflow_dag(links.MONITORING_DAG), icon=_OUT
        )


def _changed(hour: Hour) -> str:
    first, *more = dict.fromkeys(map(_called, hour.findings))
    return say(texts.CHANGES_MORE, first=first, count=len(more)) if more else first


def _called(shift: Shift) -> str:
    return column(shift.column) if shift.column else say(texts.WHOLE_ROW)


def _then_and_now(name: str, histogram: Histogram) -> None:
    # A category may have got values since.
    shares = dict(zip(bins(name, histogram.edges), histogram.shares, strict=False))
    most = sorted(shares, key=lambda one: -max(shares[one]))[:_BINS_SHOWN]
    charts.draw(charts.then_and_now({one: shares[one] for one in shares if one in most}))
