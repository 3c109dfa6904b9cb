"""Scores the version in Production on what it has never seen, and watches how far that drifts.

On new raw data, each batch that Production was not trained on is answered by it: accuracy, macro F1
and recall by class say what to expect of the next batch. The batch is also compared with the
training data, feature by feature. Every hour, what was asked of the inference service is compared
likewise, and the true classes that clients sent give each version's live accuracy. Each comparison
is a run of the MLflow experiment `covertype_monitoring`, with a report. Without a version in
Production, or without anything new, the tasks are skipped.
"""

import os
from datetime import datetime, timedelta

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, Param, TriggerRule, dag, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from assets import RAW_DATA


@dag(
    schedule=AssetOrTimeSchedule(
        # Some minutes after the hour, when its last predictions are written.
        timetable=CronTriggerTimetable("5 * * * *", timezone="UTC"),
        assets=[RAW_DATA],
    ),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    tags=["covertype", "monitoring"],
    doc_md=__doc__,
    params={
        "hour": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Hour of predictions",
            description="A moment in the hour to compare; empty for the last whole hour.",
        )
    },
    default_args={
        "retries": 4,
        "retry_delay": timedelta(seconds=10),
        "execution_timeout": timedelta(minutes=15),
    },
)
def monitor_data_drift():
    @task
    def monitor_new_data() -> list[str]:
        from covertype import jobs
        from covertype.registry.monitored import NothingToMonitor
        from covertype.registry.tracking import Unusable

        # Collection, scheduling and serving go first.
        os.nice(10)
        try:
            return jobs.monitor_new_data()
        except NothingToMonitor as reason:
            raise AirflowSkipException(str(reason)) from None
        except Unusable as reason:
            raise AirflowFailException(f"Production can't answer: {reason}") from reason

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def monitor_predictions(params=None, dag_run=None) -> str:
        from covertype import jobs
        from covertype.registry.monitored import NothingToMonitor

        os.nice(10)
        hour = params["hour"] and datetime.fromisoformat(params["hour"])
        try:
            return jobs.monitor_predictions(dag_run.run_after, hour)
        except NothingToMonitor as reason:
            raise AirflowSkipException(str(reason)) from None

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def monitor_feedback(dag_run=None) -> str:
        from covertype import jobs
        from covertype.registry.monitored import NothingToMonitor

        os.nice(10)
        try:
            return jobs.monitor_feedback(dag_run.run_after)
        except NothingToMonitor as reason:
            raise AirflowSkipException(str(reason)) from None

    # One after another, as they take memory beside a training; none waits for success.
    monitor_new_data() >> monitor_predictions() >> monitor_feedback()


monitor_data_drift()
