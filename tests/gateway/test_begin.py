"""What the gateway prepares for HAProxy: a certificate, and the accounts of the platform."""

import ssl
from pathlib import Path

import pytest
from cryptography import x509

import begin
from api_keys import Key, digest_of, make

ENVIRONMENT = {"DAGS_KEY": "one", "FOLLOWER_KEY": "two", "FORM_KEY": "three"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(begin, "_MADE", tmp_path / "made")
    monkeypatch.setattr(begin, "_GIVEN", tmp_path / "given")
    return tmp_path


def test_a_self_signed_certificate_is_for_the_host_and_the_services_names(folder: Path) -> None:
    made = begin.certificate("forest.example", is_given=False)
    found = x509.load_pem_x509_certificate((made / "fullchain.pem").read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        *("forest.example", "api.forest.example", "mlflow.forest.example"),
        "airflow.forest.example",
    ]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made / "fullchain.pem", made / "privkey.pem")
    assert (made / "privkey.pem").stat().st_mode & 0o077 == 0


def test_a_self_signed_certificate_is_kept_until_the_host_changes(folder: Path) -> None:
    first = (begin.certificate("forest.example", is_given=False) / "fullchain.pem").read_bytes()
    again = begin.certificate("forest.example", is_given=False) / "fullchain.pem"
    assert again.read_bytes() == first
    other = begin.certificate("wood.example", is_given=False) / "fullchain.pem"
    assert other.read_bytes() != first


def test_a_self_signed_certificate_that_ends_soon_is_made_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = (begin.certificate("forest.example", is_given=False) / "fullchain.pem").read_bytes()
    monkeypatch.setattr(begin, "_MONTH_SECONDS", 366 * 24 * 3600)
    again = begin.certificate("forest.example", is_given=False) / "fullchain.pem"
    assert again.read_bytes() != first


def test_a_given_certificate_is_used_as_it_is(folder: Path) -> None:
    (folder / "given").mkdir()
    for name in ("fullchain.pem", "privkey.pem"):
        (folder / "given" / name).write_text("PEM")
    assert begin.certificate("forest.example", is_given=True) == folder / "given"


def test_a_given_folder_without_a_certificate_is_refused_with_the_missing_file(
    folder: Path,
) -> None:
    (folder / "given").mkdir()
    (folder / "given" / "fullchain.pem").write_text("PEM")
    with pytest.raises(SystemExit, match=r"No such file or directory: privkey.pem"):
        begin.certificate("forest.example", is_given=True)


@pytest.mark.parametrize("host", ["10.0.0.5", "::1"])
def test_an_address_is_no_public_host(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_HOST", host)
    with pytest.raises(SystemExit, match=f"PUBLIC_HOST={host} is an address"):
        begin.main()


def test_a_public_host_in_capitals_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_HOST", "Forest.example")
    with pytest.raises(SystemExit, match="in lower case"):
        begin.main()


def test_accounts_of_the_platform_get_their_present_keys_and_others_stay() -> None:
    _, anna = make([], "anna", "read", 5)
    former = Key(digest_of("former"), "dags", "dags", 1000)
    keys = begin.with_accounts([former, anna], ENVIRONMENT)
    assert former not in keys
    assert anna in keys
    assert {key.role: key.digest for key in keys if key != anna} == {
        "dags": digest_of("one"),
        "follower": digest_of("two"),
        "form": digest_of("three"),
    }
