"""Locks in a bucket, whose holders may die, pause, or lose the server."""

import threading
import time

import pytest

from covertype.atomic import Busy
from covertype.storage import leases
from covertype.storage.leases import leased
from covertype.storage.s3 import Bucket


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", 1.5)
    monkeypatch.setattr(leases, "_RENEW_SECONDS", 0.3)
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


def test_a_lock_that_can_t_be_given_back_does_not_undo_the_work(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(self: Bucket, name: str, content: bytes) -> None:
        raise OSError("the server is away")

    done = []
    with monkeypatch.context() as away, leased(bucket, ".lock", 5):
        away.setattr(Bucket, "write", refuse)
        done.append(True)
        time.sleep(0.5)
        assert "can't be renewed: the server is away" in caplog.text
    assert done
