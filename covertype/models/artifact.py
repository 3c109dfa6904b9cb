"""A logged model: its file, its proof, and its answers.

The format is skops, which lists the types in an archive and creates only trusted ones.
"""

import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from covertype.contract import CLASSES, FEATURE_NAMES, QUANTITY_NAMES

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

ENCODER_TYPES = ["numpy.dot"]
"""Types in our encoders that skops does not trust by default."""

TRUSTED_TYPES = [*ENCODER_TYPES, "sklearn.tree._tree.Tree"]
"""Types in our models that skops does not trust by default."""

MODEL_FILE = "model.skops"

_GOLDEN_COUNT = 32

_QUICK = 1
"""Deflate level: a forest of 570 MB takes 3 s and 101 MB; level 6 takes 9 s and 81 MB."""


@dataclass(frozen=True)
class Proof:
    """What a copy of a model is proven with, stored as the metadata of the logged model.

    `golden_rows` are observations that the model was not trained on, as lists of 12 in the
    contract's order, and `golden_probabilities` what the model answered to them in training, as
    lists of 7; `training_ranges` are the lowest and the highest training value by quantity.
    """

    golden_rows: list[list[Any]]
    golden_probabilities: list[list[float]]
    training_ranges: dict[str, tuple[int, int]]

    @classmethod
    def of(cls, model: "Pipeline", train: "pd.DataFrame", others: "pd.DataFrame") -> "Proof":
        """Make the proof of a fitted model from its training observations and some others."""
        golden = others.head(_GOLDEN_COUNT)
        return cls(
            golden_rows=golden[list(FEATURE_NAMES)].to_numpy(object).tolist(),
            golden_probabilities=class_probabilities(model, golden).tolist(),
            training_ranges={
                name: (int(train[name].min()), int(train[name].max())) for name in QUANTITY_NAMES
            },
        )

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any] | None) -> "Proof":
        """Read the metadata of a logged model; what is missing is empty."""
        found = metadata or {}
        ranges = found.get("training_ranges", {})
        return cls(
            golden_rows=found.get("golden_rows", []),
            golden_probabilities=found.get("golden_probabilities", []),
            training_ranges={name: (low, high) for name, (low, high) in ranges.items()},
        )

    def to_metadata(self) -> dict[str, Any]:
        """Return the proof as metadata of a logged model: names, numbers and lists."""
        return asdict(self) | {
            "training_ranges": {name: list(ends) for name, ends in self.training_ranges.items()}
        }


def dump_model(model: "Pipeline", path: Path) -> None:
    """Write a model as a compressed skops archive; equal models give equal arrays, byte by byte."""
    import skops.io

    for tree in getattr(model[-1], "estimators_", ()):
        _clear_padding(tree.tree_.__getstate__()["nodes"])
    skops.io.dump(model, path, compression=zipfile.ZIP_DEFLATED, compresslevel=_QUICK)


def _clear_padding(nodes: npt.NDArray[np.void]) -> None:
    """Zero the bytes between the fields, which hold what was in the memory before.

    Nobody reads them, but they would be stored, and make a forest up to a fifth larger.
    """
    is_padding = np.ones(nodes.itemsize, bool)
    for dtype, offset, *_ in (nodes.dtype.fields or {}).values():
        is_padding[offset : offset + dtype.itemsize] = False
    nodes.view(np.uint8).reshape(len(nodes), -1)[:, is_padding] = 0


def load_model(folder: Path) -> "Pipeline":
    """Load a logged model from its folder.

    Only skops is read and only our own types are trusted, whatever the folder's MLmodel file says.
    So write access to the artifact store does not let anyone run code here.

    Raises
    ------
    ValueError
        If the folder holds no such model.
    """
    # Imported here, because the follower imports this module long before there is a model.
    import skops.io
    from sklearn.pipeline import Pipeline

    from covertype.models.stored_forests import StoredForest

    path = folder / MODEL_FILE
    if not path.exists():
        raise ValueError(f"{folder.name} holds no {MODEL_FILE}; only skops models are loaded")
    forest = StoredForest.open(path)
    if forest is not None:
        pipeline: Pipeline = forest.load_pipeline()
        return pipeline
    model = skops.io.load(path, trusted=TRUSTED_TYPES)
    if not isinstance(model, Pipeline):
        raise ValueError(f"{path.name} holds a {type(model).__name__}, not a Pipeline")
    return model


def class_probabilities(model: Any, observations: Any) -> npt.NDArray[np.float64]:
    """Return the probabilities of all classes, shape (n, 7); 0 for classes not in training.

    The model is a Pipeline, and the observations are a DataFrame of shape (n, 12); or it is the
    last step of one, and they are encoded.
    """
    probabilities = np.zeros((len(observations), len(CLASSES)))
    probabilities[:, model.classes_] = model.predict_proba(observations)
    return probabilities
