"""What make runs with any Python, before or without `make install`."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize("module", ["doctor", "keeper", "passwords", "secrets", "up"])
def test_a_tool_of_the_containers_needs_no_package(module: str) -> None:
    # -S leaves out site-packages.
    command = [sys.executable, "-S", "-c", f"import tools.containers.{module}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
