"""The hyperparameter searches: which candidates each one compares, and under which names."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Search:
    """One search: its names in MLflow and on disk, the kind of its models, its candidates."""

    experiment: str
    run_prefix: str
    model_name: str
    best_file: str
    family: Literal["logistic regression", "forest"]
    candidates: tuple[Parameters, ...]

    def run_name(self, number: int) -> str:
        return f"{self.run_prefix}_{number}"


LOGREG = Search(
    experiment="covertype_logreg_search",
    run_prefix="logreg_run",
    model_name="modelo_logreg",
    best_file="mejor_logreg_model.pkl",
    family="logistic regression",
    candidates=tuple({"C": c} for c in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)),
)

LOGREG_GRID = Search(
    experiment=LOGREG.experiment,
    run_prefix="logreg_grid_run",
    model_name=LOGREG.model_name,
    best_file="mejor_logreg_model2.pkl",
    family=LOGREG.family,
    candidates=tuple(
        {"C": c, "solver": solver}
        for c, solver in product((0.1, 1.0, 10.0), ("lbfgs", "newton-cg", "newton-cholesky"))
    ),
)

FOREST = Search(
    experiment="covertype_rf_search",
    run_prefix="rf_run",
    model_name="modelo_rf",
    best_file="mejor_rf_model.pkl",
    family="forest",
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
)
