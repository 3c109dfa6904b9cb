"""Locks in a bucket, whose holders may die, pause, or lose the server."""

import threading
import time

import pytest

from covertype.atomic import Busy
from covertype.storage import Unavailable, leases
from covertype.storage.leases import leased
from covertype.storage.s3 import Bucket


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", 1.5)
    monkeypatch.setattr(leases, "_RENEW_SECONDS", 0.3)
    monkeypatch.setattr(leases, "_AGAIN_SECONDS", 0.1)
    monkeypatch.setattr(leases, "_PAUSE_SECONDS", 0.05)


def numbers(bucket: Bucket) -> list[int]:
    return sorted(map(int, bucket.at(".lock").etags()))


def die(bucket: Bucket) -> None:
    """Take the lock as a process does that is killed while it holds it."""
    bucket.at(".lock").create(f"{max(numbers(bucket), default=0) + 1:012d}", b"process 7 on host")


def test_a_holder_that_lives_keeps_the_lock_longer_than_its_lease(bucket: Bucket) -> None:
    with leased(bucket, ".lock", 5):
        with pytest.raises(Busy), leased(bucket, ".lock", 3):
            pass
        assert numbers(bucket) == [1]


def test_a_lock_whose_holder_died_is_free_when_its_lease_has_ended(bucket: Bucket) -> None:
    die(bucket)
    begun = time.monotonic()
    with pytest.raises(Busy, match="by process 7 on host:"), leased(bucket, ".lock", 0.5):
        pass
    with leased(bucket, ".lock", 5):
        assert 1.5 <= time.monotonic() - begun < 4
        assert numbers(bucket) == [2]


def test_a_number_is_never_used_twice(bucket: Bucket) -> None:
    for number in range(1, 5):
        with leased(bucket, ".lock", 5):
            assert numbers(bucket) == [number]
    assert numbers(bucket) == [4]


def test_who_comes_back_after_a_long_pause_does_not_take_a_lock_that_others_had_since(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It saw that number 1 was free, and creates number 2 only when that is long gone."""
    with leased(bucket, ".lock", 5):
        pass
    inside, go_on = threading.Event(), threading.Event()
    create = Bucket.create
    pauser = threading.current_thread()

    def late(self: Bucket, name: str, content: bytes) -> bool:
        if threading.current_thread() is not pauser and not inside.is_set():
            inside.set()
            go_on.wait(10)
        return create(self, name, content)

    monkeypatch.setattr(Bucket, "create", late)
    held: list[list[int]] = []

    def pause_and_take() -> None:
        with leased(bucket, ".lock", 20):
            held.append(numbers(bucket))

    paused = threading.Thread(target=pause_and_take)
    paused.start()
    inside.wait(10)
    for _ in range(3):
        with leased(bucket, ".lock", 5):
            pass
    with leased(bucket, ".lock", 5):
        go_on.set()
        time.sleep(0.5)
        assert held == []
        assert max(numbers(bucket)) == 5
    paused.join(20)
    assert held == [[6]]


def away(self: Bucket, name: str, content: bytes) -> None:
    raise Unavailable("the server is away")


def test_a_lock_that_can_t_be_given_back_is_free_when_its_lease_has_ended(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch, leased(bucket, ".lock", 5):
        patch.setattr(Bucket, "write_soon", away)
        time.sleep(0.5)
        assert "can't be renewed: the server is away" in caplog.text
    assert "can't be given back: the server is away" in caplog.text
    begun = time.monotonic()
    with leased(bucket, ".lock", 5):
        assert time.monotonic() - begun > 1


def test_who_lost_a_lock_is_told_when_the_work_is_done(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work() -> None:
        with leased(bucket, ".lock", 5):
            time.sleep(2)

    monkeypatch.setattr(Bucket, "write_soon", away)
    with pytest.raises(Unavailable, match="was lost while it was held"):
        work()


def test_time_in_which_the_server_did_not_answer_takes_no_lock_from_its_holder(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "_BLIND_SECONDS", 0.5)
    etags, answers = Bucket.etags, iter([0.0, 2.0])

    def slow(self: Bucket) -> dict[str, str]:
        seen = etags(self)
        # What it saw is old when the answer comes.
        time.sleep(next(answers, 0))
        return seen

    die(bucket)
    monkeypatch.setattr(Bucket, "etags", slow)
    with pytest.raises(Busy), leased(bucket, ".lock", 2.5):
        pass
    assert numbers(bucket) == [1]


def test_a_lock_whose_folder_was_emptied_can_be_taken(bucket: Bucket) -> None:
    die(bucket)
    timer = threading.Timer(0.5, bucket.at(".lock").remove, ["000000000001"])
    timer.start()
    with leased(bucket, ".lock", 5):
        assert numbers(bucket) == [1]
