"""Turns raw files into training data.

Reads the raw files that it has not read yet, sets rows that break the data contract aside in
`rejected/` with the reason, drops exact duplicates and merges the rest. When the data has grown
enough since the last announcement, or no more is to come, a snapshot of it is announced as training
data.
"""

from datetime import datetime, timedelta

from airflow.sdk import Param, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from assets import RAW_DATA, TRAINING_DATA


@dag(
    schedule=[RAW_DATA],
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    tags=["covertype", "data"],
    doc_md=__doc__,
    params={
        "announce_anyway": Param(
            False,
            type="boolean",
            title="Announce anyway",
            description="Announce the training data, and so train, even if it has grown little.",
        )
    },
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
)
def preprocess_covertype():
    @task(execution_timeout=timedelta(minutes=10))
    def preprocess_files() -> dict:
        from covertype import jobs

        return jobs.preprocess_files()

    @task(outlets=[TRAINING_DATA], execution_timeout=timedelta(minutes=5))
    def announce(
        grown: dict, params=None, outlet_events=None, triggering_asset_events=None
    ) -> None:
        from covertype import jobs

        # People can create events too, in Airflow's interface, without a number of rows.
        news = triggering_asset_events.get(RAW_DATA) or []
        is_last = any(event.extra.get("rows") == 0 for event in news)
        snapshot = jobs.take_snapshot(**grown, anyway=is_last or params["announce_anyway"])
        if snapshot is None:
            raise AirflowSkipException("Nothing to announce: the data has not grown enough")
        outlet_events[TRAINING_DATA].extra = snapshot

    announce(preprocess_files())


preprocess_covertype()
