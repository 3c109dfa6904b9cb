"""Puts Production back if its new version does badly in its first hour.

It runs every five minutes if `ROLLBACK_ACCURACY` or `ROLLBACK_ERROR_RATE` is set. A version is new
if it was promoted in the place of another one and was never in Production before. Its live
accuracy, by the true classes that clients sent of its answers, and its share of failed requests are
compared with the limits. If one is surely beyond its limit, the version before it returns, and the
run waits until every replica of the inference service answers with it. The reason goes into the
history of Production.
"""

import os
from datetime import datetime, timedelta

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

LIMITS = ("ROLLBACK_ACCURACY", "ROLLBACK_ERROR_RATE")


@dag(
    schedule="*/5 * * * *" if any(float(os.environ.get(one) or 0) for one in LIMITS) else None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    tags=["covertype", "production"],
    doc_md=__doc__,
    default_args={
        "retries": 2,
        "retry_delay": timedelta(seconds=10),
        "execution_timeout": timedelta(minutes=10),
    },
)
def watch_new_version():
    @task
    def watch(dag_run=None) -> str:
        from covertype import jobs
        from covertype.jobs.watching import NothingToWatch
        from covertype.registry.manual import NotPossible

        try:
            return jobs.watch_new_version(dag_run.dag_id, dag_run.run_after)
        except NothingToWatch as reason:
            raise AirflowSkipException(str(reason)) from None
        except NotPossible as reason:
            raise AirflowFailException(str(reason)) from None

    @task
    def wait_until_served(version: str) -> list[str]:
        from covertype import jobs

        return jobs.wait_until_served(version)

    wait_until_served(watch())


watch_new_version()
