"""Files of many people at once: each fits the budget, or is rejected with a message."""

import threading

import pytest

from covertype.contract import FEATURE_NAMES
from covertype_ui.examples import TYPICAL
from covertype_ui.memory_budget import CELLS_HELD, MemoryBudget, NoMemoryLeft
from covertype_ui.rows import ROW_LIMIT, NotText

LINE = ",".join(str(value) for value in next(iter(TYPICAL.values())))
CELLS = len(FEATURE_NAMES)


def file_of(rows: int) -> bytes:
    return f"{LINE}\n".encode() * rows


def test_the_longest_file_that_is_accepted_fits() -> None:
    assert (len(FEATURE_NAMES) + 1) * ROW_LIMIT <= CELLS_HELD


def test_a_file_fits_again_when_others_are_released() -> None:
    budget = MemoryBudget(10 * CELLS)
    held = [budget.read(file_of(4)), budget.read(file_of(6))]
    with pytest.raises(NoMemoryLeft):
        budget.read(file_of(1))
    held.pop()
    assert len(budget.read(file_of(6))) == 6


def test_a_file_that_is_not_a_table_takes_nothing() -> None:
    budget = MemoryBudget(CELLS)
    for _ in range(3):
        with pytest.raises(NotText):
            budget.read(b"\0,,,,")
    assert len(budget.read(file_of(1))) == 1


def test_a_table_that_is_released_while_the_lock_is_held_blocks_nobody() -> None:
    budget = MemoryBudget(CELLS)
    held = [budget.read(file_of(1))]

    def let_go() -> None:
        # As the garbage collector may, at any moment.
        with budget._lock:
            held.clear()

    thread = threading.Thread(target=let_go, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert len(budget.read(file_of(1))) == 1
