"""The hyperparameter searches: which candidates each one compares, and under which names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Any, Literal

Parameters = Mapping[str, Any]
"""The classifier's own parameters by name and, if not the default, those named below."""

ENCODING = "encoding"
"""Parameter: the name of a forest's encoder in `covertype.training.encoding.ENCODERS`."""

LIBRARY = "library"
"""Parameter: the `Library` that trains."""


TREES_A_TASK = 100
"""The most trees that one task trains, unless one forest has more, grown or not."""

TREES_A_PART = 25
"""Forests are fitted in parts of so many trees, each with its own seed, so a forest that grows
equals one that is fitted at once."""

_TREES = "n_estimators"
_DEFAULT_TREES = 100
"""scikit-learn's own."""


class Library(StrEnum):
    """The library that fits a candidate. The result is a plain scikit-learn model in any case."""

    FASTEST = "fastest"
    SCIKIT_LEARN = "scikit-learn"


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

    def batches(self, candidates: Sequence[Parameters]) -> list[list[int]]:
        """Return which candidates, by number, are trained in one task, and in which order.

        Forests that follow one another and have the same encoding share a task, up to
        `TREES_A_TASK`: the start of a task takes longer than a small forest. A forest that
        `can_grow` from the one before always shares its task. Logistic regressions share one: each
        starts from the coefficients of the one before, from the strongest regularization to the
        weakest.
        """
        if self.family == "forest":
            return _forest_batches(candidates)
        numbers = range(len(candidates))
        return [sorted(numbers, key=lambda number: float(candidates[number].get("C", 1.0)))]


def _forest_batches(candidates: Sequence[Parameters]) -> list[list[int]]:
    batches: list[list[int]] = []
    in_last = 0
    for chain in _chains(candidates):
        first, largest = candidates[chain[0]], _trees(candidates[chain[-1]])
        is_next = batches and first.get(ENCODING) == candidates[chain[0] - 1].get(ENCODING)
        if is_next and in_last + largest <= TREES_A_TASK:
            batches[-1] += chain
            in_last += largest
        else:
            batches.append(chain)
            in_last = largest
    return batches


def _chains(candidates: Sequence[Parameters]) -> list[list[int]]:
    """Group forests that follow one another, each of them grown from the one before."""
    chains: list[list[int]] = []
    for number, parameters in enumerate(candidates):
        if number and can_grow(candidates[number - 1], parameters):
            chains[-1].append(number)
        else:
            chains.append([number])
    return chains


def can_grow(smaller: Parameters, larger: Parameters) -> bool:
    """Tell whether the larger forest is the smaller one, which has whole parts, and more trees."""
    count, wanted = _trees(smaller), _trees(larger)
    # By their texts, as 1 column at a split is not 1.0 of them.
    texts = [repr(sorted({**one, _TREES: wanted}.items())) for one in (smaller, larger)]
    return texts[0] == texts[1] and count < wanted and count % TREES_A_PART == 0


def _trees(parameters: Parameters) -> int:
    return int(parameters.get(_TREES, _DEFAULT_TREES))


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
    # The first is the first platform's own model. Each later one shows what one idea is worth: the
    # derived columns (1), every row for every tree in place of a bootstrap sample (2, 4), no limit
    # of depth (3, 4), more trees (5, 6). Beyond 100 trees nothing is gained.
    candidates=(
        {
            ENCODING: "one-hot",
            LIBRARY: Library.SCIKIT_LEARN.value,
            "n_estimators": 100,
            "max_depth": 20,
        },
        {"n_estimators": 25, "max_depth": 20},
        {"n_estimators": 25, "max_depth": 20, "bootstrap": False},
        {"n_estimators": 25, "max_depth": None},
        {"n_estimators": 25, "max_depth": None, "bootstrap": False},
        {"n_estimators": 50, "max_depth": None, "bootstrap": False},
        {"n_estimators": 100, "max_depth": None, "bootstrap": False},
    ),
)
