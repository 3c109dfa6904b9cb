"""The store is refreshed again and again, whatever one refresh meets."""

import asyncio
from pathlib import Path

import pytest

from inference.model import serving
from inference.model.serving import Serving
from inference.model.store import ModelStore
from inference.telemetry.metrics import Metrics


@pytest.mark.parametrize("error", [OSError("the disk is away"), MemoryError()])
def test_a_refresh_that_fails_is_followed_by_another(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refreshes: list[float] = []

    def fail(_: Serving) -> None:
        refreshes.append(1)
        raise error

    async def watched() -> None:
        watching = asyncio.create_task(Serving(ModelStore(tmp_path), Metrics()).watch())
        await asyncio.sleep(0.5)
        assert not watching.done()
        watching.cancel()

    monkeypatch.setattr(serving, "_REFRESH_SECONDS", 0.01)
    monkeypatch.setattr(Serving, "refresh", fail)
    asyncio.run(watched())
    assert len(refreshes) > 1
