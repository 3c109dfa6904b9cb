"""The hyperparameter searches: which candidates each one compares, and under which names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from sklearn.base import ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from covertype.encoding import make_encoder

SEED = 0

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Search:
    """One search: its names in MLflow and on disk, its candidates, and how one is built."""

    experiment: str
    run_prefix: str
    model_name: str
    best_file: str
    candidates: tuple[Parameters, ...]
    build: Callable[[Parameters], Pipeline]

    def run_name(self, number: int) -> str:
        return f"{self.run_prefix}_{number}"


def _pipeline(*steps: tuple[str, Any]) -> Pipeline:
    return Pipeline([("encoder", make_encoder()), *steps])


def build_logistic_regression(parameters: Parameters) -> Pipeline:
    """Return an unfitted logistic regression over scaled columns, classes seen jointly."""
    classifier: ClassifierMixin = LogisticRegression(max_iter=300, **parameters)
    return _pipeline(("scaler", StandardScaler()), ("classifier", classifier))


def build_forest(parameters: Parameters) -> Pipeline:
    """Return an unfitted random forest.

    A third of the columns is tried at each split instead of the square root of their number: most
    of the 54 are one-hot columns that are nearly always 0, and it gives better and smaller forests.
    """
    classifier: ClassifierMixin = RandomForestClassifier(
        max_features=0.3, n_jobs=-1, random_state=SEED, **parameters
    )
    return _pipeline(("classifier", classifier))


LOGREG = Search(
    experiment="covertype_logreg_search",
    run_prefix="logreg_run",
    model_name="modelo_logreg",
    best_file="mejor_logreg_model.pkl",
    candidates=tuple({"C": c} for c in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)),
    build=build_logistic_regression,
)

LOGREG_GRID = Search(
    experiment=LOGREG.experiment,
    run_prefix="logreg_grid_run",
    model_name=LOGREG.model_name,
    best_file="mejor_logreg_model2.pkl",
    candidates=tuple(
        {"C": c, "solver": solver}
        for c, solver in product((0.1, 1.0, 10.0), ("lbfgs", "newton-cg", "newton-cholesky"))
    ),
    build=build_logistic_regression,
)

FOREST = Search(
    experiment="covertype_rf_search",
    run_prefix="rf_run",
    model_name="modelo_rf",
    best_file="mejor_rf_model.pkl",
    candidates=tuple(
        {"n_estimators": trees, "max_depth": depth}
        for trees, depth in (
            (50, 10),
            (50, 20),
            (50, None),
            (100, 10),
            (100, 20),
            (100, None),
            (150, 20),
        )
    ),
    build=build_forest,
)
