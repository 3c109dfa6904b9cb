"""The collected data: its size, its classes, and the rejected rows."""

import logging

import streamlit as st

from covertype_ui import charts, links, texts
from covertype_ui.collected import (
    CollectedFile,
    Rejections,
    by_collection,
    collected_files,
    distinct_rows,
    rejections,
)
from covertype_ui.contract_words import broken_rule, broken_rules
from covertype_ui.language import moment, number, say
from covertype_ui.settings import settings

log = logging.getLogger(__name__)

_COLLECTIONS_SHOWN = 60
_OUT = ":material/open_in_new:"


def page() -> None:
    """Draw the page."""
    st.write(say(texts.DATA_INTRODUCTION))
    root = settings().datasets_url
    try:
        with st.spinner(say(texts.READING), show_time=True):
            files = collected_files(root)
            if not files:
                st.info(
                    say(texts.DATA_EMPTY, airflow=links.airflow()), icon=":material/hourglass_top:"
                )
                return
            rejected = rejections(root)
            distinct = distinct_rows(root)
    except (OSError, ValueError):
        log.exception("The datasets under %s can't be read", root)
        st.error(say(texts.DATA_UNREADABLE), icon=":material/folder_off:")
        return
    _figures(files, distinct, rejected.total)
    _collections(files)
    _rejections(rejected)


def _figures(files: list[CollectedFile], distinct: int, rejected: int) -> None:
    last = max((each.file.collected for each in files if each.file), default=None)
    with st.container(horizontal=True):
        for name, value, about in (
            (texts.COLLECTED_ROWS, number(sum(each.rows for each in files)), None),
            (texts.DISTINCT_ROWS, number(distinct), texts.DISTINCT_ROWS_HELP),
            (texts.REJECTED_ROWS, number(rejected), None),
            (texts.FILES, number(len(files)), None),
            (texts.LAST_COLLECTED, moment(last) if last else "—", None),
        ):
            about_it = say(about) if about else None
            st.metric(say(name), value, help=about_it, border=True, width="content")
    with st.container(horizontal=True):
        st.link_button(
            say(texts.SEE_COLLECTION), links.airflow_dag(links.COLLECTION_DAG), icon=_OUT
        )
        st.link_button(
            say(texts.SEE_PREPROCESSING), links.airflow_dag(links.PREPROCESSING_DAG), icon=_OUT
        )


def _collections(files: list[CollectedFile]) -> None:
    rows, classes = by_collection(files)
    shown = sorted(rows)[-_COLLECTIONS_SHOWN:]
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader(say(texts.COLLECTIONS))
        charts.draw(charts.collection_rows({when: rows[when] for when in shown}))
        with st.expander(say(texts.EVERY_FILE)):
            st.dataframe(
                [
                    {
                        say(texts.COLLECTED): _collected(each),
                        say(texts.GROUP): each.file and each.file.group,
                        say(texts.BATCH): each.file and each.file.batch,
                        say(texts.ROWS): each.rows,
                    }
                    for each in reversed(files)
                ],
                hide_index=True,
            )
    with right:
        st.subheader(say(texts.CLASS_SHARES), help=say(texts.CLASS_SHARES_HELP))
        charts.draw(charts.class_shares({when: classes[when] for when in shown}))


def _collected(each: CollectedFile) -> str:
    return moment(each.file.collected) if each.file else each.name


def _rejections(rejected: Rejections) -> None:
    st.subheader(say(texts.REJECTIONS))
    if not rejected.total:
        st.write(say(texts.REJECTIONS_NONE))
        return
    by_count = sorted(rejected.by_rule.items(), key=lambda item: item[1], reverse=True)
    st.table(
        [
            {say(texts.REASON): broken_rule(broken), say(texts.ROWS): number(count)}
            for broken, count in by_count
        ]
    )
    with st.expander(say(texts.REJECTIONS_ROWS)):
        st.dataframe(
            {
                say(texts.FILE): rejected.last["source"],
                say(texts.LINE): rejected.last["line"],
                say(texts.ROW_TEXT): rejected.last["text"],
                say(texts.REASON): rejected.last["violations"].map(broken_rules),
            },
            hide_index=True,
        )
