"""A disk that is full or read-only, and memory that is short, at everything that writes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import loops, writers
from tests.faults.apart import run_apart


@pytest.mark.parametrize("name", writers.WRITERS)
def test_what_was_whole_stays_whole_on_a_disk_that_refuses_and_writing_goes_on_after_it(
    name: str, tmp_path: Path
) -> None:
    run_apart(writers.is_whole_and_goes_on_when_the_disk_refuses, name, tmp_path)


@pytest.mark.parametrize("name", writers.WRITERS)
def test_what_was_whole_stays_whole_when_memory_is_short_and_writing_goes_on_after_it(
    name: str, tmp_path: Path
) -> None:
    run_apart(writers.is_whole_and_goes_on_when_memory_is_short, name, tmp_path)


@pytest.mark.parametrize("trouble", ["full", "read-only"])
@pytest.mark.parametrize(
    "case",
    [
        loops.the_prediction_log_goes_on,
        loops.the_follower_goes_on,
        loops.the_data_api_goes_on,
        loops.compiled_code_is_used_and_kept_when_there_is_room,
    ],
)
def test_what_runs_without_end_names_the_disk_that_refuses_and_goes_on_after_it(
    case: Callable[[Path, str], None], trouble: str, tmp_path: Path
) -> None:
    run_apart(case, tmp_path, trouble)
