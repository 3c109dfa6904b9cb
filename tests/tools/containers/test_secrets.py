import stat
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tools.containers import secrets
from tools.containers.engine import DockerFailed
from tools.containers.passwords import SECRETS, read_variables


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for `.env`, beside no databases."""
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(secrets, "SETTINGS", tmp_path / ".env")
    monkeypatch.setattr(secrets, "_PENDING", tmp_path / ".env.new")
    monkeypatch.setattr(secrets, "_change_in_databases", lambda old, new: None)
    return tmp_path / ".env"


def test_every_default_is_replaced_in_a_file_that_only_its_owner_reads(settings: Path) -> None:
    assert secrets.main() == 0
    known = read_variables(ROOT / ".env.example")
    written = read_variables(settings)
    assert written.keys() == SECRETS.keys()
    assert all(written[name] != known[name] for name in SECRETS)
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600


def test_other_settings_and_own_secrets_are_kept(settings: Path) -> None:
    settings.write_text("# mine\nBATCH_SECONDS=60\nMYSQL_PASSWORD=my-own\nPOSTGRES_PASSWORD=\n")
    secrets.main()
    assert settings.read_text().startswith("# mine\nBATCH_SECONDS=60\nMYSQL_PASSWORD=my-own\n")
    assert read_variables(settings)["POSTGRES_PASSWORD"] != ""


def test_second_run_changes_nothing(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secrets.main()
    written = settings.read_text()
    secrets.main()
    assert settings.read_text() == written
    assert "nothing to replace" in capsys.readouterr().out


def test_secrets_are_not_printed(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secrets.main()
    said = capsys.readouterr()
    assert not any(value in said.out + said.err for value in read_variables(settings).values())


def test_settings_stay_and_the_next_try_goes_on_if_a_database_refuses(
    settings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = []

    def refuse(old: object, new: dict[str, str]) -> None:
        tried.append(new)
        if len(tried) == 1:
            raise DockerFailed("mysql is down")

    monkeypatch.setattr(secrets, "_change_in_databases", refuse)
    assert secrets.main() == 1
    assert "mysql is down" in capsys.readouterr().err
    assert not settings.exists()
    assert secrets.main() == 0
    assert tried[0] == tried[1] == read_variables(settings)


def test_a_secret_that_is_no_default_is_replaced_by_name(settings: Path) -> None:
    secrets.main()
    before = read_variables(settings)
    assert secrets.main(["MYSQL_PASSWORD"]) == 0
    after = read_variables(settings)
    assert {name for name in before if before[name] != after[name]} == {"MYSQL_PASSWORD"}
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600


def test_an_interrupted_rotation_is_finished_by_the_next_try(
    settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets.main()
    before = settings.read_text()
    told = []

    def tell(old: object, new: dict[str, str]) -> None:
        told.append(new)
        if len(told) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(secrets, "_change_in_databases", tell)
    with pytest.raises(KeyboardInterrupt):
        secrets.main(["MYSQL_PASSWORD", "POSTGRES_PASSWORD"])
    assert settings.read_text() == before
    assert secrets.main() == 0
    assert told[0] == told[1]
    assert told[0].items() <= read_variables(settings).items()
    assert secrets.main() == 0
    assert len(told) == 2


def test_default_set_in_the_environment_is_refused_as_it_would_win(
    settings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MYSQL_PASSWORD", "mlflow_password")
    assert secrets.main() == 1
    assert "MYSQL_PASSWORD" in capsys.readouterr().err
    assert not settings.exists()
