"""Keys are made, kept as hashes alone, and revoked by name."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import api_keys
from api_keys import Key, Refused, find, main, make, read, table, write

OWN = Key("0" * 64, "dags", "dags", 1000)


def test_a_made_key_is_known_by_its_hash_alone() -> None:
    clear, key = make([], "anna", "read", 5)
    assert key == Key(hashlib.sha256(clear.encode()).hexdigest().upper(), "anna", "read", 5)
    assert len(clear) >= 32
    assert clear not in repr(key)
    assert make([], "anna", "read", 5)[0] != clear


@pytest.mark.parametrize("name", ["", "Anna", "a b", "a:b", "-a", "a" * 41, "ñ", "a\nb"])
def test_a_name_that_a_line_of_the_map_could_not_hold_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="is no name"):
        make([], name, "read", 5)


@pytest.mark.parametrize("role", ["", "dags", "follower", "form", "root"])
def test_a_role_that_is_not_for_people_is_refused(role: str) -> None:
    with pytest.raises(Refused, match="choose one of predict, metrics, read, admin"):
        make([], "anna", role, 5)


@pytest.mark.parametrize("rate", [-1, 0, 100_001])
def test_a_rate_out_of_range_is_refused(rate: int) -> None:
    with pytest.raises(Refused, match=r"1 to 100,000 requests per second"):
        make([], "anna", "predict", rate)


def test_a_name_is_used_once() -> None:
    _, anna = make([OWN], "anna", "read", 5)
    for taken in ("anna", "dags"):
        with pytest.raises(Refused, match=f"There is a key {taken} already"):
            make([OWN, anna], taken, "read", 5)


def test_only_a_key_that_was_made_is_revoked() -> None:
    _, anna = make([OWN], "anna", "read", 5)
    assert find([OWN, anna], "anna") == anna
    with pytest.raises(Refused, match="There is no key bert"):
        find([OWN, anna], "bert")
    with pytest.raises(Refused, match="account of the platform"):
        find([OWN, anna], "dags")


names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,39}", fullmatch=True)


@given(
    st.lists(
        st.tuples(names, st.sampled_from(list(api_keys.ROLES)), st.integers(1, 100_000)),
        unique_by=lambda one: one[0],
    )
)
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, wanted: list[tuple[str, str, int]]
) -> None:
    file = tmp_path_factory.mktemp("state") / "keys.map"
    keys: list[Key] = []
    for name, role, rate in wanted:
        keys.append(make(keys, name, role, rate)[1])
    write(file, keys)
    assert read(file) == keys
    assert file.stat().st_mode & 0o777 == 0o600


def test_there_are_no_keys_before_the_first_start(tmp_path: Path) -> None:
    assert read(tmp_path / "keys.map") == []


def test_the_table_tells_names_roles_and_rates_but_no_hash() -> None:
    shown = table([OWN])
    assert shown.splitlines()[1].split() == ["dags", "dags", "1000"]
    assert OWN.digest not in shown


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of keys, of a gateway that does not run."""
    file = tmp_path / "keys.map"
    monkeypatch.setattr(api_keys, "FILE", file)
    monkeypatch.setattr(api_keys, "LOCK", tmp_path / "keys.lock")
    monkeypatch.setattr(api_keys, "_SOCKET", str(tmp_path / "absent"))
    return file


@pytest.mark.parametrize("arguments", [[], ["--new", "anna"], ["--revoke", "anna"]])
def test_a_gateway_without_keys_says_so(
    state: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert "make up-gateway" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--new", "bert"], ["--revoke", "anna"]])
def test_nothing_changes_while_the_gateway_does_not_answer(
    state: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _, anna = make([], "anna", "read", 5)
    write(state, [anna])
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert "Nothing was changed" in said.err
    assert said.out == ""
    assert read(state) == [anna]
