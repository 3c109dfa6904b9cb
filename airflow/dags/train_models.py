"""Trains and compares models: `train_logreg_model`, `train_logreg_model2`, `train_rf_model`.

Each starts on new training data and carries out one search of `covertype.searches`: every candidate
is a task and an MLflow run of its own, all on the same snapshot, and the most accurate one is kept.
The best forest is then registered, and promoted if it beats the model in Production.
"""

from datetime import datetime, timedelta

from airflow.sdk import Param, TriggerRule, dag, get_current_context, task

from assets import TRAINING_DATA
from covertype.searches import FOREST, LOGREG, LOGREG_GRID, Search


def search_dag(dag_id: str, search: Search, *, promotes: bool, priority: int) -> None:
    """Define the DAG that carries out a search."""

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
            "priority_weight": priority,
            "weight_rule": "absolute",
        },
    )
    def carry_out():
        @task
        def plan(params=None, dag_run=None, triggering_asset_events=None) -> list[dict]:
            from covertype import jobs

            announced = triggering_asset_events.get(TRAINING_DATA) or []
            snapshot = announced[-1].extra["name"] if announced else params["snapshot"]
            search_id = f"{dag_id}/{dag_run.run_id}"
            return jobs.plan_search(search, params["candidates"], search_id, snapshot)

        @task(map_index_template="{{ name }}")
        def train(candidate: dict) -> str:
            from covertype import jobs
            from covertype.tracking import Candidate

            chosen = Candidate(search, **candidate)
            get_current_context()["name"] = chosen.run_name
            return jobs.train_candidate(chosen)

        @task(trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
        def keep_best(runs) -> str:
            from covertype import jobs

            return jobs.keep_best(search, runs[:])

        @task
        def register(run: str) -> str:
            from covertype import jobs

            return jobs.register(run)

        @task
        def promote(version: str) -> bool:
            from covertype import jobs

            return jobs.promote(version)

        best = keep_best(train.expand(candidate=plan()))
        if promotes:
            promote(register(best))

    carry_out()


# The forests go first where tasks compete: people wait for the model that is served.
search_dag("train_rf_model", FOREST, promotes=True, priority=2)
search_dag("train_logreg_model", LOGREG, promotes=False, priority=1)
search_dag("train_logreg_model2", LOGREG_GRID, promotes=False, priority=1)
