"""Fitted models for tests of the form that serves, and of the service over it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from covertype.models.artifact import MODEL_FILE, class_probabilities, dump_model
from covertype.models.flat_forests import ForestArrays, flatten
from covertype.models.predictors import open_forest, save_arrays
from covertype.training.encoding import one_hot_encoder, tree_encoder
from covertype.training.fitting import TrainingSet


@pytest.fixture(scope="session")
def data(real_rows: pd.DataFrame) -> TrainingSet:
    return TrainingSet.from_rows(real_rows)


def make_forest(
    data: TrainingSet, encoder: Callable[[], ColumnTransformer] = tree_encoder, **parameters: Any
) -> Pipeline:
    """Return a fitted forest. It has one thread, which adds up the trees in one order."""
    classifier = RandomForestClassifier(**{"n_estimators": 25, "random_state": 0} | parameters)
    model = Pipeline([("encoder", encoder()), ("classifier", classifier)])
    return model.fit(data.train.observations, data.train.classes)


def saved(model: Pipeline, folder: Path) -> Path:
    """Put a model into a folder as it is logged, and what it serves with beside it."""
    dump_model(model, folder / MODEL_FILE)
    save_arrays(folder)
    return folder


def flattened(model: Pipeline, folder: Path) -> ForestArrays:
    """Return a forest's arrays; the folder is left with the model."""
    dump_model(model, folder / MODEL_FILE)
    stored = open_forest(folder)
    assert stored is not None
    return flatten(stored)


@pytest.fixture(scope="session")
def forest(data: TrainingSet) -> Pipeline:
    return make_forest(data, bootstrap=False)


@pytest.fixture(scope="session")
def logistic_regression(data: TrainingSet) -> Pipeline:
    steps = [
        ("encoder", one_hot_encoder()),
        ("scaler", StandardScaler()),
        ("classifier", LogisticRegression(solver="newton-cholesky")),
    ]
    return Pipeline(steps).fit(data.train.observations, data.train.classes)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="session")
def rows(data: TrainingSet) -> list[list[object]]:
    """Test observations as clients send them, areas and soils by name."""
    observations = data.selection.observations.to_numpy(object).tolist()
    return [list(observation) for observation in observations]


@pytest.fixture(scope="session")
def expected(forest: Pipeline, data: TrainingSet) -> npt.NDArray[np.float64]:
    """What scikit-learn answers to `rows`, shape (n, 7)."""
    return class_probabilities(forest, data.selection.observations)
