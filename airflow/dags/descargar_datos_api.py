"""Collects observations from the group data API.

Every five minutes one task a group fetches its rows into `group_<g>/batch_<b>_<time>.csv`. A group
that is exhausted is skipped; one that fails is retried with growing pauses and never stops the
others. What arrived is then announced, once, as new raw data. When no group has anything more to
give, that is announced too, so that the last rows are trained on even if they are few.
"""

from datetime import datetime, timedelta

from airflow.sdk import Param, TriggerRule, dag, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from assets import RAW_DATA
from covertype.contract import GROUPS


@dag(
    schedule="*/5 * * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    tags=["covertype", "data"],
    doc_md=__doc__,
    params={
        "groups": Param(
            list(GROUPS),
            type="array",
            items={"type": "integer", "enum": list(GROUPS)},
            minItems=1,
            uniqueItems=True,
            title="Groups",
            description="Which groups to collect from.",
        )
    },
)
def descargar_datos_api():
    @task
    def choose_groups(params=None) -> list[int]:
        return params["groups"]

    @task(
        retries=3,
        retry_delay=timedelta(seconds=5),
        retry_exponential_backoff=2,
        max_retry_delay=timedelta(minutes=1),
        execution_timeout=timedelta(minutes=2),
        map_index_template="grupo {{ task.op_kwargs['group'] }}",
    )
    def fetch(group: int, dag_run=None) -> tuple[str, int]:
        from covertype import jobs
        from covertype.ingestion.collection import DataApiRejected, NothingToCollect

        try:
            return jobs.collect_group(group, dag_run.run_after)
        except NothingToCollect as reason:
            raise AirflowSkipException(str(reason)) from None
        except DataApiRejected as reason:
            raise AirflowFailException(str(reason)) from None

    @task(outlets=[RAW_DATA], trigger_rule=TriggerRule.ALL_DONE)
    def announce(collected, ti=None, dag_run=None, outlet_events=None) -> None:
        from covertype import jobs
        from covertype.ingestion.collection import describe

        files = collected[:]
        if not files:
            of_this_run = {"dag_id": dag_run.dag_id, "run_ids": [dag_run.run_id]}
            # If choosing the groups failed, there is one task that could not start.
            states = ["failed", "upstream_failed"]
            failed = ti.get_ti_count(**of_this_run, task_ids=["fetch"], states=states)
            if failed:
                # Airflow judges a run by its last task: skipped, the run would count as a success.
                raise AirflowFailException(
                    f"No group gave rows, and {failed} failed: see the logs of this run's tasks"
                )
            if not jobs.has_unannounced_rows():
                raise AirflowSkipException("No group gave rows in this run")
        outlet_events[RAW_DATA].extra = describe(files)

    announce(fetch.expand(group=choose_groups()))


descargar_datos_api()
