"""PostgreSQL, MySQL and S3 of one's own, in place of the containers, by variables alone."""

import ipaddress
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.images import image_of
from tests.compose.stack import Stack, digest

POSTGRES, MYSQL, S3 = 25432, 25306, 25900
_SERVICES = {
    "postgres": (
        image_of("postgres"),
        POSTGRES,
        5432,
        {"USER": "me", "PASSWORD": "p1", "DB": "flow"},
    ),
    "mysql": (
        *(image_of("mysql"), MYSQL, 3306),
        {"ROOT_PASSWORD": "r2", "USER": "me", "PASSWORD": "p2", "DATABASE": "models"},
    ),
    "minio": (
        *(image_of("minio"), S3, 9000),
        {"ROOT_USER": "outside", "ROOT_PASSWORD": "outside-s3"},
    ),
}


@pytest.fixture
def outside(stack: Stack) -> Iterator[Stack]:
    """A platform whose three stores are other people's; the first one is down meanwhile."""
    stack.wait_until_idle()
    stack.make("down")
    bridge = json.loads(stack.command("docker", "network", "inspect", "bridge"))[0]
    host = ipaddress.ip_network(bridge["IPAM"]["Config"][0]["Subnet"])[1]
    for service, (image, port, inside, environment) in _SERVICES.items():
        variables = [f"--env={service.upper()}_{key}={value}" for key, value in environment.items()]
        arguments = ["--log-bin-trust-function-creators=1"] if service == "mysql" else []
        stack.command(
            *("docker", "run", "--detach", "--rm", "--name", f"outside-{service}"),
            *("--publish", f"{host}:{port}:{inside}", *variables, image, *arguments),
        )
    platform = Stack(
        stack.folder,
        "covertype-outside",
        settings={
            "LOCAL_POSTGRES": "0",
            "AIRFLOW_DATABASE_URL": f"postgresql+psycopg2://me:p1@{host}:{POSTGRES}/flow",
            "LOCAL_MYSQL": "0",
            "MLFLOW_BACKEND_STORE_URI": f"mysql+pymysql://me:p2@{host}:{MYSQL}/models",
            "LOCAL_MINIO": "0",
            "MLFLOW_ARTIFACTS_DESTINATION": "s3://elsewhere",
            "S3_ENDPOINT_URL": f"http://{host}:{S3}",
            "S3_ACCESS_KEY_ID": "outside",
            "S3_SECRET_ACCESS_KEY": "outside-s3",
        },
    )
    try:
        yield platform
    finally:
        platform.make("down", "VOLUMES=1", "YES=1")
        stack.command("docker", "rm", "--force", *(f"outside-{service}" for service in _SERVICES))
        stack.make("up")


def test_outside_stores_need_variables_alone(outside: Stack, tmp_path: Path) -> None:
    outside.make("up")
    assert not {"postgres", "mysql", "minio"} & outside.containers().keys()
    assert outside.airflow("GET", "dags")["total_entries"] > 0

    file = tmp_path / "sent" / "proof.bin"
    file.parent.mkdir()
    file.write_bytes(b"stored elsewhere" * 1000)
    client = outside.mlflow
    run = client.create_run(client.create_experiment("outside"))
    client.log_artifact(run.info.run_id, str(file))
    stored = client.download_artifacts(run.info.run_id, file.name, str(tmp_path))
    assert digest(Path(stored)) == digest(file)
    listed = outside.command("docker", "exec", "outside-minio", "ls", "/var/lib/minio")
    assert "elsewhere" in listed
    runs = "select count(*) from models.runs"
    counted = outside.command(
        *("docker", "exec", "-e", "MYSQL_PWD=p2", "outside-mysql"),
        *("mysql", "-h127.0.0.1", "-ume", "-N", "-e", runs),
    )
    assert counted.split()[-1] == "1"
