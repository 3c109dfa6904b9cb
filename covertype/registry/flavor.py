"""Writes models as MLflow's scikit-learn flavor does, but compressed and without a second copy.

MLflow does not compress skops archives. It also holds the archive in memory and loads it back,
which takes three times the model's memory. `mlflow.sklearn.load_model` reads the result as usual.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
from mlflow.models import Model
from mlflow.models.model import MLMODEL_FILE_NAME
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from covertype.models.artifact import MODEL_FILE, TRUSTED_TYPES, dump_model

_REQUIREMENTS = [f"{name}=={version(name)}" for name in ("scikit-learn", "skops", "pandas")]


def save_model(
    path: str, mlflow_model: Model, model: Pipeline, signature: Any, input_example: Any, **_: Any
) -> None:
    """Write a fitted Pipeline into a folder; `Model.log` calls this.

    MLflow writes and describes an unfitted clone; the fitted model then replaces the clone.
    """
    mlflow.sklearn.save_model(
        clone(model),
        path,
        mlflow_model=mlflow_model,
        signature=signature,
        input_example=input_example,
        serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_SKOPS,
        skops_trusted_types=TRUSTED_TYPES,
        pip_requirements=_REQUIREMENTS,
    )
    folder = Path(path)
    dump_model(model, folder / MODEL_FILE)
    mlflow_model.model_size_bytes = sum(file.stat().st_size for file in folder.rglob("*"))
    mlflow_model.save(str(folder / MLMODEL_FILE_NAME))
