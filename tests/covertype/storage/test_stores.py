"""What a store promises, of a folder and of a bucket alike."""

import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from obstore.exceptions import AlreadyExistsError

from covertype.atomic import Busy
from covertype.storage import Store, Unavailable, open_store
from covertype.storage.s3 import Bucket


def write(store: Store, name: str, content: bytes) -> None:
    with store.replacing(name) as path:
        path.write_bytes(content)


def test_a_store_that_nobody_wrote_to_is_empty(store: Store) -> None:
    assert list(store.names()) == store.folders() == []
    assert store.sizes() == {}
    assert not store.exists("a")
    with pytest.raises(FileNotFoundError):
        store.read("a")
    with pytest.raises(FileNotFoundError):
        store.open("a")
    store.remove("a")


def test_files_and_folders_are_listed_without_those_of_the_store_itself(store: Store) -> None:
    write(store, "b.csv", b"12")
    write(store.at("day/hour"), "c.csv", b"345")
    write(store.at(".rebuild"), "d.csv", b"")
    with store.locked(".lock"):
        assert list(store.names()) == ["b.csv"]
        assert store.folders() == ["day"]
        assert store.at("day").folders() == ["hour"]
        assert store.at("day/hour").sizes() == {"c.csv": 3}
        assert store.at("day").at("hour").read("c.csv") == b"345"


def test_a_file_is_replaced_as_a_whole_or_not_at_all(store: Store) -> None:
    write(store, "a", b"former")
    with store.replacing("a") as path:
        path.write_bytes(b"new")
        assert store.read("a") == b"former"
    assert store.read("a") == b"new"

    def fail_half_way() -> None:
        with store.replacing("a") as path:
            path.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert store.read("a") == b"new"
    assert list(store.names()) == ["a"]


def test_a_file_is_read_at_any_place(store: Store) -> None:
    content = b"".join(b"line %d\n" % number for number in range(200_000))
    write(store, "a", content)
    with store.open("a") as file:
        assert file.seek(-7, 2) == len(content) - 7
        assert file.read() == content[-7:]
        file.seek(len(content) // 2)
        assert file.read(10) == content[len(content) // 2 :][:10]
        file.seek(0)
        assert file.read(7) == b"line 0\n"
        assert sum(1 for _ in file) == 199_999
        assert file.read() == b""


def test_a_file_that_was_opened_stays_what_it_was_when_it_is_replaced(store: Store) -> None:
    write(store, "a", b"former" * 500_000)
    with store.open("a") as file:
        assert file.read(6) == b"former"
        write(store, "a", b"newest" * 500_000)
        assert file.read() == b"former" * 499_999


def test_an_existing_file_is_not_created_again(store: Store) -> None:
    assert store.create("group/a", b"first")
    assert not store.create("group/a", b"second")
    assert not store.create("group/a", b"first")
    assert store.read("group/a") == b"first"


def test_of_many_that_create_a_file_at_once_one_does(store: Store) -> None:
    for name in "abcdefgh":
        with ThreadPoolExecutor(8) as pool:
            created = list(pool.map(lambda one: store.create(name, b"%d" % one), range(8)))  # noqa: B023
        assert created.count(True) == 1
        assert store.read(name) == b"%d" % created.index(True)


def test_what_is_appended_follows_what_was_there(store: Store) -> None:
    for part in (b"one\n", b"two\n"):
        with store.appending("log") as file:
            file.write(part)
    with store.appending("log") as file:
        size = file.seek(0, 2)
        file.seek(size - 4)
        assert file.read() == b"two\n"
        file.truncate(size - 4)
        file.seek(0, 2)
        file.write(b"three\n")
    assert store.read("log") == b"one\nthree\n"


def test_a_file_is_made_from_another_until_that_changes(store: Store) -> None:
    assert not store.is_made_from("copy", "source")
    write(store, "source", b"1")
    assert not store.is_made_from("copy", "source")
    with store.replacing("copy", made_from="source") as path:
        path.write_bytes(b"1")
    assert store.is_made_from("copy", "source")
    write(store, "source", b"2")
    assert not store.is_made_from("copy", "source")


def test_files_that_were_moved_take_the_place_of_others_and_are_still_made_from_each_other(
    store: Store,
) -> None:
    fresh = store.at(".fresh")
    write(store, "source", b"former")
    write(fresh, "source", b"new")
    with fresh.replacing("copy", made_from="source") as path:
        path.write_bytes(b"new too")
    for name in ("source", "copy"):
        fresh.move(name, store)
    assert (store.read("source"), store.read("copy")) == (b"new", b"new too")
    assert store.is_made_from("copy", "source")
    assert not fresh.exists("source")


def test_files_do_not_move_from_one_kind_of_store_to_another(store: Store, tmp_path: Path) -> None:
    write(store, "a", b"1")
    other = open_store("s3://other" if store.url.startswith("/") else tmp_path)
    with pytest.raises(TypeError, match="can't be moved from"):
        store.move("a", other)


def test_a_lock_is_held_by_one_at_a_time(store: Store) -> None:
    inside: list[int] = []

    def hold(number: int) -> int:
        with store.locked(".lock"):
            inside.append(number)
            time.sleep(0.02)
            assert inside == [number]
            inside.remove(number)
        return number

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(hold, range(12))) == list(range(12))


def test_a_lock_that_is_held_too_long_names_its_holder(store: Store) -> None:
    with (
        store.locked(".lock"),
        pytest.raises(Busy, match=r"\.lock has been locked for 0\.5 s by process \d+ on"),
        store.locked(".lock", seconds=0.5),
    ):
        pass
    with store.locked(".lock", seconds=0.5):
        pass


@pytest.mark.parametrize(
    "url", ["gs://bucket", "s3://", "s3:/bucket", "s3://bucket?region=x", "file:///data"]
)
def test_an_address_of_another_kind_is_rejected(url: str) -> None:
    with pytest.raises(ValueError, match=r"neither a folder nor s3://"):
        open_store(url)


def test_a_missing_bucket_is_named_with_what_to_do(s3: object) -> None:
    store = open_store("s3://missing-bucket")
    with pytest.raises(Unavailable, match="there is no bucket missing-bucket: create it"):
        store.read("a")
    with pytest.raises(Unavailable, match="there is no bucket missing-bucket: create it"):
        write(store, "a", b"1")
    with pytest.raises(Unavailable, match="there is no bucket missing-bucket: create it"):
        store.create("a", b"1")


def test_a_server_that_is_away_is_named_without_pages_of_details(
    monkeypatch: pytest.MonkeyPatch, s3: object
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-to-be-shown")
    store = open_store("s3://away/datasets")
    with pytest.raises(
        Unavailable, match=r"s3://away/datasets can't be used: .*127\.0\.0\.1:9"
    ) as it:
        store.read("a")
    assert len(str(it.value)) < 500
    assert "not-to-be-shown" not in str(it.value)


def test_what_is_made_while_its_source_changes_is_not_made_from_the_new_one(store: Store) -> None:
    write(store, "source", b"1")
    with store.replacing("copy", made_from="source") as path:
        path.write_bytes(store.read("source"))
        if store.url.startswith("s3://"):
            # In a folder its writers have a lock that nobody loses.
            write(store, "source", b"2")
    assert store.is_made_from("copy", "source") is not store.url.startswith("s3://")


def test_a_fork_of_a_process_that_used_s3_says_so_and_does_not_wait_for_ever(bucket: Store) -> None:
    write(bucket, "a", b"1")
    pid = os.fork()
    if pid == 0:
        try:
            bucket.read("a")
        except Unavailable as error:
            os._exit(7 if "forked" in str(error) else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def test_a_creation_that_conflicts_with_one_that_fails_is_repeated(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Amazon answers 409 while another conditional PUT of the same key is under way."""
    put, conflicts = Bucket._put, iter(range(2))

    def conflict(self: Bucket, *arguments: Any, **more: Any) -> None:
        if next(conflicts, None) is not None:
            raise AlreadyExistsError
        put(self, *arguments, **more)

    monkeypatch.setattr(Bucket, "_put", conflict)
    assert bucket.create("a", b"1")
    assert bucket.read("a") == b"1"


def test_a_file_is_created_where_the_disk_has_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    store = open_store(tmp_path)
    assert store.create("a", b"1")
    assert not store.create("a", b"2")
    assert store.read("a") == b"1"
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == ["a"]
