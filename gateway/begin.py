"""Begins the gateway: the certificate, the accounts of the platform, then HAProxy itself.

With PUBLIC_HOST it is the door; without, the replicas of the inference service for whoever reaches
its port.
"""

import ipaddress
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import api_keys
from covertype.atomic import locked

_CONFIG = Path("/app/haproxy")
_GIVEN = Path("/certificate")
_MADE = Path("/state/certificate")
_FILES = ("fullchain.pem", "privkey.pem")
_OWN_RATE = 1000
_MONTH_SECONDS = 30 * 24 * 3600

ACCOUNTS = {"dags": "DAGS_KEY", "follower": "FOLLOWER_KEY", "form": "FORM_KEY"}
"""The role of each account of the platform, and the variable of its key."""


def certificate(host: str, *, is_given: bool) -> Path:
    """Return the folder of the certificate; make a self-signed one if none is given."""
    if is_given:
        for name in _FILES:
            try:
                (_GIVEN / name).read_bytes()
            except OSError as error:
                sys.exit(
                    f"The gateway does not start: GATEWAY_CERTIFICATE must be a folder with "
                    f"{' and '.join(_FILES)}, readable by the user 1001: {error.strerror}: {name}"
                )
        return _GIVEN
    if not _is_valid(host):
        _MADE.mkdir(exist_ok=True)
        names = ",".join(f"DNS:{name}" for name in _names(host))
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", "365", "-subj", f"/CN={host}", "-addext", f"subjectAltName={names}"),
            *("-addext", "basicConstraints=CA:FALSE"),
            *("-out", str(_MADE / _FILES[0]), "-keyout", str(_MADE / _FILES[1])),
        ).check_returncode()
        print(f"A self-signed certificate was made for {host}", flush=True)
    return _MADE


def _is_valid(host: str) -> bool:
    """Tell whether the certificate made earlier is for this host, and for 30 days more."""
    asked = ("x509", "-in", str(_MADE / _FILES[0]), "-noout")
    named = all(
        "does match" in _openssl(*asked, "-checkhost", name).stdout for name in _names(host)
    )
    return named and _openssl(*asked, "-checkend", str(_MONTH_SECONDS)).returncode == 0


def _names(host: str) -> list[str]:
    """Return the names that the door has; clients accept no wildcard for `localhost`."""
    return [host, *(f"{service}.{host}" for service in ("api", "mlflow", "airflow"))]


def _openssl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def with_accounts(known: list[api_keys.Key], environment: Mapping[str, str]) -> list[api_keys.Key]:
    """Return the keys of people and programs, and the present ones of the platform."""
    own = [
        api_keys.Key(api_keys.digest_of(environment[variable]), role, role, _OWN_RATE)
        for role, variable in ACCOUNTS.items()
    ]
    return [*own, *(key for key in known if key.role in api_keys.ROLES)]


def main() -> None:
    """Prepare what HAProxy reads, and become HAProxy."""
    host = os.environ.get("PUBLIC_HOST", "")
    if _is_address(host):
        sys.exit(
            f"The gateway does not start: PUBLIC_HOST={host} is an address, and it tells the "
            f"services by names, such as api.forest.example.org. {host}.sslip.io is a name of it."
        )
    if host != host.lower():
        sys.exit(f"The gateway does not start: write PUBLIC_HOST={host} in lower case.")
    files = ["global.cfg", "inference.cfg", "door.cfg" if host else "open.cfg"]
    if host:
        given = bool(os.environ.get("GATEWAY_CERTIFICATE"))
        os.environ["CERTIFICATE"] = str(certificate(host, is_given=given))
        with locked(api_keys.LOCK):
            api_keys.write(api_keys.FILE, with_accounts(api_keys.read(api_keys.FILE), os.environ))
    configs = [word for name in files for word in ("-f", str(_CONFIG / name))]
    os.execvp("haproxy", ["haproxy", "-W", "-db", *configs])


if __name__ == "__main__":
    main()
