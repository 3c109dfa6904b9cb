"""The keys of people and programs: made, listed and revoked while the gateway runs.

    python api_keys.py [--new NAME --role ROLE --rate N] [--revoke NAME]

The gateway has only the SHA-256 of a key. That is enough, as a key has 192 random bits.
"""

import argparse
import hashlib
import re
import secrets
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from covertype.atomic import Busy, DiskUnusable, locked, replacing

FILE = Path("/state/keys.map")
"""A map of HAProxy: on each line a hash, and `name:role:rate`."""

LOCK = FILE.with_suffix(".lock")

ROLES = {
    "predict": "asks the inference service",
    "metrics": "reads the metrics of the inference service, as Prometheus does",
    "read": "opens the app, and reads MLflow",
    "admin": "does all of these, and changes what MLflow has",
}
_SOCKET = "/tmp/haproxy.sock"  # noqa: S108  in the memory of the container
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_MAX_RATE = 100_000


class Key(NamedTuple):
    """A key, as the gateway knows it; `rate` is in requests per second."""

    digest: str
    name: str
    role: str
    rate: int

    @property
    def account(self) -> str:
        return f"{self.name}:{self.role}:{self.rate}"


class Refused(Exception):
    """A key can't be made or revoked; the message says why."""


def digest_of(key: str) -> str:
    """Return the SHA-256 of a key as HAProxy writes it."""
    return hashlib.sha256(key.encode()).hexdigest().upper()


def read(file: Path) -> list[Key]:
    """Return the keys of a file; none if there is no file."""
    if not file.exists():
        return []
    pairs = (line.split() for line in file.read_text().splitlines())
    entries = ((digest, *account.split(":")) for digest, account in pairs)
    return [Key(digest, name, role, int(rate)) for digest, name, role, rate in entries]


def write(file: Path, keys: Sequence[Key]) -> None:
    """Write a file of keys atomically."""
    with replacing(file, mode=0o600) as part:
        part.write_text("".join(f"{key.digest} {key.account}\n" for key in keys))


def make(keys: Sequence[Key], name: str, role: str, rate: int) -> tuple[str, Key]:
    """Return a new key in clear, and as the gateway knows it.

    Raises
    ------
    Refused
        If the name, the role or the rate is not allowed, or the name is taken.
    """
    if not _NAME.fullmatch(name):
        raise Refused(f"{name!r} is no name: use up to 40 of a-z, 0-9, '.', '_' and '-'")
    if role not in ROLES:
        raise Refused(f"{role!r} is no role: choose one of {', '.join(ROLES)}")
    if not 1 <= rate <= _MAX_RATE:
        raise Refused(f"A key may send 1 to {_MAX_RATE:,} requests per second, not {rate}")
    if name in {key.name for key in keys}:
        raise Refused(f"There is a key {name} already: revoke it first, or choose another name")
    clear = secrets.token_urlsafe(24)
    return clear, Key(digest_of(clear), name, role, rate)


def find(keys: Sequence[Key], name: str) -> Key:
    """Return the key that a person may revoke.

    Raises
    ------
    Refused
        If there is none of this name, or it is the platform's own.
    """
    found = next((key for key in keys if key.name == name), None)
    if found is None:
        raise Refused(f"There is no key {name}: `make keys` lists them")
    if found.role not in ROLES:
        raise Refused(f"{name} is an account of the platform: `make secrets ROTATE=…` replaces it")
    return found


def table(keys: Sequence[Key]) -> str:
    """Return the keys as a table for people."""
    rows = [
        ("name", "role", "requests/s"),
        *((key.name, key.role, str(key.rate)) for key in keys),
    ]
    return "\n".join(f"{name:40} {role:10} {rate:>10}" for name, role, rate in rows)


def _tell_gateway(command: str) -> str:
    """Give HAProxy a command, and return what it says, which is nothing if it did it.

    Raises
    ------
    Refused
        If it does not run.
    """
    try:
        with socket.socket(socket.AF_UNIX) as gateway:
            gateway.settimeout(5)
            gateway.connect(_SOCKET)
            gateway.sendall(f"{command}\n".encode())
            return gateway.makefile().read().strip()
    except OSError as error:
        raise Refused(f"Nothing was changed, as the gateway does not answer: {error}") from error


def _add(key: Key) -> None:
    if answer := _tell_gateway(f"add map {FILE} {key.digest} {key.account}"):
        raise Refused(f"Nothing was changed, as the gateway refuses the key: {answer}")


def _remove(key: Key) -> None:
    """Remove a key from HAProxy, unless an interrupted revocation did so already."""
    answer = _tell_gateway(f"del map {FILE} {key.digest}")
    if answer and "not found" not in answer.lower():
        raise Refused(f"Nothing was changed, as the gateway keeps the key: {answer}")


def main(arguments: Sequence[str]) -> int:
    """Make or revoke a key, or list all; return 0 if it was done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--new", metavar="NAME")
    parser.add_argument("--role", default="predict")
    parser.add_argument("--rate", type=int, default=100)
    parser.add_argument("--revoke", metavar="NAME")
    given = parser.parse_args(arguments)
    try:
        if not FILE.exists():
            raise Refused("This gateway asks for no keys: `make up-gateway` starts one that does")
        with locked(LOCK):
            keys = read(FILE)
            if given.new:
                clear, key = make(keys, given.new, given.role, given.rate)
                _add(key)
                write(FILE, [*keys, key])
                # In one piece each: two streams come out beside each other.
                sys.stderr.write(
                    f"The key of {key.name}, which {ROLES[key.role]}, is shown once:\n"
                )
                sys.stdout.write(f"{clear}\n")
            elif given.revoke:
                key = find(keys, given.revoke)
                _remove(key)
                write(FILE, [one for one in keys if one != key])
                print(f"{key.name} is revoked.")
            else:
                print(table(keys))
    except (Busy, DiskUnusable, Refused) as refusal:
        print(refusal, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
