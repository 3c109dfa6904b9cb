"""`make secrets`: strong passwords and keys in place of every public default still in use."""

import json
import os
import sys
from collections.abc import Mapping

from tools import keeper
from tools.containers import MANUAL, SETTINGS, DockerFailed, docker, settled
from tools.passwords import LOOPBACK, SECRETS, defaults_in_use, read_variables

_PENDING = SETTINGS.with_name(".env.new")

# Databases keep what they were made with; the other secrets are read at every start.
_KEPT_BY_POSTGRES = {"POSTGRES_PASSWORD", "AIRFLOW_FERNET_KEY"}
_KEPT_BY_MYSQL = {"MYSQL_PASSWORD", "MYSQL_ROOT_PASSWORD"}


def main() -> int:
    """Write the secrets into `.env` and into the databases that are there already."""
    current = read_variables(SETTINGS)
    replaced = defaults_in_use(os.environ | current, MANUAL)
    overruled = [name for name in replaced if name in os.environ]
    if overruled:
        print(
            f"{', '.join(overruled)}: set in the environment, which wins over .env; unset it first",
            file=sys.stderr,
        )
        return 1
    if not replaced:
        print("No default is in use: nothing to replace.")
        return 0
    # What an interrupted try may have written into a database already is used again.
    pending = read_variables(_PENDING)
    new = {name: pending.get(name) or SECRETS[name]() for name in replaced}
    _write(new)
    try:
        _tell_databases(read_variables(MANUAL) | os.environ | current, new)
    except DockerFailed as error:
        print(
            f"The databases could not be given their new passwords:\n{error}\n"
            f".env is as it was. Put it right, then run `make secrets` again.",
            file=sys.stderr,
        )
        return 1
    _PENDING.replace(SETTINGS)
    print(f"Replaced in .env, which only you can read: {', '.join(replaced)}.")
    print("`make up` starts the platform with them.")
    return 0


def _write(new: Mapping[str, str]) -> None:
    lines = SETTINGS.read_text().splitlines() if SETTINGS.exists() else []
    kept = [line for line in lines if line.partition("=")[0] not in new]
    _PENDING.touch(mode=0o600)
    _PENDING.chmod(0o600)
    _PENDING.write_text("\n".join([*kept, *(f"{name}={new[name]}" for name in new)]) + "\n")


def _tell_databases(old: Mapping[str, str], new: Mapping[str, str]) -> None:
    services = settled()["services"]
    volumes = _existing_volumes()
    changed = {
        "postgres": new.keys() & _KEPT_BY_POSTGRES if "postgres_data" in volumes else set(),
        "mysql": new.keys() & _KEPT_BY_MYSQL if "mysql_data" in volumes else set(),
    }
    started = [name for name in changed if changed[name] and services[name].get("scale", 1)]
    if not started:
        return
    print(f"Giving {' and '.join(started)} the new passwords…", flush=True)
    # To the old passwords of the health checks the databases look dead until `make up`.
    keeper.stop()
    here_alone = {"PUBLISH_ADDRESS": LOOPBACK}
    docker("compose", "up", "--detach", "--wait", *started, environment=here_alone)
    # PostgreSQL last: until its password is changed, all of this can be tried again.
    if "mysql" in started:
        _change_mysql(old, new)
    if "postgres" in started:
        _change_postgres(old, new, here_alone)


def _existing_volumes() -> set[str]:
    label = f"com.docker.compose.project={settled()['name']}"
    listed = docker("volume", "ls", "--filter", f"label={label}", "--format", "{{json .}}")
    return {
        dict(pair.split("=", 1) for pair in json.loads(line)["Labels"].split(",") if "=" in pair)[
            "com.docker.compose.volume"
        ]
        for line in listed.splitlines()
    }


def _change_postgres(
    old: Mapping[str, str], new: Mapping[str, str], environment: Mapping[str, str]
) -> None:
    psql = ("compose", "exec", "-T", "postgres", "psql", "-q", "-U", "airflow", "-d", "airflow")
    made = docker(*psql, "-At", text="SELECT to_regclass('connection') IS NOT NULL").strip() == "t"
    if made and (key := new.get("AIRFLOW_FERNET_KEY")):
        # What is encrypted with the old key is encrypted anew: the first key of the list writes.
        keys = f"{key},{old['AIRFLOW_FERNET_KEY']}"
        docker(
            *("compose", "run", "--rm", "-T", "--no-deps", "-e", "AIRFLOW__CORE__FERNET_KEY"),
            *("airflow-dag-processor", "rotate-fernet-key"),
            environment={**environment, "AIRFLOW__CORE__FERNET_KEY": keys},
        )
    if password := new.get("POSTGRES_PASSWORD"):
        docker(*psql, text=f"ALTER ROLE airflow PASSWORD '{password}'")


def _change_mysql(old: Mapping[str, str], new: Mapping[str, str]) -> None:
    statements = []
    if password := new.get("MYSQL_PASSWORD"):
        statements.append(f"ALTER USER 'mlflow_user'@'%' IDENTIFIED BY '{password}';")
    if password := new.get("MYSQL_ROOT_PASSWORD"):
        statements += [
            f"ALTER USER IF EXISTS 'root'@'{host}' IDENTIFIED BY '{password}';"
            for host in ("%", "localhost")
        ]
    # An interrupted try may have changed root's already.
    tried = [old["MYSQL_ROOT_PASSWORD"], new.get("MYSQL_ROOT_PASSWORD", "")]
    mysql = ("compose", "exec", "-T", "-e", "MYSQL_PWD", "mysql", "mysql", "-u", "root")
    for last, root in enumerate(tried):
        try:
            docker(*mysql, text="\n".join(statements), environment={"MYSQL_PWD": root})
        except DockerFailed:
            if last:
                raise
        else:
            return


if __name__ == "__main__":
    sys.exit(main())
