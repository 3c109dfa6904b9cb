import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tools.containers.passwords import (
    ADDRESSES,
    GATEWAY_ADDRESS,
    OPEN_ADDRESSES,
    SECRETS,
    defaults_in_use,
    is_loopback,
    read_variables,
    reason_not_to_start,
)

MANUAL = ROOT / ".env.example"
BEHIND_A_PROXY = {"PROXY_ASKS_FOR_CREDENTIALS": "true"}


@pytest.fixture
def strong() -> dict[str, str]:
    return {name: make() for name, make in SECRETS.items()}


def test_every_secret_has_a_default_in_the_manual() -> None:
    assert SECRETS.keys() <= read_variables(MANUAL).keys()


def test_strong_secrets_are_long_and_need_no_quoting(strong: dict[str, str]) -> None:
    for name, secret in strong.items():
        assert len(secret) >= 32
        assert set(secret) <= set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_="
        )
        assert secret != SECRETS[name]()
    assert len(strong["AIRFLOW_JWT_SECRET"]) >= 64


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost", ""])
def test_defaults_are_allowed_on_this_machine_alone(address: str) -> None:
    assert reason_not_to_start(dict.fromkeys(ADDRESSES, address), MANUAL) is None


@pytest.mark.parametrize("service", ADDRESSES)
@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.5", "forest.example"])
def test_public_address_is_refused_with_one_default_left(
    address: str, service: str, strong: dict[str, str]
) -> None:
    public = {service: address} | BEHIND_A_PROXY
    assert reason_not_to_start(public | strong, MANUAL) is None
    for name in SECRETS:
        for weak in ("", read_variables(MANUAL)[name]):
            reason = reason_not_to_start(public | strong | {name: weak}, MANUAL)
            assert reason is not None
            assert f"public defaults: {name}." in reason
            assert "make secrets" in reason


@pytest.mark.parametrize("service", OPEN_ADDRESSES)
@pytest.mark.parametrize("said", [{}, {"PROXY_ASKS_FOR_CREDENTIALS": "no"}])
def test_public_address_is_refused_where_nobody_is_asked_for_credentials(
    service: str, said: dict[str, str], strong: dict[str, str]
) -> None:
    reason = reason_not_to_start(strong | {service: "0.0.0.0"} | said, MANUAL)
    assert reason is not None
    assert "make up-gateway" in reason
    assert "PROXY_ASKS_FOR_CREDENTIALS=true" in reason


def test_the_gateway_is_public_with_strong_secrets_alone(strong: dict[str, str]) -> None:
    assert reason_not_to_start(strong | {GATEWAY_ADDRESS: "0.0.0.0"}, MANUAL) is None


def test_public_address_needs_no_secret_of_a_service_that_is_not_there(
    strong: dict[str, str],
) -> None:
    for name in ("REDIS_PASSWORD", "DAGS_KEY", "FOLLOWER_KEY", "FORM_KEY"):
        del strong[name]
    public = {"UI_ADDRESS": "0.0.0.0"} | BEHIND_A_PROXY
    assert reason_not_to_start(strong | public, MANUAL) is None


def test_only_loopback_addresses_are_loopback() -> None:
    assert is_loopback("127.0.0.1")
    assert not is_loopback("10.0.0.1")


def test_program_ends_with_the_reason(strong: dict[str, str]) -> None:
    # Alone, as in its container: beside it lies a module with the name of a standard one.
    command = [sys.executable, "-P", "tools/containers/passwords.py", str(MANUAL)]
    public = {GATEWAY_ADDRESS: "0.0.0.0"}
    refused = subprocess.run(
        command, cwd=ROOT, env=public, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert refused.stderr.startswith("Nothing starts: on 0.0.0.0 the platform")
    assert subprocess.run(command, cwd=ROOT, env=public | strong, check=False).returncode == 0


def test_variables_are_read_without_quotes_and_comments(tmp_path: Path) -> None:
    settings = tmp_path / ".env"
    settings.write_text("# POSTGRES_PASSWORD=commented\nMYSQL_PASSWORD='quoted'\n\nnonsense\n")
    assert read_variables(settings) == {"MYSQL_PASSWORD": "quoted"}
    assert read_variables(tmp_path / "absent") == {}
    assert "MYSQL_PASSWORD" not in defaults_in_use(read_variables(settings), MANUAL)
