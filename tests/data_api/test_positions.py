from pathlib import Path

import pytest

from positions import Exhausted, GroupPositions

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
def positions(file: Path, clock: Clock) -> GroupPositions:
    return GroupPositions(file, BATCH_SECONDS, clock)


def test_group_starts_at_the_first_batch_and_keeps_it_for_batch_seconds(
    positions: GroupPositions, clock: Clock
) -> None:
    assert positions.batch(1) == 1
    clock.now += BATCH_SECONDS - 1
    assert positions.batch(1) == 1
    clock.now += 1
    assert positions.batch(1) == 2


def test_groups_advance_apart(positions: GroupPositions, clock: Clock) -> None:
    positions.batch(1)
    clock.now += BATCH_SECONDS / 2
    positions.batch(2)
    clock.now += BATCH_SECONDS / 2
    assert (positions.batch(1), positions.batch(2)) == (2, 1)


def test_group_that_was_away_misses_no_batch(positions: GroupPositions, clock: Clock) -> None:
    positions.batch(1)
    clock.now += 100 * BATCH_SECONDS
    assert positions.batch(1) == 2
    assert positions.batch(1) == 2


def test_a_clock_that_is_set_back_holds_a_group_for_one_batch_at_most(
    positions: GroupPositions, clock: Clock
) -> None:
    positions.batch(1)
    clock.now += BATCH_SECONDS
    assert positions.batch(1) == 2
    clock.now -= 24 * 3600
    assert positions.batch(1) == 2
    clock.now += BATCH_SECONDS
    assert positions.batch(1) == 3


def test_group_is_exhausted_when_its_tenth_batch_is_over(
    positions: GroupPositions, clock: Clock
) -> None:
    for batch in range(1, 11):
        assert positions.batch(1) == batch
        clock.now += BATCH_SECONDS
    with pytest.raises(Exhausted):
        positions.batch(1)
    assert positions.batch(2) == 1


def test_restarted_group_begins_again_and_others_go_on(
    positions: GroupPositions, clock: Clock
) -> None:
    for group in (1, 2):
        positions.batch(group)
    clock.now += BATCH_SECONDS
    for group in (1, 2):
        positions.batch(group)
    positions.restart(1)
    assert (positions.batch(1), positions.batch(2)) == (1, 2)


def test_positions_survive_a_restart_of_the_service(
    positions: GroupPositions, file: Path, clock: Clock
) -> None:
    positions.batch(4)
    clock.now += BATCH_SECONDS
    positions.batch(4)
    again = GroupPositions(file, BATCH_SECONDS, clock)
    assert again.batch(4) == 2
    clock.now += BATCH_SECONDS
    assert again.batch(4) == 3


def test_group_stays_where_it_was_if_its_advance_cannot_be_kept(
    positions: GroupPositions, file: Path, clock: Clock
) -> None:
    positions.batch(1)
    clock.now += BATCH_SECONDS
    kept = file.read_bytes()
    file.unlink()
    file.parent.rmdir()
    file.parent.touch()
    with pytest.raises(OSError, match="exists"):
        positions.batch(1)
    file.parent.unlink()
    file.parent.mkdir()
    file.write_bytes(kept)
    assert positions.batch(1) == 2


@pytest.mark.parametrize("content", ["", "{", '{"1": 3}', '{"1": {"batch": 11, "since": 0}}'])
def test_file_that_holds_something_else_is_refused_with_the_remedy(
    file: Path, content: str
) -> None:
    file.parent.mkdir()
    file.write_text(content)
    with pytest.raises(ValueError, match="remove it"):
        GroupPositions(file, BATCH_SECONDS)
