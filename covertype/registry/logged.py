"""The model and the figures that a run logs; `tracking` logs parameters, metrics and datasets.

This module writes both and opens both. Reading needs no scikit-learn and no Pillow, so the
imports that only writing needs are inside its functions.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.models import Model, infer_signature
from mlflow.models.model import ModelInfo

from covertype.models.artifact import MODEL_FILE, Proof

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from covertype.training.fitting import TrainingSet

_EXAMPLE_ROWS = 3
_CONFUSION = "confusion_matrix"
_IMPORTANCES = "importances"


def log_model(model: "Pipeline", name: str, data: "TrainingSet") -> ModelInfo:
    """Log a fitted model to the active run, with its `Proof` as metadata."""
    from covertype.registry import flavor

    example = data.selection.observations.head(_EXAMPLE_ROWS)
    proof = Proof.of(model, data.train.observations, data.selection.observations)
    return Model.log(
        None,
        flavor=flavor,
        name=name,
        metadata=proof.to_metadata(),
        model=model,
        signature=infer_signature(example, model.predict(example)),
        input_example=example,
        # Validation would load the model that was just written.
        validate_serving_input=False,
    )


@dataclass(frozen=True)
class LoggedModel:
    """A logged model in a folder of this machine."""

    folder: Path

    @property
    def file(self) -> Path:
        """The skops archive; it does not exist if another platform logged the model."""
        return self.folder / MODEL_FILE

    def read_proof(self) -> Proof:
        return Proof.from_metadata(Model.load(self.folder).metadata)


@contextmanager
def fetched(uri: str, within: Path | None = None) -> Iterator[LoggedModel]:
    """Fetch the model at an MLflow URI into a temporary folder, which is removed at the end.

    The folder is made in `within`, by default in the system's folder of temporary files.
    """
    with tempfile.TemporaryDirectory(dir=within) as folder:
        yield LoggedModel(Path(mlflow.artifacts.download_artifacts(uri, dst_path=folder)))


def model_uri(run: Run) -> str:
    """Return the MLflow URI of the one model that a run logged."""
    outputs: Any = run.outputs
    return f"models:/{outputs.model_outputs[0].model_id}"


@dataclass(frozen=True)
class Figures:
    """What the pictures of a run show; None for one that the run did not log."""

    confusion_matrix: list[list[int]] | None
    importances: dict[str, float] | None


def write_figures(
    folder: Path, confusion: "npt.NDArray[np.int64]", weights: "pd.Series[float]"
) -> None:
    """Write an evaluation's figures for a run to log, as pictures and as JSON."""
    from covertype.training.figures import draw_confusion, draw_importances

    for name, picture, figures in (
        (_CONFUSION, draw_confusion(confusion), confusion.tolist()),
        (_IMPORTANCES, draw_importances(weights), weights.to_dict()),
    ):
        picture.save(folder / f"{name}.png", compress_level=1)
        (folder / f"{name}.json").write_text(json.dumps(figures))


def fetch_figures(run_id: str) -> Figures:
    """Read the figures that a run logged."""
    logged = {file.path for file in MlflowClient().list_artifacts(run_id)}

    def read(name: str) -> Any:
        path = f"{name}.json"
        return mlflow.artifacts.load_dict(f"runs:/{run_id}/{path}") if path in logged else None

    return Figures(read(_CONFUSION), read(_IMPORTANCES))
