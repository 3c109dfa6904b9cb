"""The use cases that DAG tasks call: each connects settings, datasets and MLflow to the domain.

Jobs are idempotent: a retry with the same arguments gives the same result.
"""

from covertype.jobs.ingestion import (
    collect_group,
    has_unannounced_rows,
    preprocess_files,
    take_snapshot,
)
from covertype.jobs.monitoring import monitor_feedback, monitor_new_data, monitor_predictions
from covertype.jobs.promotion import (
    promote,
    promote_by_hand,
    register,
    reproduce,
    roll_back,
    wait_until_served,
)
from covertype.jobs.training import (
    batch_of,
    choose_best,
    keep_best,
    plan_search,
    train_batch,
    untrained,
)
from covertype.jobs.watching import watch_new_version

__all__ = [
    "batch_of",
    "choose_best",
    "collect_group",
    "has_unannounced_rows",
    "keep_best",
    "monitor_feedback",
    "monitor_new_data",
    "monitor_predictions",
    "plan_search",
    "preprocess_files",
    "promote",
    "promote_by_hand",
    "register",
    "reproduce",
    "roll_back",
    "take_snapshot",
    "train_batch",
    "untrained",
    "wait_until_served",
    "watch_new_version",
]
