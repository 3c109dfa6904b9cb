"""The unfitted Pipelines of the searches: encoder first, so that a model takes raw columns."""

from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from covertype.encoding import make_encoder
from covertype.searches import Parameters, Search

SEED = 0
_MAX_ITERATIONS = 300


def build(search: Search, parameters: Parameters) -> Pipeline:
    """Return the Pipeline of one candidate.

    Raises
    ------
    ValueError
        If the search's kind of model has no such parameter, or not with such a value.
    """
    steps = {"logistic regression": _logistic_regression, "forest": _forest}[search.family]
    try:
        pipeline = Pipeline([("encoder", make_encoder()), *steps(parameters)])
        pipeline[-1]._validate_params()
    except (TypeError, ValueError) as error:
        raise ValueError(f"{dict(parameters)} makes no {search.family}: {error}") from error
    return pipeline


def _logistic_regression(parameters: Parameters) -> list[tuple[str, object]]:
    classifier = LogisticRegression(max_iter=_MAX_ITERATIONS, **parameters)
    return [("scaler", StandardScaler()), ("classifier", classifier)]


def _forest(parameters: Parameters) -> list[tuple[str, object]]:
    # Most of the 54 columns are one-hot and nearly always 0: trying a third of them at a split
    # gives better and smaller forests than trying the square root of their number.
    settings = {"max_features": 0.3, "n_jobs": -1, "random_state": SEED} | dict(parameters)
    return [("classifier", RandomForestClassifier(**settings))]
