"""Writes models that `mlflow.sklearn` and `mlflow.pyfunc` load, as a flavor of our own.

`mlflow.sklearn.save_model` does not compress the archive, holds it in memory and loads it back,
which takes three times the model's memory. It also looks through all installed packages, which
takes longer than to fit a regression. The private names are those of MLflow's guide to flavors.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
from mlflow.models import Model
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.models.utils import _save_example
from mlflow.utils.environment import (
    _CONDA_ENV_FILE_NAME,
    _PYTHON_ENV_FILE_NAME,
    _REQUIREMENTS_FILE_NAME,
    _mlflow_conda_env,
    _PythonEnv,
)
from sklearn.pipeline import Pipeline

from covertype.models.artifact import MODEL_FILE, TRUSTED_TYPES, dump_model

_REQUIREMENTS = [
    f"mlflow=={mlflow.__version__}",
    *(f"{name}=={version(name)}" for name in ("scikit-learn", "skops", "pandas")),
]


def save_model(
    path: str, mlflow_model: Model, model: Pipeline, signature: Any, input_example: Any, **_: Any
) -> None:
    """Write a fitted Pipeline into a new folder; `Model.log` calls this."""
    folder = Path(path)
    folder.mkdir(parents=True)
    dump_model(model, folder / MODEL_FILE)
    (folder / _REQUIREMENTS_FILE_NAME).write_text("\n".join(_REQUIREMENTS))
    conda = str(folder / _CONDA_ENV_FILE_NAME)
    _mlflow_conda_env(conda, additional_pip_deps=_REQUIREMENTS, install_mlflow=False)
    _PythonEnv.current().to_yaml(str(folder / _PYTHON_ENV_FILE_NAME))
    _save_example(mlflow_model, input_example, path)
    mlflow_model.signature = signature
    mlflow.pyfunc.add_to_model(
        mlflow_model,
        loader_module="mlflow.sklearn",
        model_path=MODEL_FILE,
        conda_env=_CONDA_ENV_FILE_NAME,
        python_env=_PYTHON_ENV_FILE_NAME,
        predict_fn="predict",
    )
    mlflow_model.add_flavor(
        mlflow.sklearn.FLAVOR_NAME,
        pickled_model=MODEL_FILE,
        sklearn_version=version("scikit-learn"),
        serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_SKOPS,
        code=None,
        skops_trusted_types=TRUSTED_TYPES,
    )
    mlflow_model.model_size_bytes = sum(file.stat().st_size for file in folder.iterdir())
    mlflow_model.save(str(folder / MLMODEL_FILE_NAME))
