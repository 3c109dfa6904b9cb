"""What was measured, as docs/benchmarks.md: each command replaces its own section."""

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.platform import MODEL

if TYPE_CHECKING:
    from benchmarks.serving import Measured

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
_HEAD = "# Benchmarks\n\nWritten by the commands that each section names; measured, never edited.\n"


@dataclass(frozen=True)
class Batch:
    """Seconds for a batch of `rows`: scikit-learn's predict alone, and our whole way."""

    rows: int
    sklearn: float
    json: float
    csv: float


@dataclass(frozen=True)
class Serving:
    """All that `make bench-serving` measured."""

    ways: Sequence["Measured"]
    batches: Sequence[Batch]
    first_start: float
    seconds: float


def section(title: str, text: str) -> None:
    """Replace one section of the page, or add it."""
    page = PAGE.read_text() if PAGE.exists() else _HEAD
    new = f"## {title}\n\n{text.strip()}\n"
    old = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    found = old.search(page)
    page = page[: found.start()] + new + "\n" + page[found.end() :] if found else f"{page}\n{new}"
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page.rstrip() + "\n")
    print(f"\n{new}\nWritten to {PAGE.relative_to(PAGE.parents[1])}")


def conditions(command: str) -> str:
    """Say what was measured when, and on what."""
    packages = ", ".join(
        f"{name} {version(name)}"
        for name in ("scikit-learn", "mlflow", "fastapi", "uvicorn", "numba")
    )
    return (
        f"`{command}`, {datetime.now(UTC).date()}, on {_processor()}, {os.cpu_count()} cores; "
        f"Python {platform.python_version()}, {packages}. The model: {MODEL}."
    )


def _processor() -> str:
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, numbers to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(measured: Serving) -> None:
    """Write the section of `make bench-serving`."""
    connections = list(measured.ways[0].results)
    head = ["served by"]
    for count in connections:
        clients = "1 client" if count == 1 else f"{count} clients"
        head += [f"{clients}: p50 ms", "p99 ms", "requests/s"]
    rows = [
        [
            way.name,
            *[
                cell
                for count in connections
                for result in [way.results[count]]
                for cell in (
                    f"{result.p50:.2f}",
                    f"{result.p99:.2f}",
                    f"{result.per_second:,.0f}",
                )
            ],
        ]
        for way in measured.ways
    ]
    failures = sum(result.failures for way in measured.ways for result in way.results.values())
    text = [
        conditions("make bench-serving"),
        "One core for the server, one for the load generator (`benchmarks/client.py`), which asks "
        f"2,000 different real observations for {measured.seconds:g} s; uvicorn without its access "
        "log. The prediction log of this service is on. Figures differ from machine to machine: "
        "the ratio to the empty route (FastAPI, the same body and answer, no model) in the same "
        "run is what counts.",
        table(head, rows),
        f"Failed requests: {failures}.",
        _ratios(measured.ways),
        "### Batches",
        "Whole way through `POST /predict/batch`, probabilities included, all cores shared with "
        "the client; the best of three.",
        table(
            ["rows", "scikit-learn's `predict` alone, s", "JSON, s", "CSV, s"],
            [
                [f"{batch.rows:,}", f"{batch.sklearn:.4f}", f"{batch.json:.4f}", f"{batch.csv:.4f}"]
                for batch in measured.batches
            ],
        ),
        "### Start and memory",
        table(
            ["served by", "from start to ready, s", "memory under load, MB"],
            [
                [way.name, f"{way.start_seconds:.1f}", f"{way.memory_mb:.0f}"]
                for way in measured.ways
            ],
        ),
        "The start of this service is one that finds its model on the disk; the first ever, which "
        f"fetches and proves it, took {measured.first_start:.1f} s. Its memory counts the process "
        "that follows the registry.",
    ]
    section("Serving", "\n\n".join(text))


def _ratios(ways: Sequence["Measured"]) -> str:
    named = {way.name: way.results for way in ways}
    ours = named["this service"]
    empty = [results for name, results in named.items() if name.startswith("empty route")]
    others = [
        f"{ours[32].per_second / results[32].per_second:,.0f} times that of {name}"
        for name, results in named.items()
        if name != "this service" and not name.startswith("empty route")
    ]
    throughput = max(results[32].per_second for results in empty)
    p50 = min(results[1].p50 for results in empty)
    return (
        f"With 32 clients this service has {ours[32].per_second / throughput:.0%} of the empty "
        f"route's throughput (the better of its two runs), {' and '.join(others)}; its p99 is "
        f"{ours[32].p99 / ours[32].p50:.1f} times its p50. With one client its p50 is "
        f"{ours[1].p50 / p50:.2f} times the empty route's."
    )
