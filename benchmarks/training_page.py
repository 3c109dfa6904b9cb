"""The sections of docs/benchmarks.md that `make bench-training` writes."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import preprocessing, report
from benchmarks.ways import FORMER_FORESTS, NEW_FORESTS, REFERENCE_FORESTS, Fit, Outcome
from covertype.training.encoding import ONE_HOT_NAMES, TREE_NAMES
from covertype.training.searches import ENCODING, FOREST, Parameters

_PACKAGES = ("scikit-learn", "scikit-learn-intelex", "mlflow", "skops", "numpy", "pandas")


@dataclass(frozen=True)
class RecipeResult:
    """One way to train: the outcome of its process, and the bytes that the server stores."""

    title: str
    outcome: Outcome
    stored_bytes: int

    @property
    def best(self) -> Fit:
        return max(self.outcome.fits, key=lambda fit: fit.accuracy)

    @property
    def training_seconds(self) -> float:
        return sum(fit.seconds for fit in self.outcome.fits)

    @property
    def stored_mb(self) -> float:
        return self.stored_bytes / 1e6


@dataclass(frozen=True)
class Recipes:
    """The recipes on the same rows; each sequence is reference, former release, this release.

    `on_one_thread` are the reference's regressions with linear algebra on one thread.
    """

    rows: int
    reading: RecipeResult
    forests: Sequence[RecipeResult]
    regressions: Sequence[RecipeResult]
    on_one_thread: RecipeResult


@dataclass(frozen=True)
class AllRows:
    """scikit-learn's default forest, the former release's best, and what this release trains.

    `forests` are trained alone, `searches` are those of a round, as its DAGs train them.
    """

    rows: int
    reading: RecipeResult
    default: RecipeResult
    former: RecipeResult
    forests: Sequence[RecipeResult]
    searches: Sequence[RecipeResult]


def of_recipes(measured: Recipes, cycles: Sequence[preprocessing.CycleTimes]) -> str:
    """Return the section of `make bench-training`."""
    text = [
        report.conditions("make bench-training", _PACKAGES),
        f"{measured.rows:,} random rows with a fixed seed, scored on the selection part of "
        "`covertype.training.split`. One "
        "way after another, each in a process of its own, logs every candidate to the same MLflow "
        "server. *In all* goes from reading the rows to the last logged model; *training* is "
        "encoding and fitting alone. Accuracy and macro F1 are those of the most accurate "
        "candidate. The memory is the process's peak, logging included; *stored* is what the "
        "server keeps.",
        "- The reference recipe: `pandas.get_dummies`, scikit-learn's classifiers with "
        "`n_jobs=None`, `mlflow.sklearn.log_model` with its defaults. "
        f"Forests (trees, depth): {_sizes(REFERENCE_FORESTS)}. Logistic regressions: unscaled, "
        "`max_iter=200`, as many threads of linear algebra as its library chooses.\n"
        "- The former release's recipe: 54 one-hot columns, `max_features=0.3`, all cores, logged "
        f"as the reference is. Forests: {_sizes(FORMER_FORESTS)}. Logistic regressions: scaled, "
        "`max_iter=300`, one thread, each from a cold start.\n"
        "- The new recipe: "
        f"`{FOREST.run_name(NEW_FORESTS[0])}` to `{FOREST.run_name(NEW_FORESTS[-1])}` and "
        "`train_logreg_model`, trained and logged by "
        "`covertype.registry.tracking.train_batch` as the DAGs' "
        "tasks do, with pictures, golden rows and described data.",
        "### Five forests",
        _recipes_table(measured.reading, measured.forests),
        _against_reference(measured.forests, times=5, points=7),
        "### Ten logistic regressions",
        _recipes_table(measured.reading, [*measured.regressions, measured.on_one_thread]),
        _against_reference(measured.regressions, times=10, points=8),
        _against_one_thread(measured.on_one_thread, measured.regressions[-1]),
        " ".join(
            f"{_capital(way.title)}: {_converged(way)} of {len(way.outcome.fits)} fits converged."
            for way in measured.regressions
        ),
        "### Preprocessing",
        "One more cycle of ten groups' files with 58,100 rows, in a process of its own; the median "
        "of five.",
        preprocessing.table(cycles),
    ]
    return "\n\n".join(text)


def _recipes_table(reading: RecipeResult, ways: Sequence[RecipeResult]) -> str:
    head = [
        *("recipe", "in all, s", "training, s", "accuracy", "macro F1"),
        *("peak memory, MB", "stored, MB"),
    ]
    rows = [
        [
            way.title,
            f"{way.outcome.seconds:.1f}",
            f"{way.training_seconds:.1f}",
            f"{way.best.accuracy:.4f}",
            f"{way.best.f1_macro:.4f}",
            f"{way.outcome.peak_mb:.0f}",
            f"{way.stored_mb:.2f}",
        ]
        for way in ways
    ]
    return report.table(head, [_reading_row(reading, len(head)), *rows])


def _reading_row(reading: RecipeResult, width: int) -> list[str]:
    cells = ["a process that only reads the rows", f"{reading.outcome.seconds:.1f}"]
    return [*cells, *[""] * (width - 4), f"{reading.outcome.peak_mb:.0f}", ""]


def _against_reference(ways: Sequence[RecipeResult], times: float, points: float) -> str:
    """Compare the new recipe with the others and with its targets."""
    reference, former, new = ways
    faster = reference.outcome.seconds / new.outcome.seconds
    better = 100 * (new.best.accuracy - reference.best.accuracy)
    return (
        f"Against the reference recipe the new one is {faster:.1f} times as fast with logging and "
        f"{reference.training_seconds / new.training_seconds:.1f} times without, and {better:.1f} "
        f"points more accurate. The target is {times:g} times and {points:g} points: "
        f"{_met(faster >= times and better >= points)}. Against the former release's it is "
        f"{former.outcome.seconds / new.outcome.seconds:.1f} times as fast with logging and "
        f"{former.training_seconds / new.training_seconds:.1f} times without, and "
        f"{100 * (new.best.accuracy - former.best.accuracy):+.1f} points more accurate."
    )


def _against_one_thread(reference: RecipeResult, new: RecipeResult) -> str:
    return (
        "On small columns several threads of linear algebra may cost more than they give. Against "
        "the reference on one thread the new recipe is "
        f"{reference.outcome.seconds / new.outcome.seconds:.1f} times as fast with logging and "
        f"{reference.training_seconds / new.training_seconds:.1f} times without."
    )


def of_all_rows(measured: AllRows) -> str:
    """Return the section of `make bench-training FULL=1`."""
    best = measured.forests[-1]
    text = [
        report.conditions("make bench-training FULL=1", _PACKAGES),
        f"All {measured.rows:,} rows, scored on the selection part of "
        "`covertype.training.split`. One way after another, each in a process of its own, logs to "
        "the same MLflow server. *Training* is encoding and "
        "fitting; × is its ratio to that of scikit-learn's default forest, "
        "`RandomForestClassifier(n_estimators=100, n_jobs=-1)` over `pandas.get_dummies`, in the "
        "same run. The former release's best has 54 one-hot columns, `max_features=0.3` and no "
        "limit of depth. Both are logged by `mlflow.sklearn.log_model` with its defaults, this "
        "release's by `covertype.registry.tracking.train_batch`. The memory is the process's "
        "peak, logging "
        f"included; a process that only reads the rows has {measured.reading.outcome.peak_mb:.0f} "
        "MB. *Stored* is what the server keeps of the run.",
        _forests_table(
            measured.default,
            [measured.default, measured.former, measured.forests[0], best],
        ),
        _targets(measured),
        "### What each idea is worth",
        _ladder(measured),
        "### A whole round",
        "The searches as their DAGs train them: candidates that start from the one before are "
        "trained after it, and their seconds count from there.",
        _searches_table(measured.searches),
        _round(measured),
    ]
    return "\n\n".join(text)


def _forests_table(default: RecipeResult, ways: Sequence[RecipeResult]) -> str:
    return report.table(
        ["forest", *_FOREST_HEAD],
        [[_named(way), *_forest_cells(way, default)] for way in ways],
    )


_FOREST_HEAD = (
    *("training, s", "×", "accuracy", "macro F1", "nodes"),
    *("peak memory, MB", "stored, MB"),
)


def _forest_cells(way: RecipeResult, default: RecipeResult) -> list[str]:
    (fit,) = way.outcome.fits
    return [
        f"{fit.seconds:.1f}",
        f"{fit.seconds / default.training_seconds:.2f}",
        f"{fit.accuracy:.4f}",
        f"{fit.f1_macro:.4f}",
        f"{fit.nodes:,}",
        f"{way.outcome.peak_mb:.0f}",
        f"{way.stored_mb:.1f}",
    ]


def _named(way: RecipeResult) -> str:
    return f"`{way.title}`" if way.title.startswith(FOREST.run_prefix) else way.title


def _ladder(measured: AllRows) -> str:
    head = ["run", "columns", "trees", "depth", "each tree sees", *_FOREST_HEAD]
    rows = [
        [f"`{way.title}`", *_described(parameters), *_forest_cells(way, measured.default)]
        for way, parameters in zip(measured.forests, FOREST.candidates, strict=True)
    ]
    return report.table(head, rows)


def _described(parameters: Parameters) -> list[str]:
    width = len(ONE_HOT_NAMES if parameters.get(ENCODING) == "one-hot" else TREE_NAMES)
    return [
        str(width),
        str(parameters["n_estimators"]),
        _depth(parameters),
        "a bootstrap sample" if parameters.get("bootstrap", True) else "all rows",
    ]


def _targets(measured: AllRows) -> str:
    """Return which targets the forests reach, computed from the results."""
    default, best = measured.default, measured.forests[-1]
    parts = [
        f"`{best.title}` takes {_ratio(best, default):.2f} times the default forest's time and "
        f"stores {best.stored_mb:.0f} MB."
    ]
    for accuracy, f1_macro, limit, name in (
        (0.979, 0.960, 0.4, "The target"),
        (0.981, 0.962, 0.8, "The aim beyond it"),
    ):
        reached = [
            way
            for way in measured.forests
            if way.best.accuracy >= accuracy
            and way.best.f1_macro >= f1_macro
            and _ratio(way, default) <= limit
        ]
        parts.append(
            f"{name} is accuracy {accuracy:.3f} and macro F1 {f1_macro:.3f} within {limit:g} of "
            f"that time: {_met(bool(reached))}"
            + (f", by {' and '.join(f'`{way.title}`' for way in reached)}." if reached else ".")
        )
    top = max(measured.forests, key=lambda way: way.best.accuracy)
    parts.append(
        f"The most accurate, `{top.title}`, has {top.best.accuracy:.4f} and "
        f"{top.best.f1_macro:.4f}."
    )
    return " ".join(parts)


def _ratio(way: RecipeResult, default: RecipeResult) -> float:
    return way.training_seconds / default.training_seconds


def _searches_table(ways: Sequence[RecipeResult]) -> str:
    head = [
        *("DAG", "candidates", "converged", "in all, s", "training, s"),
        *("best accuracy", "its macro F1", "peak memory, MB", "stored, MB"),
    ]
    rows = [
        [
            way.title,
            f"{len(way.outcome.fits)}",
            "" if way.best.nodes else f"{_converged(way)}",
            f"{way.outcome.seconds:.1f}",
            f"{way.training_seconds:.1f}",
            f"{way.best.accuracy:.4f}",
            f"{way.best.f1_macro:.4f}",
            f"{way.outcome.peak_mb:.0f}",
            f"{way.stored_mb:.2f}",
        ]
        for way in ways
    ]
    return report.table(head, rows)


def _round(measured: AllRows) -> str:
    ways = measured.searches
    stored, best = sum(way.stored_mb for way in ways), measured.forests[-1].stored_mb
    return (
        f"All {sum(len(way.outcome.fits) for way in ways)} candidates of a round take "
        f"{sum(way.outcome.seconds for way in ways):.0f} s one after another, logging included, "
        f"and at most {max(way.outcome.peak_mb for way in ways):.0f} MB. The server stores "
        f"{stored:.0f} MB of them (at most 400: {_met(stored <= 400)}), {best:.0f} MB of the best "
        f"forest (at most 130: {_met(best <= 130)})."
    )


def _converged(way: RecipeResult) -> int:
    return sum(fit.converged for fit in way.outcome.fits)


def _met(is_met: bool) -> str:
    return "met" if is_met else "not met"


def _sizes(candidates: Sequence[Parameters]) -> str:
    return ", ".join(f"({each['n_estimators']}, {_depth(each)})" for each in candidates)


def _depth(parameters: Parameters) -> str:
    depth = parameters["max_depth"]
    return "no limit" if depth is None else str(depth)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
