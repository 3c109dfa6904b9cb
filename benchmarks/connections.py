"""Measures the inference service with 10,000 connections at once: `make bench-connections`.

The service and the load generator share all cores. Writes its table to docs/benchmarks.md.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import report
from benchmarks.client import Result
from benchmarks.platform import Server, ask, production, server
from inference import COMMAND

CONNECTIONS = 10_000
SECONDS = float(os.environ.get("BENCH_SECONDS", "20"))
ROUNDS = 5


@dataclass(frozen=True)
class Round:
    """The result of one round of load, and the memory of the service after it."""

    result: Result
    memory_mb: float


def main() -> None:
    """Send load on all connections, round after round, and write the report."""
    with production() as served:
        command = (*COMMAND, "--port", "{port}", "--no-access-log")
        log = served.folder / "server.log"
        with server(*command, log=log, ready="/ready", environment=served.environment) as started:
            before = started.memory_mb()
            processes = _family(started)
            rounds = []
            for _ in range(ROUNDS):
                result = ask(started, "/predict", served.bodies, CONNECTIONS, SECONDS)
                rounds.append(Round(result, started.memory_mb()))
                print(f"  {rounds[-1]}", flush=True)
            restarted = _family(started) != processes
    _write(rounds, before, restarted=restarted)


def _family(started: Server) -> set[int]:
    return {process.pid for process in (started.process, *started.process.children(recursive=True))}


def _write(rounds: Sequence[Round], before: float, *, restarted: bool) -> None:
    rows = [
        [
            f"{number}",
            f"{one.result.connections:,}",
            f"{one.result.requests:,}",
            f"{one.result.failures:,}",
            f"{one.result.mean / 1000:.2f}",
            f"{one.result.p99 / 1000:.2f}",
            f"{one.result.longest / 1000:.2f}",
            f"{one.memory_mb:.0f}",
        ]
        for number, one in enumerate(rounds, 1)
    ]
    head = ["round", "connections", "answers", "failed", "mean s", "p99 s", "longest s"]
    text = [
        report.serving_conditions("make bench-connections"),
        "One worker with its prediction log on, and the load generator (`benchmarks/client.py`) "
        "beside it on the same cores: when all connections are open, each asks again as soon as "
        f"it is answered, for {SECONDS:g} s. The first platform's record for 10,000 users was "
        "a mean of 11.8 s, on 2.5 cores.",
        report.table([*head, "memory after it, MB"], rows),
        f"Before the first round the service had {before:.0f} MB. "
        + ("A process was started anew." if restarted else "No process was started anew."),
    ]
    report.section("10,000 connections", "\n\n".join(text))


if __name__ == "__main__":
    main()
