"""The passwords and keys of the platform, and whether their public defaults may be in use.

As a program, it runs in the first container of the platform: it exits with 1 if other machines
could reach a platform with default passwords. Only the standard library is available there.
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

OPEN_ADDRESSES = (
    *("AIRFLOW_ADDRESS", "DATA_API_ADDRESS", "INFERENCE_ADDRESS", "MLFLOW_ADDRESS", "UI_ADDRESS"),
)
"""Where the services for people are published. The databases and MinIO are always on loopback."""

GATEWAY_ADDRESS = "GATEWAY_ADDRESS"
"""Where docker-compose.gateway.yaml publishes its gateway, and nothing else."""

ADDRESSES = (*OPEN_ADDRESSES, GATEWAY_ADDRESS)

ANOTHER_PROXY = "PROXY_ASKS_FOR_CREDENTIALS"
"""Set to true by a person who has a proxy before the open addresses."""


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
    "DAGS_KEY": _password,
    "FOLLOWER_KEY": _password,
    "FORM_KEY": _password,
    "MINIO_ROOT_PASSWORD": _password,
    "MYSQL_PASSWORD": _password,
    "MYSQL_ROOT_PASSWORD": _password,
    "POSTGRES_PASSWORD": _password,
    "REDIS_PASSWORD": _password,
}
"""Generates a new value for each. None needs quoting in a URL, in SQL or in `.env`."""

_OF_OVERRIDES = {"DAGS_KEY", "FOLLOWER_KEY", "FORM_KEY", "REDIS_PASSWORD"}
"""Only a compose file of its own has the service; without it nothing asks for the secret."""


def read_variables(file: Path) -> dict[str, str]:
    """Return the variables of an `.env` file, or of its manual, where defaults follow `# `."""
    lines = file.read_text().splitlines() if file.exists() else []
    commented = file.name.endswith(".example")
    pattern = re.compile(r"# ([A-Z][A-Z0-9_]*)=(.*)" if commented else r"([A-Z][A-Z0-9_]*)=(.*)")
    found = (pattern.fullmatch(line) for line in lines)
    return {match[1]: match[2].strip("'\"") for match in found if match}


def defaults_in_use(environment: Mapping[str, str], manual: Path) -> list[str]:
    """Return the names of the secrets that are missing, empty, or equal to the public default."""
    known = read_variables(manual)
    return [name for name in SECRETS if environment.get(name, "") in ("", known[name])]


def is_loopback(address: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address == "localhost"


def reason_not_to_start(environment: Mapping[str, str], manual: Path) -> str | None:
    """Return why the platform must not start with these settings, and the remedy; else None."""
    place = environment.get("DATASETS_URL", "")
    if place and not place.startswith("s3://"):
        return (
            f"Nothing starts: DATASETS_URL={place} is a folder, and containers have their datasets "
            "in volumes. Leave it out, or name a bucket, such as DATASETS_URL=s3://datasets."
        )
    if unguarded := unguarded_addresses(environment):
        return (
            f"Nothing starts: {', '.join(unguarded)} would be open to other machines, and most "
            "services ask nobody who they are. Start the platform behind its gateway, which does: "
            "`make up-gateway` (docs/security.md). If another proxy asks for credentials, say so "
            f"in .env: {ANOTHER_PROXY}=true."
        )
    absent = _OF_OVERRIDES - environment.keys()
    defaults = [name for name in defaults_in_use(environment, manual) if name not in absent]
    addresses = {environment.get(name) or LOOPBACK for name in ADDRESSES}
    public = sorted(address for address in addresses if not is_loopback(address))
    if not public or not defaults:
        return None
    return (
        f"Nothing starts: on {', '.join(public)} the platform would be open to other machines "
        f"while these have their public defaults: {', '.join(defaults)}. "
        f"Run `make secrets`, which writes strong ones into .env, then start again."
    )


def unguarded_addresses(environment: Mapping[str, str]) -> list[str]:
    """Return the variables of addresses that others reach and where nothing asks who they are."""
    if environment.get(ANOTHER_PROXY, "").lower() == "true":
        return []
    return [name for name in OPEN_ADDRESSES if not is_loopback(environment.get(name) or LOOPBACK)]


if __name__ == "__main__":
    sys.exit(reason_not_to_start(os.environ, Path(sys.argv[1])))
