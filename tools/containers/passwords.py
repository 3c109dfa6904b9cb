"""The passwords and keys of the platform, and whether their public defaults may be in use.

As a program, it is the first container of the platform: it ends with 1 if others could reach a
platform of default passwords. Nothing but the standard library is at hand there.
"""

import base64
import ipaddress
import os
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

LOOPBACK = "127.0.0.1"

ADDRESSES = (
    *("AIRFLOW_ADDRESS", "DATA_API_ADDRESS", "INFERENCE_ADDRESS", "MLFLOW_ADDRESS", "UI_ADDRESS"),
)
"""Where the services for people are published. The stores are on loopback always."""


def _password() -> str:
    return secrets.token_urlsafe(24)


def _long_key() -> str:
    return secrets.token_urlsafe(64)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


SECRETS: Mapping[str, Callable[[], str]] = {
    "AIRFLOW_ADMIN_PASSWORD": _password,
    "AIRFLOW_FERNET_KEY": _fernet_key,
    "AIRFLOW_JWT_SECRET": _long_key,
    "AIRFLOW_SECRET_KEY": _long_key,
    "MINIO_ROOT_PASSWORD": _password,
    "MYSQL_PASSWORD": _password,
    "MYSQL_ROOT_PASSWORD": _password,
    "POSTGRES_PASSWORD": _password,
}
"""What makes a new one of each. None needs quoting in an address, in SQL or in `.env`."""


def read_variables(file: Path) -> dict[str, str]:
    """Return the variables that an `.env` file, or the manual of it, gives; the manual's defaults
    are behind `# `."""
    lines = file.read_text().splitlines() if file.exists() else []
    commented = file.name.endswith(".example")
    pattern = re.compile(r"# ([A-Z][A-Z0-9_]*)=(.*)" if commented else r"([A-Z][A-Z0-9_]*)=(.*)")
    found = (pattern.fullmatch(line) for line in lines)
    return {match[1]: match[2].strip("'\"") for match in found if match}


def defaults_in_use(environment: Mapping[str, str], manual: Path) -> list[str]:
    """Return the names of the secrets that are missing, empty or as the manual has them."""
    known = read_variables(manual)
    return [name for name in SECRETS if environment.get(name, "") in ("", known[name])]


def is_loopback(address: str) -> bool:
    """Tell if only this machine can reach an address."""
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address == "localhost"


def refusal(environment: Mapping[str, str], manual: Path) -> str | None:
    """Return why nothing may start with these settings, and the remedy; None if all may."""
    addresses = {environment.get(name) or LOOPBACK for name in ADDRESSES}
    public = sorted(address for address in addresses if not is_loopback(address))
    defaults = defaults_in_use(environment, manual)
    if not public or not defaults:
        return None
    return (
        f"Nothing starts: on {', '.join(public)} the platform would be open to other machines "
        f"while these have their public defaults: {', '.join(defaults)}. "
        f"Run `make secrets`, which writes strong ones into .env, then start again."
    )


if __name__ == "__main__":
    sys.exit(refusal(os.environ, Path(sys.argv[1])))
