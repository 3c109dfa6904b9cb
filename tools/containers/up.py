"""`make up` and `make down`: the platform in containers."""

import argparse
import subprocess
import sys
from collections.abc import Sequence

from tools.containers import doctor, keeper
from tools.containers.engine import ROOT, DockerFailed, docker, label, project
from tools.containers.passwords import is_loopback

_HTTPS = 443


def main() -> int:
    """Start or stop the platform; return 0 if it is healthy, or stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--down", action="store_true", help="stop it and keep its data")
    parser.add_argument("--volumes", action="store_true", help="with --down: remove its data too")
    parser.add_argument("--yes", action="store_true", help="with --volumes: do not ask")
    arguments = parser.parse_args()
    try:
        if not arguments.down:
            return up()
        if arguments.volumes and not arguments.yes and not _is_sure():
            print("Nothing was removed, and nothing was stopped.", file=sys.stderr)
            return 1
        return down(volumes=arguments.volumes)
    except DockerFailed as error:
        print(error, file=sys.stderr)
        return 1


def up() -> int:
    """Build what changed, start what is not running, wait until everything is healthy."""
    findings = list(doctor.versions(None))
    if not findings:
        platform = doctor.Platform.read()
        findings = [*doctor.passwords(platform), *doctor.ports(platform)]
    if findings:
        _print_findings(findings)
        return 1
    keeper.stop()
    started = _compose("up", "--detach", "--build", "--wait", "--remove-orphans")
    # Only a running database shows which password it accepts.
    findings = list(doctor.kept_passwords(doctor.Platform.read()))
    if started:
        _compose("ps", "--all")
        print("Not everything started: `make doctor` and `make logs` show more.", file=sys.stderr)
        _print_findings(findings)
        return started
    keeper.start()
    _show(platform)
    _print_findings(findings)
    return 1 if findings else 0


def _print_findings(findings: Sequence[doctor.Finding]) -> None:
    for finding in findings:
        print(finding, file=sys.stderr)


def down(*, volumes: bool) -> int:
    """Stop and remove every container; keep the data unless `volumes`."""
    keeper.stop()
    # The cache of each replica is an anonymous volume, which `down` would leave behind.
    _compose("rm", "--stop", "--force", "--volumes", "inference")
    # Those of profiles, such as Flower, are no orphans: they would stay, and keep their volumes.
    everything = ("--profile", "*", "down", "--remove-orphans")
    failed = _compose(*everything, *(["--volumes"] if volumes else []))
    # Those of a compose file that COMPOSE_FILE names no longer.
    for kind in ("network", *(["volume"] if volumes else [])) if not failed else ():
        left = docker(kind, "ls", "--quiet", "--filter", f"label={label()}").split()
        if left:
            docker(kind, "rm", *left)
    return failed


def _is_sure() -> bool:
    """Ask a person; scripts pass YES=1 instead."""
    name = project()
    print(f"This removes all data of {name}: collected rows, models, MLflow's and Airflow's runs.")
    try:
        return input(f"Type {name} to go on (YES=1 does not ask): ").strip() == name
    except EOFError:
        return False


def _compose(*arguments: str) -> int:
    return subprocess.run(["docker", "compose", *arguments], cwd=ROOT, check=False).returncode


def _show(platform: doctor.Platform) -> None:
    at = {service: (address, port) for service, address, port in platform.ports}
    login = "login admin, password AIRFLOW_ADMIN_PASSWORD"
    if platform.is_behind_gateway:
        name, port = platform.services["gateway"]["environment"]["PUBLIC_HOST"], at["gateway"][1]
        form, inference, airflow, mlflow = (
            f"https://{host}{name}{'' if port == _HTTPS else f':{port}'}"
            for host in ("", "api.", "airflow.", "mlflow.")
        )
        more = "Keys        make keys NEW=anna ROLE=admin makes one, for all but Airflow"
    else:
        addresses = {
            service: f"http://{'localhost' if is_loopback(address) else address}:{port}"
            for service, (address, port) in at.items()
        }
        form, airflow, mlflow = (addresses[one] for one in ("ui", "airflow-webserver", "mlflow"))
        inference = addresses.get("gateway") or addresses["inference"]
        more = f"Data API    {addresses['data-api']}/docs"
    print(
        f"""
  Form        {form}
  Inference   {inference}/docs
  Airflow     {airflow}   {login}
  MLflow      {mlflow}
  {more}
  Keeper log  {keeper.log_file().relative_to(ROOT)}

The first model is in Production some minutes after a first start; until then /predict says so.""",
    )


if __name__ == "__main__":
    sys.exit(main())
