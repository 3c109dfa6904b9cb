"""Many rows at once: a CSV file is checked, predicted with progress, summarised and downloaded."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import PurePath

import streamlit as st

from covertype.answers import ModelAnswer
from covertype.contract import CLASSES, COLUMNS, FEATURES
from covertype_ui import charts, texts
from covertype_ui.batch_run import ADDED_COLUMNS, BatchRun
from covertype_ui.contract_words import description, rule
from covertype_ui.examples import TYPICAL
from covertype_ui.inference import PROBLEMS, ServiceProblem
from covertype_ui.language import number, percent, say
from covertype_ui.memory_budget import NoMemoryLeft, budget
from covertype_ui.rows import (
    ROW_LIMIT,
    UNUSABLE,
    ColumnsMissing,
    ColumnsRepeated,
    Fault,
    NoRows,
    NotATable,
    NotText,
    TooLong,
    UnusableFile,
    write_csv,
)
from covertype_ui.services import explain, inference, model_in_production

_RUN = "batch.run"
_UNUSABLE = "batch.unusable"
_PROBLEM = "batch.problem"
_FILE_ID = "batch.file"
_FAULTS_SHOWN = 200
_RESULTS_SHOWN = 100


def page() -> None:
    """Draw the page."""
    st.write(say(texts.BATCH_INTRODUCTION))
    _explain_columns()
    _choose_file()
    unusable = st.session_state.get(_UNUSABLE)
    if unusable is not None:
        st.error(_why_unusable(*unusable), icon=":material/unknown_document:")
    run: BatchRun | None = st.session_state.get(_RUN)
    if run is None:
        return
    _show_check(run)
    if run.left:
        _predict(run)
    _show_result(run)


def _explain_columns() -> None:
    with st.expander(say(texts.BATCH_COLUMNS), icon=":material/table_rows:"):
        st.table(
            [
                {
                    say(texts.COLUMN): f"`{feature.name}`",
                    say(texts.MEANING): description(feature),
                    say(texts.ALLOWED): rule(feature.name),
                }
                for feature in FEATURES
            ]
        )


def _choose_file() -> None:
    _say_in_uploader(texts.UPLOAD_BROWSE, say(texts.UPLOAD_HINT, rows=number(ROW_LIMIT)))
    uploaded = st.file_uploader(say(texts.UPLOAD), ["csv", "txt"], key="batch.upload")
    with st.container(horizontal=True):
        example = _example()
        name = say(texts.EXAMPLE_FILE)
        if st.button(say(texts.USE_EXAMPLE), icon=":material/science:"):
            _take(name, example)
        st.download_button(
            say(texts.DOWNLOAD_TEMPLATE),
            example,
            name,
            "text/csv",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
        )
    if uploaded is not None and uploaded.file_id != st.session_state.get(_FILE_ID):
        st.session_state[_FILE_ID] = uploaded.file_id
        with st.spinner(say(texts.CHECKING)):
            _take(uploaded.name, uploaded.getvalue())


def _say_in_uploader(button: texts.Phrase, hint: str) -> None:
    # Streamlit's uploader has English texts; style.css replaces them by these.
    st.html(f'<style>:root {{ --upload: "{say(button)}"; --upload-hint: "{hint}"; }}</style>')


def _example() -> bytes:
    rows = ([*TYPICAL[name], number] for number, name in enumerate(CLASSES))
    return write_csv(COLUMNS, rows)


def _take(name: str, content: bytes) -> None:
    for key in (_RUN, _UNUSABLE, _PROBLEM):
        st.session_state.pop(key, None)
    try:
        st.session_state[_RUN] = BatchRun(name, budget.read(content))
    except (*UNUSABLE, NoMemoryLeft) as unusable:
        st.session_state[_UNUSABLE] = (name, unusable)


def _why_unusable(name: str, unusable: UnusableFile | NoMemoryLeft) -> str:
    match unusable:
        case NoMemoryLeft():
            return say(texts.FILE_NO_ROOM, name=name)
        case NotText():
            return say(texts.FILE_NOT_TEXT, name=name)
        case NoRows():
            return say(texts.FILE_EMPTY, name=name)
        case NotATable():
            return say(texts.FILE_NOT_A_TABLE, name=name)
        case ColumnsMissing() | ColumnsRepeated():
            columns = ", ".join(f"`{column}`" for column in unusable.columns)
            repeated = isinstance(unusable, ColumnsRepeated)
            phrase = texts.FILE_COLUMNS_REPEATED if repeated else texts.FILE_COLUMNS_MISSING
            return say(phrase, name=name, columns=columns)
        case TooLong():
            return say(
                texts.FILE_TOO_LONG,
                name=name,
                rows=number(unusable.rows),
                limit=number(ROW_LIMIT),
            )


def _show_check(run: BatchRun) -> None:
    right, wrong = len(run.table.rows), len(run.table.faults)
    if not wrong:
        st.success(
            say(texts.FILE_CHECKED, name=run.name, rows=number(right)), icon=":material/check:"
        )
        return
    if right:
        said = say(texts.FILE_PARTLY_RIGHT, name=run.name, right=number(right), wrong=number(wrong))
        st.warning(said, icon=":material/rule:")
    else:
        st.error(say(texts.FILE_WRONG, name=run.name, rows=number(wrong)), icon=":material/rule:")
    with st.expander(say(texts.FAULTS), expanded=True):
        shown = run.table.faults[:_FAULTS_SHOWN]
        st.dataframe(
            [
                {say(texts.LINE): fault.line, say(texts.REASON): _fault(fault, run.table.header)}
                for fault in shown
            ],
            hide_index=True,
            column_config={say(texts.LINE): st.column_config.NumberColumn(width="small")},
        )
        if wrong > len(shown):
            st.caption(say(texts.FAULTS_SHOWN, shown=number(len(shown)), all=number(wrong)))
        st.download_button(
            say(texts.DOWNLOAD_FAULTS),
            write_csv([say(texts.LINE), say(texts.REASON)], _fault_rows(run)),
            say(texts.FAULTS_FILE),
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
        )


def _fault_rows(run: BatchRun) -> Iterator[Sequence[object]]:
    return ((fault.line, _fault(fault, run.table.header)) for fault in run.table.faults)


def _fault(fault: Fault, header: list[str]) -> str:
    if not fault.features:
        return say(texts.FAULT_WIDTH, got=fault.width, wanted=len(header))
    return "; ".join(
        say(texts.FAULT_VALUE, rule=rule(name), value=held or say(texts.FAULT_EMPTY))
        for name, held in fault.features.items()
    )


def _predict(run: BatchRun) -> None:
    total, done = len(run.table.rows), len(run.predictions)
    place = st.empty()
    phrase = texts.PREDICT_REST if done else texts.PREDICT_ROWS
    if place.button(say(phrase, rows=number(run.left)), type="primary", icon=":material/forest:"):
        st.session_state.pop(_PROBLEM, None)
        try:
            with place.container():
                bar = st.progress(done / total, _progress(done, total))
                for now in run.go_on(inference()):
                    bar.progress(now / total, _progress(now, total))
        except PROBLEMS as problem:
            st.session_state[_PROBLEM] = problem
        st.rerun()
    stopped: ServiceProblem | None = st.session_state.get(_PROBLEM)
    if stopped is not None:
        explain(stopped)
        if done:
            st.write(say(texts.BATCH_STOPPED, done=number(done), all=number(total)))
    elif not isinstance(model := model_in_production(), ModelAnswer):
        explain(model)


def _progress(done: int, total: int) -> str:
    return say(texts.PROGRESS, done=number(done), all=number(total))


def _show_result(run: BatchRun) -> None:
    if not run.predictions:
        return
    st.write(
        say(
            texts.BATCH_DONE,
            rows=number(len(run.predictions)),
            seconds=number(run.seconds, 1),
            versions=", ".join(run.versions()),
        )
    )
    if (agreement := run.agreement()) is not None:
        st.write(say(texts.BATCH_AGREES, share=percent(agreement)))
    st.download_button(
        say(texts.DOWNLOAD_RESULT),
        run.result_csv(),
        say(texts.RESULT_FILE, name=PurePath(run.name).stem),
        "text/csv",
        type="secondary" if run.left else "primary",
        icon=":material/download:",
        on_click="ignore",
    )
    st.subheader(say(texts.BATCH_SUMMARY))
    charts.draw(charts.class_counts(run.counts()))
    rows = list(islice(run.result_rows(), _RESULTS_SHOWN))
    st.caption(say(texts.RESULT_SHOWN, shown=number(len(rows))))
    st.dataframe(
        [dict(zip(run.header(), row, strict=True)) for row in rows],
        hide_index=True,
        column_order=[*ADDED_COLUMNS, *run.table.header],
    )
