"""Models as files, and what they answer.

The format is skops, which names every type it would make and makes only trusted ones.
"""

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from covertype.contract import CLASSES

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

ENCODER_TYPES = ["numpy.dot"]
"""What our encoders hold beyond the types that skops trusts by itself."""

TRUSTED_TYPES = [*ENCODER_TYPES, "sklearn.tree._tree.Tree"]
"""What our models hold beyond them."""

MODEL_FILE = "model.skops"

# Keys of the metadata that a model's folder holds, for those who serve it.
GOLDEN_ROWS = "golden_rows"
GOLDEN_PROBABILITIES = "golden_probabilities"
TRAINING_RANGES = "training_ranges"


_QUICK = 1
"""The level of deflate: a forest of 660 MB takes 4 s and 113 MB; level 6 takes 12 s and 89 MB."""


def dump_model(model: "Pipeline", path: Path) -> None:
    """Write a model as a compressed skops archive."""
    import skops.io

    skops.io.dump(model, path, compression=zipfile.ZIP_DEFLATED, compresslevel=_QUICK)


def load_model(folder: Path) -> "Pipeline":
    """Load a logged model from its folder.

    Only skops is read and only our own types are trusted, whatever the folder's own description
    asks for, so that one who can write to the artifact store can't run code here.

    Raises
    ------
    ValueError
        If the folder holds no such model.
    """
    # Imported here, as who follows versions needs this module's names long before a model.
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


def class_probabilities(model: "Pipeline", observations: "pd.DataFrame") -> npt.NDArray[np.float64]:
    """Return probabilities of all classes, shape (n, 7); 0 for a class the model never saw."""
    probabilities = np.zeros((len(observations), len(CLASSES)))
    probabilities[:, model.classes_] = model.predict_proba(observations)
    return probabilities
