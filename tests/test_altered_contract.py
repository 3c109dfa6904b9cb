"""A team adapts the platform: an edit of the contract is enough, from raw files to answers."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def test_another_contract_is_trained_logged_and_served(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.altered_contract", str(tmp_path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    served = json.loads(done.stdout.splitlines()[-1])
    assert (served["rows"], served["runs"]) == (3000, 3)
    for encoding in ("trees", "one-hot"):
        right = served[encoding].pop("right")
        assert right > 0.9, encoding
        assert served[encoding] == {
            "equal": True,
            "one": True,
            "labels": True,
            "bad": 422,
            "documented": True,
        }
    assert served["logged"] == [104, True]
