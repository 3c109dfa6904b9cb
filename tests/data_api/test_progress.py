from pathlib import Path

import pytest

from progress import Exhausted, Progress

BATCH_SECONDS = 300


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data-api" / "state.json"


@pytest.fixture
def progress(file: Path, clock: Clock) -> Progress:
    return Progress(file, BATCH_SECONDS, clock)


def test_group_starts_at_the_first_batch_and_keeps_it_for_batch_seconds(
    progress: Progress, clock: Clock
) -> None:
    assert progress.batch(1) == 1
    clock.now += BATCH_SECONDS - 1
    assert progress.batch(1) == 1
    clock.now += 1
    assert progress.batch(1) == 2


def test_groups_advance_apart(progress: Progress, clock: Clock) -> None:
    progress.batch(1)
    clock.now += BATCH_SECONDS / 2
    progress.batch(2)
    clock.now += BATCH_SECONDS / 2
    assert (progress.batch(1), progress.batch(2)) == (2, 1)


def test_group_that_was_away_misses_no_batch(progress: Progress, clock: Clock) -> None:
    progress.batch(1)
    clock.now += 100 * BATCH_SECONDS
    assert progress.batch(1) == 2
    assert progress.batch(1) == 2


def test_a_clock_that_is_set_back_holds_a_group_for_one_batch_at_most(
    progress: Progress, clock: Clock
) -> None:
    progress.batch(1)
    clock.now += BATCH_SECONDS
    assert progress.batch(1) == 2
    clock.now -= 24 * 3600
    assert progress.batch(1) == 2
    clock.now += BATCH_SECONDS
    assert progress.batch(1) == 3


def test_group_is_exhausted_when_its_tenth_batch_is_over(progress: Progress, clock: Clock) -> None:
    for batch in range(1, 11):
        assert progress.batch(1) == batch
        clock.now += BATCH_SECONDS
    with pytest.raises(Exhausted):
        progress.batch(1)
    assert progress.batch(2) == 1


def test_restarted_group_begins_again_and_others_go_on(progress: Progress, clock: Clock) -> None:
    for group in (1, 2):
        progress.batch(group)
    clock.now += BATCH_SECONDS
    for group in (1, 2):
        progress.batch(group)
    progress.restart(1)
    assert (progress.batch(1), progress.batch(2)) == (1, 2)


def test_positions_survive_a_restart_of_the_service(
    progress: Progress, file: Path, clock: Clock
) -> None:
    progress.batch(4)
    clock.now += BATCH_SECONDS
    progress.batch(4)
    again = Progress(file, BATCH_SECONDS, clock)
    assert again.batch(4) == 2
    clock.now += BATCH_SECONDS
    assert again.batch(4) == 3


def test_group_stays_where_it_was_if_its_advance_cannot_be_kept(
    progress: Progress, file: Path, clock: Clock
) -> None:
    progress.batch(1)
    clock.now += BATCH_SECONDS
    kept = file.read_bytes()
    file.unlink()
    file.parent.rmdir()
    file.parent.touch()
    with pytest.raises(OSError, match="exists"):
        progress.batch(1)
    file.parent.unlink()
    file.parent.mkdir()
    file.write_bytes(kept)
    assert progress.batch(1) == 2


@pytest.mark.parametrize("content", ["", "{", '{"1": 3}', '{"1": {"batch": 11, "since": 0}}'])
def test_file_that_holds_something_else_is_refused_with_the_remedy(
    file: Path, content: str
) -> None:
    file.parent.mkdir()
    file.write_text(content)
    with pytest.raises(ValueError, match="remove it"):
        Progress(file, BATCH_SECONDS)
