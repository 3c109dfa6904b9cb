"""Files of many people at once: each has room, or is told that there is none."""

import threading

import pytest

from covertype.contract import FEATURE_NAMES
from covertype_ui.examples import TYPICAL
from covertype_ui.room import CELLS_HELD, NoRoom, Room
from covertype_ui.rows import ROW_LIMIT, NotText

LINE = ",".join(str(value) for value in next(iter(TYPICAL.values())))
CELLS = len(FEATURE_NAMES)


def file_of(rows: int) -> bytes:
    return f"{LINE}\n".encode() * rows


def test_the_longest_file_that_is_accepted_has_room() -> None:
    assert (len(FEATURE_NAMES) + 1) * ROW_LIMIT <= CELLS_HELD


def test_a_file_has_room_again_when_others_are_let_go() -> None:
    room = Room(10 * CELLS)
    held = [room.read(file_of(4)), room.read(file_of(6))]
    with pytest.raises(NoRoom):
        room.read(file_of(1))
    held.pop()
    assert len(room.read(file_of(6))) == 6


def test_a_file_that_is_no_table_takes_no_room() -> None:
    room = Room(CELLS)
    for _ in range(3):
        with pytest.raises(NotText):
            room.read(b"\0,,,,")
    assert len(room.read(file_of(1))) == 1


def test_a_table_that_is_let_go_while_room_is_taken_stops_nobody() -> None:
    room = Room(CELLS)
    held = [room.read(file_of(1))]

    def let_go() -> None:
        # As the garbage collector may, at any moment.
        with room._lock:
            held.clear()

    thread = threading.Thread(target=let_go, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert len(room.read(file_of(1))) == 1
