"""Sends tasks by Airflow's CeleryExecutor, as the scheduler does: `python -m … HOW_MANY`.

Prints what the executor tells the scheduler of each, as a list in JSON.
"""

import json
import sys
from pathlib import Path
from uuid import uuid4

from airflow.executors.workloads import ExecuteTask
from airflow.executors.workloads.base import BundleInfo
from airflow.executors.workloads.task import TaskInstanceDTO
from airflow.providers.celery.executors.celery_executor import CeleryExecutor

RUN = "scheduled__2026-01-01T00:05:00+00:00"


def send(how_many: int) -> list[str]:
    executor = CeleryExecutor()  # type: ignore[no-untyped-call]
    workloads = []
    for group in range(how_many):
        task = TaskInstanceDTO(
            id=uuid4(),
            dag_id="descargar_datos_api",
            task_id="fetch",
            run_id=RUN,
            map_index=group,
            try_number=1,
            dag_version_id=uuid4(),
            pool_slots=1,
            priority_weight=2,
            external_executor_id=str(uuid4()),
        )
        workloads.append(
            ExecuteTask(
                ti=task,
                dag_rel_path=Path("descargar_datos_api.py"),
                token=ExecuteTask.generate_token(str(task.id), executor.jwt_generator),
                bundle_info=BundleInfo(name="dags-folder"),
                log_path=f"dag_id={task.dag_id}/run_id={RUN}/task_id=fetch/map_index={group}/1.log",
            )
        )
    executor._process_workloads(workloads)
    return [str(state) for state, _ in executor.event_buffer.values()]


if __name__ == "__main__":
    print(json.dumps(send(int(sys.argv[1]))))
