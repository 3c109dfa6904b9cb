"""Fitted models, and their proofs."""

import pytest
from sklearn.pipeline import Pipeline

from covertype.models.artifact import Proof
from covertype.training.fitting import TrainingSet
from tests.models import compiled, data, expected, forest, logistic_regression, rows

__all__ = ["compiled", "data", "expected", "forest", "logistic_regression", "rows"]


@pytest.fixture(scope="session")
def proof(forest: Pipeline, data: TrainingSet) -> Proof:
    return Proof.of(forest, data.train.observations, data.selection.observations)
