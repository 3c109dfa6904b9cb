"""Which candidate of a search is the best."""

import pytest

from covertype.registry.ranking import Scores, best


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
