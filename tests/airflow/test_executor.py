"""The versions of Celery and of Airflow's provider fit each other: the lock alone does not tell."""

import os
import subprocess
import sys
from pathlib import Path


def test_celery_has_what_the_executor_imports(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", "import airflow.providers.celery.executors.celery_executor"],
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path)},
        check=True,
        timeout=120,
    )
