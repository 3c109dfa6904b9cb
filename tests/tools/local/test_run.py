"""`make run`, apart from what it starts."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.local import run


class Processes:
    """Processes that a person ends at once."""

    stopped_by_itself = None

    def on_start(self, begin: Callable[[], None]) -> None:
        begin()

    def run(self) -> None:
        """Return as if all had ended."""

    def end(self) -> None: ...

    def log(self, service: str) -> Path:
        return Path(service)


class Hanging:
    """A narrator that waits for a server which is gone."""

    ended = threading.Event()

    def __init__(self, *_: object) -> None: ...

    def follow(self) -> Any:
        self.ended.wait(60)


def test_an_end_before_the_first_model_does_not_wait_for_a_server_that_is_gone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "StartNarrator", Hanging)
    monkeypatch.setattr(run, "_LAST_WORDS_SECONDS", 0.1, raising=False)
    begun = time.monotonic()
    try:
        assert run._Run(Processes(), smoke=False).run() == 1  # type: ignore[arg-type]
    finally:
        Hanging.ended.set()
    assert time.monotonic() - begun < 30
    assert "every process has ended" in capsys.readouterr().out
