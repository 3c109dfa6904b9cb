"""How much memory one body needs beyond itself, whatever is in it."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.hostile import FOUR, MORE
from tests.inference.reading import COLUMNS, ROWS, VALID

MOST_MB = 40
"""Beyond the body's own bytes."""


def reading(name: str) -> tuple[float, str]:
    """Return the memory beyond the body, in MB, and what was said of it."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.inference.reading", name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    return told["beyond"], told["told"]


@pytest.mark.parametrize("name", [*FOUR, *MORE])
def test_hostile_body_is_refused_with_little_memory_beyond_itself(name: str) -> None:
    beyond, told = reading(name)
    assert not told.endswith(" rows")
    assert beyond < MOST_MB, told


@pytest.mark.parametrize("name", [f"valid {name}" for name in VALID] + [COLUMNS])
def test_largest_valid_body_is_read_with_little_memory_beyond_itself(name: str) -> None:
    beyond, told = reading(name)
    # Objects with the columns' names fill the bytes of a body before they are so many.
    assert told in (f"{ROWS} rows", "97859 rows", "98159 rows")
    assert beyond < MOST_MB
