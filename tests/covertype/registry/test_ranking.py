"""What makes one model better than another."""

import numpy as np
import pytest

from covertype.registry.ranking import Scores, best, floor_accuracy, is_better


def test_the_most_accurate_candidate_is_the_best() -> None:
    scores = {"a": Scores(0.80, 0.1), "b": Scores(0.82, 0.9), "c": Scores(0.81, 0.2)}
    assert best(scores) == "b"


def test_of_equally_accurate_candidates_the_one_of_smaller_log_loss_is_the_best() -> None:
    scores = {"a": Scores(0.8, 0.5), "b": Scores(0.8, 0.3), "c": Scores(0.8, 0.4)}
    assert best(scores) == "b"


def test_of_candidates_with_equal_scores_the_first_is_the_best() -> None:
    assert best({"a": Scores(0.8, 0.5), "b": Scores(0.8, 0.5)}) == "a"


def test_without_candidates_there_is_no_best() -> None:
    with pytest.raises(ValueError, match="no candidates"):
        best({})


@pytest.mark.parametrize(
    ("challenger", "rival", "better"), [(0.81, 0.8, True), (0.8, 0.8, False), (0.79, 0.8, False)]
)
def test_a_challenger_must_be_strictly_more_accurate(
    challenger: float, rival: float, better: bool
) -> None:
    assert is_better(challenger, rival) is better


@pytest.mark.parametrize(
    ("classes", "floor"), [([1, 1, 1, 0], 0.75), ([6, 6, 2, 2], 0.5), ([3], 1.0)]
)
def test_the_floor_is_the_share_of_the_most_frequent_class(
    classes: list[int], floor: float
) -> None:
    assert floor_accuracy(np.array(classes)) == floor
