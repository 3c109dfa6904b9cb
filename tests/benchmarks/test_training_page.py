import pytest

from benchmarks import training_page
from benchmarks.preprocessing import CycleTimes
from benchmarks.training_page import AllRows, RecipeResult, Recipes
from benchmarks.ways import Fit, Outcome
from covertype.training.searches import FOREST, LOGREG

READING = RecipeResult("reading", Outcome(0.1, 300.0, []), 0)
CYCLES = [CycleTimes("few cycles", 10, 1000, 1.0, 200.0)]


def way(
    title: str = "a way",
    *fits: tuple[float, float],
    seconds: float = 100.0,
    stored_mb: float = 10,
    converged: bool = True,
) -> RecipeResult:
    """Return a way whose fits have these seconds and accuracies; macro F1 is 0.01 less."""
    made = [Fit({}, each, accuracy, accuracy - 0.01, converged, 7) for each, accuracy in fits]
    return RecipeResult(title, Outcome(seconds, 500.0, made), int(stored_mb * 1e6))


def recipes(reference: RecipeResult, new: RecipeResult) -> str:
    former = way("former", (20, 0.8), seconds=50)
    unused = way("other", (1, 0.5))
    measured = Recipes(1000, READING, [reference, former, new], [unused] * 3, unused)
    return training_page.of_recipes(measured, CYCLES)


def test_the_ratios_are_those_of_the_figures() -> None:
    text = recipes(
        way("reference", (30, 0.7), (50, 0.8), seconds=100),
        way("new", (4, 0.9), (6, 0.85), seconds=20),
    )
    assert "5.0 times as fast with logging and 8.0 times without, and 10.0 points" in text
    assert "The target is 5 times and 7 points: met." in text
    assert "| reference | 100.0 | 80.0 | 0.8000 | 0.7900 | 500 | 10.00 |" in text


@pytest.mark.parametrize(("seconds", "accuracy"), [(21, 0.9), (20, 0.86)])
def test_a_missed_target_is_told(seconds: float, accuracy: float) -> None:
    text = recipes(way("reference", (80, 0.8)), way("new", (10, accuracy), seconds=seconds))
    assert "The target is 5 times and 7 points: not met." in text


def test_regressions_that_did_not_converge_are_counted() -> None:
    ways = [
        way(title, (10, 0.7), (10, 0.7), converged=title != "reference")
        for title in ("reference", "former", "new")
    ]
    text = training_page.of_recipes(Recipes(9, READING, ways, ways, ways[0]), CYCLES)
    assert "Reference: 0 of 2 fits converged. Former: 2 of 2 fits converged." in text


def all_rows(best: RecipeResult) -> str:
    others = [
        way(FOREST.run_name(number), (90, 0.9)) for number in range(len(FOREST.candidates) - 1)
    ]
    searches = [
        way("forests", (30, 0.9), (50, 0.98), stored_mb=170),
        way("regressions", *[(1, 0.7)] * len(LOGREG.candidates), stored_mb=20),
    ]
    default, former = way("default", (100, 0.95), stored_mb=700), way("former", (150, 0.96))
    return training_page.of_all_rows(
        AllRows(1000, READING, default, former, [*others, best], searches)
    )


def test_the_targets_of_the_best_forest_are_judged_by_its_figures() -> None:
    text = all_rows(way("rf_run_6", (40, 0.98), stored_mb=120))
    assert "`rf_run_6` takes 0.40 times the default forest's time and stores 120 MB." in text
    assert "within 0.4 of that time: met, by `rf_run_6`." in text
    assert "within 0.8 of that time: not met." in text
    assert "stores 190 MB of them (at most 400: met), 120 MB of the best forest" in text


def test_a_forest_that_takes_too_long_meets_no_target() -> None:
    text = all_rows(way("rf_run_6", (41, 0.99), stored_mb=131))
    assert "within 0.4 of that time: not met. " in text
    assert "within 0.8 of that time: met, by `rf_run_6`." in text
    assert "(at most 130: not met)" in text


def test_the_ladder_has_a_row_for_each_candidate() -> None:
    text = all_rows(way("rf_run_6", (40, 0.98)))
    assert "| `rf_run_0` | 54 | 100 | 20 | a bootstrap sample | 90.0 | 0.90 |" in text
    assert "| `rf_run_6` | 30 | 100 | no limit | all rows | 40.0 | 0.40 |" in text
