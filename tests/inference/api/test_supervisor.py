"""The follower of a service is started when it can be, however late that is."""

from pathlib import Path

import pytest

from inference.api import supervisor
from inference.api.supervisor import FollowerSupervisor


def test_a_lock_that_cannot_be_made_is_tried_again_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(FollowerSupervisor, "_keep_running", lambda self: self._stopped.set())
    root = tmp_path / "not there yet"
    started = FollowerSupervisor(root)
    started.start()
    assert not started._stopped.wait(0.1)
    root.mkdir()
    assert started._stopped.wait(10)
    started.stop()
    assert "The follower's lock can't be made: [Errno 2]" in caplog.text
