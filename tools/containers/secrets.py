"""`make secrets`: replaces public default passwords and keys, or rotates those in use."""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from covertype.atomic import replacing
from tools.containers import keeper
from tools.containers.engine import MANUAL, SETTINGS, DockerFailed, compose_config, docker
from tools.containers.passwords import ADDRESSES, LOOPBACK, SECRETS, defaults_in_use, read_variables

_PENDING = SETTINGS.with_name(".env.new")
"""Secrets that the databases are being given; after an interruption the next run continues."""

# Databases keep the password they were created with; other secrets are read at every start.
_KEPT_BY_POSTGRES = {"POSTGRES_PASSWORD", "AIRFLOW_FERNET_KEY"}
_KEPT_BY_MYSQL = {"MYSQL_PASSWORD", "MYSQL_ROOT_PASSWORD"}

_HERE_ALONE = dict.fromkeys(ADDRESSES, LOOPBACK)
_START_SECONDS = 120
_DENIED = "Access denied"


def main(rotated: Iterable[str] = ()) -> int:
    """Replace every default, and the `rotated` secrets, in `.env` and in existing databases."""
    current = read_variables(SETTINGS)
    pending = read_variables(_PENDING)
    wanted = {*defaults_in_use(os.environ | current, MANUAL), *rotated, *pending}
    replaced = [name for name in SECRETS if name in wanted]
    overruled = [name for name in replaced if name in os.environ]
    if overruled:
        print(
            f"{', '.join(overruled)}: set in the environment, which wins over .env; unset it first",
            file=sys.stderr,
        )
        return 1
    if not replaced:
        print("No default is in use: nothing to replace. ROTATE=1 replaces those in use.")
        return 0
    new = {name: pending.get(name) or SECRETS[name]() for name in replaced}
    try:
        _write(_PENDING, _lines(new))
        _change_in_databases(read_variables(MANUAL) | os.environ | current, new)
        _write(SETTINGS, [*_lines_of_others(new), *_lines(new)])
    except (DockerFailed, OSError) as error:
        print(
            f"The new passwords are not in place:\n{error}\n"
            f".env is unchanged. Fix the cause, then run `make secrets` again: it continues.",
            file=sys.stderr,
        )
        return 1
    _PENDING.unlink()
    print(f"Replaced in .env, which only you can read: {', '.join(replaced)}.")
    print("`make up` starts the platform with them.")
    return 0


def _lines(variables: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in variables.items()]


def _lines_of_others(new: Mapping[str, str]) -> list[str]:
    lines = SETTINGS.read_text().splitlines() if SETTINGS.exists() else []
    return [line for line in lines if line.partition("=")[0] not in new]


def _write(file: Path, lines: Sequence[str]) -> None:
    """Write a file atomically, readable by its owner only."""
    with replacing(file, mode=0o600) as part:
        part.write_text("\n".join(lines) + "\n")


def _change_in_databases(old: Mapping[str, str], new: Mapping[str, str]) -> None:
    services = compose_config()["services"]
    volumes = _existing_volumes()
    changed = {
        "postgres": new.keys() & _KEPT_BY_POSTGRES if "postgres_data" in volumes else set(),
        "mysql": new.keys() & _KEPT_BY_MYSQL if "mysql_data" in volumes else set(),
    }
    started = [name for name in changed if changed[name] and services[name].get("scale", 1)]
    if not started:
        return
    print(f"Giving {' and '.join(started)} the new passwords…", flush=True)
    # Health checks use the old passwords, so the databases look unhealthy until `make up`.
    keeper.stop()
    # PostgreSQL last: until its password is changed, everything can be retried.
    if "mysql" in started:
        _change_mysql(old, new)
    if "postgres" in started:
        _change_postgres(old, new)


def _existing_volumes() -> set[str]:
    label = f"com.docker.compose.project={compose_config()['name']}"
    listed = docker("volume", "ls", "--filter", f"label={label}", "--format", "{{json .}}")
    return {
        dict(pair.split("=", 1) for pair in json.loads(line)["Labels"].split(",") if "=" in pair)[
            "com.docker.compose.volume"
        ]
        for line in listed.splitlines()
    }


def _change_postgres(old: Mapping[str, str], new: Mapping[str, str]) -> None:
    docker("compose", "up", "--detach", "--wait", "postgres", environment=_HERE_ALONE)
    psql = ("compose", "exec", "-T", "postgres", "psql", "-q", "-U", "airflow", "-d", "airflow")
    made = docker(*psql, "-At", text="SELECT to_regclass('connection') IS NOT NULL").strip() == "t"
    if made and (key := new.get("AIRFLOW_FERNET_KEY")):
        # Airflow logs in with the former password, whatever an interrupted run has left.
        docker(*psql, text=f"ALTER ROLE airflow PASSWORD '{old['POSTGRES_PASSWORD']}'")
        # Airflow encrypts with the first key of the list, and decrypts with any of them.
        keys = f"{key},{old['AIRFLOW_FERNET_KEY']}"
        docker(
            *("compose", "run", "--rm", "-T", "--no-deps", "-e", "AIRFLOW__CORE__FERNET_KEY"),
            *("airflow-dag-processor", "rotate-fernet-key"),
            environment={**_HERE_ALONE, "AIRFLOW__CORE__FERNET_KEY": keys},
        )
    if password := new.get("POSTGRES_PASSWORD"):
        docker(*psql, text=f"ALTER ROLE airflow PASSWORD '{password}'")


def _change_mysql(old: Mapping[str, str], new: Mapping[str, str]) -> None:
    # Without --wait: the health check fails with the new password of an interrupted run.
    docker("compose", "up", "--detach", "mysql", environment=_HERE_ALONE)
    statements = []
    if password := new.get("MYSQL_PASSWORD"):
        statements.append(f"ALTER USER 'mlflow_user'@'%' IDENTIFIED BY '{password}';")
    if password := new.get("MYSQL_ROOT_PASSWORD"):
        statements += [
            f"ALTER USER IF EXISTS 'root'@'{host}' IDENTIFIED BY '{password}';"
            for host in ("%", "localhost")
        ]
    # An interrupted run may have changed root's password already, or only .env.
    root = "MYSQL_ROOT_PASSWORD"
    known = [old[root], new.get(root, ""), read_variables(MANUAL)[root]]
    _as_mysql_root("\n".join(statements), known)


def _as_mysql_root(statements: str, passwords: Iterable[str]) -> None:
    """Run statements with the first password that works, once the server is up."""
    mysql = ("compose", "exec", "-T", "-e", "MYSQL_PWD", "mysql", "mysql", "-h127.0.0.1", "-uroot")
    deadline = time.monotonic() + _START_SECONDS
    while True:
        failures = []
        for password in passwords:
            try:
                docker(*mysql, text=statements, environment={"MYSQL_PWD": password})
            except DockerFailed as error:
                failures.append(error)
            else:
                return
        if time.monotonic() > deadline or all(_DENIED in str(one) for one in failures):
            raise failures[0]
        time.sleep(1)


def _names_to_rotate() -> Iterable[str]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rotate",
        nargs="*",
        choices=list(SECRETS),
        metavar="NAME",
        help="replace these too, although they are not defaults; without a name, all of them",
    )
    rotated: list[str] | None = parser.parse_args().rotate
    return SECRETS if rotated == [] else rotated or ()


if __name__ == "__main__":
    sys.exit(main(_names_to_rotate()))
