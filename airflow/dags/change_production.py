"""Puts a version into Production because a person says so: `promote_model`, `rollback_model`.

Each is started by hand, with a form that lists the versions. The version is loaded and must answer
as it did in training before it becomes Production; then the run waits until every replica of the
inference service answers with it. Who, when and why go into the history of Production.
"""

import os
from collections.abc import Callable
from datetime import datetime, timedelta

from airflow.sdk import Param, dag, task
from airflow.sdk.exceptions import AirflowFailException

from covertype.history import FOLDER, Entry, History, once_in_production, waiting
from covertype.storage import open_store


def change_dag(dag_id: str, versions: Callable[[list[Entry]], list[Entry]], about: str) -> None:
    """Define a DAG that changes Production; the job of the same kind does it."""
    root = os.environ.get("DATASETS_URL")
    try:
        listed = versions(History(open_store(root).at(FOLDER)).entries()) if root else []
    except OSError:
        # The form then lists none; the DAG itself says why it can't be read.
        listed = []

    @dag(
        dag_id=dag_id,
        schedule=None,
        start_date=datetime(2026, 1, 1),
        catchup=False,
        max_active_runs=1,
        tags=["covertype", "production"],
        doc_md=__doc__,
        params={
            "version": Param(
                type="string",
                pattern="^[0-9]+$",
                title="Version",
                description=about,
                examples=[entry.version for entry in listed],
                values_display={
                    entry.version: f"{entry.version}: {entry.kind} {entry.at:%Y-%m-%d %H:%M} UTC"
                    for entry in listed
                },
            ),
            "why": Param(
                "",
                type="string",
                maxLength=500,
                title="Why",
                description="The reason, for the history.",
            ),
        },
        default_args={
            "retries": 2,
            "retry_delay": timedelta(seconds=10),
            "execution_timeout": timedelta(minutes=10),
        },
    )
    def change_production():
        @task
        def change(params=None, dag_run=None) -> str:
            from covertype import jobs
            from covertype.registry.manual import NotPossible

            job = {"promote_model": jobs.promote_by_hand, "rollback_model": jobs.roll_back}[dag_id]
            try:
                job(params["version"], dag_run.triggering_user_name or "airflow", params["why"])
            except NotPossible as reason:
                raise AirflowFailException(str(reason)) from None
            return params["version"]

        @task
        def wait_until_served(version: str) -> list[str]:
            from covertype import jobs

            return jobs.wait_until_served(version)

        wait_until_served(change())

    change_production()


change_dag("promote_model", waiting, "A version that passed the promotion gate.")
change_dag("rollback_model", once_in_production, "A version that was in Production before.")
