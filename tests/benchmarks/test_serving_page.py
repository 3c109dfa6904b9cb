from pathlib import Path

import pytest

from benchmarks import report, serving_page
from benchmarks.client import Result
from benchmarks.serving_page import Batch, Explaining, ServingResults, WayResult
from benchmarks.swap import Swap
from benchmarks.trial import Outcome


def result(per_second: float, p50: float, failures: int = 0) -> Result:
    return Result(32, int(10 * per_second), failures, 10.0, p50, 2 * p50, p50, 3 * p50)


def test_the_page_tells_ratios_and_the_swap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "docs" / "benchmarks.md"
    monkeypatch.setattr(report, "PAGE", page)
    ways = [
        WayResult(name, 1.0, 100.0, dict.fromkeys((1, 32, 256), result(per_second, p50)))
        for name, per_second, p50 in (
            ("empty route", 1000, 0.2),
            ("this service", 900, 0.3),
            ("recipe", 10, 20.0),
        )
    ]
    swap = Swap(7.3, result(900, 2.0, failures=4), 400.0, 900.0, 700.0)
    explaining = Explaining(result(5000, 0.2), result(3000, 0.35))
    trial = Outcome(10_000, 7.0, 5.5, 0.25, 11.4, 560.0)
    measured = ServingResults(ways, [Batch(1, 0.1, 0.2, 0.3)], explaining, trial, swap, 8.0, 5.0)
    serving_page.write(measured)
    text = page.read_text()
    assert "has 90% of the empty route's throughput" in text
    assert "90 times that of recipe" in text
    assert "An explanation takes 0.15 ms" in text
    assert "0.25 s to replay 10,000 requests" in text
    assert "by the new version came 7.3 s after the promotion" in text
    assert "Of 9,000 requests 4 failed" in text
    assert "had 400 MB before, at most 900 MB meanwhile and 700 MB" in text
