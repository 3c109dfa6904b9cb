"""A model's figures are those of the form that serves; former requests are answered again."""

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.pipeline import Pipeline

from covertype.contract import CLASSES
from covertype.models import trials
from covertype.models.artifact import MODEL_FILE, dump_model, load_model
from covertype.models.forest_walks import ForestPredictor
from covertype.models.predictors import PipelinePredictor, Predictor
from covertype.models.trials import Contender, on_trial
from covertype.rows.codes import WIDTH, Codes, to_codes

Answers = npt.NDArray[np.float64]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "_MEASURING_SECONDS", 0.0)


@pytest.fixture(scope="module")
def logged_forest(forest: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forest")
    dump_model(forest, folder / MODEL_FILE)
    return folder


@pytest.fixture
def codes(rows: list[list[object]]) -> Codes:
    return to_codes(rows[:50])


def labelled(codes: Codes, classes: npt.NDArray[np.int64]) -> Codes:
    return np.column_stack([codes, classes]).astype(np.int16)


def answering(contender: Contender, change: Callable[[Codes, Answers], Answers]) -> Contender:
    """Return the contender with a predictor whose answers are changed."""

    class Changed:
        def answer(self, codes: Codes) -> Answers:
            return change(codes, contender.predictor.answer(codes))

        probabilities = answer
        explain = contender.predictor.explain

    predictor: Predictor = Changed()
    return replace(contender, predictor=predictor)


def fail_at(row: npt.NDArray[np.int16]) -> Callable[[Codes, Answers], Answers]:
    def fail(codes: Codes, answers: Answers) -> Answers:
        if np.array_equal(codes[0], row):
            raise ZeroDivisionError
        return answers

    return fail


def test_a_forest_is_measured_as_flat_arrays(logged_forest: Path, codes: Codes) -> None:
    before = sorted(logged_forest.iterdir())
    with on_trial(logged_forest) as contender:
        assert isinstance(contender.predictor, ForestPredictor)
        figures = contender.measure(codes)
    assert figures.is_forest
    assert figures.rows == len(codes)
    assert (figures.errors, figures.unsound, figures.unequal) == (0, 0, 0)
    assert figures.seconds_per_row > 0
    assert figures.artifact_bytes == (logged_forest / MODEL_FILE).stat().st_size
    nodes = sum(tree.tree_.node_count for tree in load_model(logged_forest)[-1].estimators_)
    assert 8 * nodes < figures.loaded_bytes < 12 * nodes
    assert sorted(logged_forest.iterdir()) == before


def test_another_model_is_measured_as_its_pipeline(
    logistic_regression: Pipeline, tmp_path: Path, codes: Codes
) -> None:
    dump_model(logistic_regression, tmp_path / MODEL_FILE)
    with on_trial(tmp_path) as contender:
        assert isinstance(contender.predictor, PipelinePredictor)
        figures = contender.measure(codes[:3])
    assert not figures.is_forest
    assert (figures.errors, figures.unsound, figures.unequal) == (0, 0, 0)
    assert figures.seconds_per_row > 0
    assert figures.loaded_bytes > figures.artifact_bytes > 0


@pytest.mark.parametrize(
    ("change", "unsound", "unequal"),
    [
        (lambda _, answers: answers * np.nan, 50, 50),
        (lambda _, answers: answers * 1.001, 50, 50),
        (lambda _, answers: np.add(answers, [-0.5, 0.5, 0, 0, 0, 0, 0]), None, 50),
        (lambda _, answers: np.roll(answers, 1, axis=1), 0, 50),
    ],
)
def test_unsound_answers_and_those_of_another_forest_are_counted(
    logged_forest: Path,
    codes: Codes,
    change: Callable[[Codes, Answers], Answers],
    unsound: int | None,
    unequal: int,
) -> None:
    with on_trial(logged_forest) as contender:
        negative = int((contender.predictor.answer(codes)[:, 0] < 0.5).sum())
        figures = answering(contender, change).measure(codes)
    assert figures.unsound == (negative if unsound is None else unsound)
    assert figures.unequal == unequal


def test_an_answer_that_raises_an_error_is_counted_and_has_no_time(
    logged_forest: Path, codes: Codes
) -> None:
    with on_trial(logged_forest) as contender:
        figures = answering(contender, fail_at(codes[7])).measure(codes)
    assert (figures.errors, figures.unsound, figures.unequal) == (1, 0, 0)
    assert figures.seconds_per_row > 0


def test_a_model_is_not_measured_on_nothing(logged_forest: Path, codes: Codes) -> None:
    with on_trial(logged_forest) as contender, pytest.raises(ValueError, match="at least one row"):
        contender.measure(codes[:0])


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_model_that_can_not_be_read_is_an_error(
    logged_forest: Path, tmp_path: Path, damage: str
) -> None:
    if damage == "cut":
        content = (logged_forest / MODEL_FILE).read_bytes()
        (tmp_path / MODEL_FILE).write_bytes(content[: len(content) // 2])
    with pytest.raises((ValueError, zipfile.BadZipFile)), on_trial(tmp_path):
        pass


def test_a_replay_of_its_own_answers_changes_none(
    logged_forest: Path, codes: Codes, expected: Answers
) -> None:
    former = expected[: len(codes)].argmax(axis=1)
    with on_trial(logged_forest) as contender:
        replay = contender.replay(labelled(codes, former))
    assert replay.rows == len(codes)
    assert (replay.errors, replay.unsound) == (0, 0)
    assert replay.asked == np.bincount(former, minlength=len(CLASSES)).tolist()
    assert replay.changed == [0] * len(CLASSES)
    assert replay.seconds_per_row > 0


def test_a_replay_counts_changed_answers_by_the_former_class(
    logged_forest: Path, codes: Codes, expected: Answers
) -> None:
    former = expected[: len(codes)].argmax(axis=1)
    others = former.copy()
    others[former == 1] = 6
    with on_trial(logged_forest) as contender:
        replay = contender.replay(labelled(codes, others))
    count = int((former == 1).sum())
    assert count
    assert replay.changed == [0, 0, 0, 0, 0, 0, count]


def test_a_replay_counts_errors_and_unsound_answers_apart(
    logged_forest: Path, codes: Codes, expected: Answers
) -> None:
    former = expected[: len(codes)].argmax(axis=1)

    def change(asked: Codes, answers: Answers) -> Answers:
        if np.array_equal(asked[0], codes[3]):
            return answers * np.nan
        return fail_at(codes[7])(asked, answers)

    with on_trial(logged_forest) as contender:
        replay = answering(contender, change).replay(labelled(codes, former))
    assert (replay.errors, replay.unsound) == (1, 1)
    assert sum(replay.changed) == 0


def test_a_replay_in_which_all_fails_has_no_time(logged_forest: Path, codes: Codes) -> None:
    def fail(_: Codes, __: Answers) -> Answers:
        raise MemoryError

    with on_trial(logged_forest) as contender:
        replay = answering(contender, fail).replay(labelled(codes, np.zeros(len(codes), int)))
    assert replay.errors == len(codes)
    assert replay.seconds_per_row == 0


def test_a_replay_of_nothing_is_empty(logged_forest: Path) -> None:
    with on_trial(logged_forest) as contender:
        replay = contender.replay(np.empty((0, WIDTH + 1), np.int16))
    assert replay.rows == 0
    assert replay.changed == replay.asked == [0] * len(CLASSES)
