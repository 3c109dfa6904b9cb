"""Models as files: skops, which names every type it would make and makes only trusted ones."""

from pathlib import Path

import skops.io
from sklearn.pipeline import Pipeline

TRUSTED_TYPES = ["sklearn.tree._tree.Tree"]
"""What our models hold beyond the types that skops trusts by itself."""

MODEL_FILE = "model.skops"


def load_model(folder: Path) -> Pipeline:
    """Load a logged model from its folder.

    Only skops is read and only our own types are trusted, whatever the folder's own description
    asks for, so that one who can write to the artifact store can't run code here.

    Raises
    ------
    ValueError
        If the folder holds no such model.
    """
    path = folder / MODEL_FILE
    if not path.exists():
        raise ValueError(f"{folder.name} holds no {MODEL_FILE}; only skops models are loaded")
    model = skops.io.load(path, trusted=TRUSTED_TYPES)
    if not isinstance(model, Pipeline):
        raise ValueError(f"{path.name} holds a {type(model).__name__}, not a Pipeline")
    return model
