"""Trains and compares models: `train_logreg_model`, `train_logreg_model2`, `train_rf_model`.

Each starts on new training data and runs one search of `covertype.training.searches`: every
candidate is an MLflow run of its own, all on the same snapshot, and the most accurate one is kept.
The best forest is then registered, and promoted if it beats the model in Production. If a candidate
could not be trained, the best of the others is kept, but the run ends as failed and names the
candidate.

Tasks that hold a whole model use a pool for forests or a pool for regressions. The pools limit
their memory, and neither kind waits for the other. All other tasks use the default pool, so they
never wait for training.
"""

import os
from datetime import datetime, timedelta

from airflow.sdk import Param, TriggerRule, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from assets import TRAINING_DATA
from covertype.training.searches import FOREST, LOGREG, LOGREG_GRID, Search


def search_dag(dag_id: str, search: Search, *, promotes: bool, pool: str) -> None:
    """Define the DAG that runs a search."""

    @dag(
        dag_id=dag_id,
        schedule=[TRAINING_DATA],
        start_date=datetime(2026, 1, 1),
        catchup=False,
        max_active_runs=1,
        tags=["covertype", "training"],
        doc_md=__doc__,
        params={
            "candidates": Param(
                [dict(candidate) for candidate in search.candidates],
                type="array",
                items={"type": "object"},
                minItems=1,
                maxItems=100,
                title="Candidates",
                description=f"Parameters of each {search.family} to compare.",
            ),
            "snapshot": Param(
                None,
                type=["null", "string"],
                title="Training data",
                description="A file of the datasets' folder training/; empty for the newest.",
            ),
        },
        default_args={
            # Enough to outlive a restart of every service around it.
            "retries": 4,
            "retry_delay": timedelta(seconds=10),
            "execution_timeout": timedelta(minutes=30),
        },
    )
    def run_search():
        @task
        def plan(params=None, dag_run=None, triggering_asset_events=None) -> list[dict]:
            from covertype import jobs

            # Announcements during the previous run become one round, on the newest data.
            search_id = f"{dag_id}/{dag_run.run_id}"
            news = triggering_asset_events.get(TRAINING_DATA) or []
            # People can create events too, without a reason, or start the DAG.
            reason = news[-1].extra.get("reason") if news else None
            return jobs.plan_search(
                search, params["candidates"], search_id, params["snapshot"], reason
            )

        @task(pool=pool, map_index_template="{{ name }}")
        def train(batch: dict) -> list[str]:
            from covertype import jobs

            # Collection, scheduling and serving go first.
            os.nice(10)
            chosen = jobs.batch_of(search, **batch)
            get_current_context()["name"] = chosen.name
            return jobs.train_batch(chosen)

        @task(trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
        def choose_best(runs) -> str:
            from covertype import jobs

            return jobs.choose_best([run for batch in runs for run in batch])

        @task(pool=pool)
        def keep_best(run: str) -> None:
            from covertype import jobs

            jobs.keep_best(search, run)

        @task
        def register(run: str) -> str:
            from covertype import jobs

            return jobs.register(run)

        @task
        def promote(version: str) -> bool:
            from covertype import jobs

            return jobs.promote(version)

        @task(trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
        def report_missing(batches: list[dict], ti=None) -> None:
            from covertype import jobs

            # Airflow judges a run by its last tasks, and `choose_best` succeeds with one candidate.
            trained = ti.xcom_pull(task_ids="train", map_indexes=range(len(batches)))
            if missing := jobs.untrained(search, batches, trained):
                raise AirflowFailException(
                    f"Not trained: {', '.join(missing)}. See the logs of these tasks, and clear "
                    "them to train the candidates after all"
                )

        batches = plan()
        trained = train.expand(batch=batches)
        best = choose_best(trained)
        trained >> report_missing(batches)
        keep_best(best)
        if promotes:
            promote(register(best))

    run_search()


search_dag("train_rf_model", FOREST, promotes=True, pool="training_forests")
search_dag("train_logreg_model", LOGREG, promotes=False, pool="training_regressions")
search_dag("train_logreg_model2", LOGREG_GRID, promotes=False, pool="training_regressions")
