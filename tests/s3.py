"""An S3 server for tests: one in Python of their own, or the one that `TEST_S3_ENDPOINT` names."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import boto3

from tests.conftest import free_port, wait_until_up

ENDPOINT = "TEST_S3_ENDPOINT"
"""The variable with the address of a real server; AWS's variables hold its keys."""


@contextmanager
def s3_server(folder: Path) -> Iterator[Mapping[str, str]]:
    """Yield AWS's variables for a server; one of our own is stopped at the end."""
    if address := os.environ.get(ENDPOINT):
        yield {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": os.environ["AWS_ACCESS_KEY_ID"],
            "AWS_SECRET_ACCESS_KEY": os.environ["AWS_SECRET_ACCESS_KEY"],
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        return
    address = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "moto.server", "-p", address.rpartition(":")[2]]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as server,
    ):
        try:
            wait_until_up(f"{address}/moto-api/data.json", server, folder / "log")
            yield {
                "AWS_ENDPOINT_URL": address,
                "AWS_ACCESS_KEY_ID": "tests",
                "AWS_SECRET_ACCESS_KEY": "tests",
                "AWS_DEFAULT_REGION": "us-east-1",
            }
        finally:
            server.kill()


def new_bucket() -> str:
    """Create a bucket on the server that AWS's variables name; return its address."""
    name = f"tests-{uuid4().hex[:12]}"
    boto3.client("s3").create_bucket(Bucket=name)
    return f"s3://{name}"
