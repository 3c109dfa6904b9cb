"""The unfitted Pipelines of the searches: encoder first, so that a model takes raw columns."""

from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from covertype.training.encoding import ENCODERS, one_hot_encoder
from covertype.training.searches import ENCODING, LIBRARY, Library, Parameters, Search

SEED = 0
_MAX_ITERATIONS = 1000


def build(search: Search, parameters: Parameters) -> Pipeline:
    """Return the Pipeline of one candidate.

    Raises
    ------
    ValueError
        If the search's kind of model has no such parameter, or the value is not allowed.
    """
    make = {"logistic regression": _logistic_regression, "forest": _forest}[search.family]
    try:
        library_of(parameters)
        pipeline = make({key: value for key, value in parameters.items() if key != LIBRARY})
        pipeline[-1]._validate_params()
    except (TypeError, ValueError) as error:
        raise ValueError(f"{dict(parameters)} makes no {search.family}: {error}") from error
    return pipeline


def library_of(parameters: Parameters) -> Library:
    """Return the library that trains a candidate.

    Raises
    ------
    ValueError
        If there is no such library.
    """
    library = parameters.get(LIBRARY, Library.FASTEST)
    try:
        return Library(library)
    except ValueError:
        raise ValueError(
            f"{LIBRARY} must be one of {', '.join(Library)}, got {library!r}"
        ) from None


def has_converged(model: Pipeline) -> bool | None:
    """Return whether a fitted model's solver converged; None for a model without a solver."""
    iterations = getattr(model[-1], "n_iter_", None)
    return None if iterations is None else bool(max(iterations) < model[-1].max_iter)


def _logistic_regression(parameters: Parameters) -> Pipeline:
    classifier = LogisticRegression(
        **{"max_iter": _MAX_ITERATIONS, "random_state": SEED} | dict(parameters)
    )
    # In place: nothing else uses the encoded rows.
    scaler = StandardScaler(copy=False)
    return Pipeline(
        [("encoder", one_hot_encoder()), ("scaler", scaler), ("classifier", classifier)]
    )


def _forest(parameters: Parameters) -> Pipeline:
    settings = {"n_jobs": -1, "random_state": SEED} | dict(parameters)
    encoding = settings.pop(ENCODING, "trees")
    if encoding not in ENCODERS:
        raise ValueError(f"{ENCODING} must be one of {', '.join(ENCODERS)}, got {encoding!r}")
    classifier = RandomForestClassifier(**settings)
    return Pipeline([("encoder", ENCODERS[encoding]()), ("classifier", classifier)])
