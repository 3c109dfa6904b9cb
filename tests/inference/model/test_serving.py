"""The look at the store goes on, whatever one look meets."""

import asyncio
from pathlib import Path

import pytest

from inference.model import serving
from inference.model.serving import Serving
from inference.model.store import ModelStore
from inference.telemetry.metrics import Metrics


@pytest.mark.parametrize("error", [OSError("the disk is away"), MemoryError()])
def test_a_look_that_fails_is_followed_by_another(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []

    def fail(_: Serving) -> None:
        looks.append(1)
        raise error

    async def watched() -> None:
        watching = asyncio.create_task(Serving(ModelStore(tmp_path), Metrics()).watch())
        await asyncio.sleep(0.5)
        assert not watching.done()
        watching.cancel()

    monkeypatch.setattr(serving, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(Serving, "look", fail)
    asyncio.run(watched())
    assert len(looks) > 1
