"""The section of docs/benchmarks.md that `make bench-serving` writes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks import report
from benchmarks.client import Result
from benchmarks.swap import CLIENTS, Swap
from benchmarks.trial import Outcome
from inference.settings import ServingSettings


@dataclass
class WayResult:
    """One way to serve the model: results by the number of connections."""

    name: str
    start_seconds: float
    memory_mb: float
    results: dict[int, Result] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """Seconds for a batch of `rows`: scikit-learn's predict alone, and the whole service."""

    rows: int
    sklearn: float
    json: float
    csv: float


@dataclass(frozen=True)
class Explaining:
    """Answers to one client, without and with an explanation."""

    plain: Result
    explained: Result


@dataclass(frozen=True)
class ServingResults:
    """All results of `make bench-serving`."""

    ways: Sequence[WayResult]
    batches: Sequence[Batch]
    explaining: Explaining
    trial: Outcome
    swap: Swap
    first_start: float
    seconds: float


def write(measured: ServingResults) -> None:
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
        report.serving_conditions("make bench-serving"),
        "One core for the server, one for the load generator (`benchmarks/client.py`), which asks "
        f"2,000 different real observations for {measured.seconds:g} s; uvicorn without its access "
        "log. The prediction log of this service is on. Figures differ from machine to machine: "
        "the ratio to the empty route (FastAPI, the same body and answer, no model) in the same "
        "run is what counts.",
        report.table(head, rows),
        f"Failed requests: {failures}.",
        _ratios(measured.ways),
        "### Batches",
        "Whole way through `POST /predict/batch`, probabilities included, all cores shared with "
        "the client; the best of three.",
        report.table(
            ["rows", "scikit-learn's `predict` alone, s", "JSON, s", "CSV, s"],
            [
                [f"{batch.rows:,}", f"{batch.sklearn:.4f}", f"{batch.json:.4f}", f"{batch.csv:.4f}"]
                for batch in measured.batches
            ],
        ),
        "### Explanations, and a model on trial",
        _explaining(measured.explaining),
        _trial(measured.trial),
        "### Start and memory",
        report.table(
            ["served by", "from start to ready, s", "memory under load, MB"],
            [
                [way.name, f"{way.start_seconds:.1f}", f"{way.memory_mb:.0f}"]
                for way in measured.ways
            ],
        ),
        "The start of this service is one that finds its model on the disk; the first ever, which "
        f"fetches and proves it, took {measured.first_start:.1f} s. Its memory counts the process "
        "that follows the registry.",
        "### A version replaces another",
        _swap(measured.swap),
    ]
    report.section("Serving", "\n\n".join(text))


def _ratios(ways: Sequence[WayResult]) -> str:
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


def _explaining(explaining: Explaining) -> str:
    plain, explained = explaining.plain, explaining.explained
    table = report.table(
        ["1 client", "p50 ms", "p99 ms", "failed"],
        [
            [name, f"{result.p50:.2f}", f"{result.p99:.2f}", f"{result.failures:,}"]
            for name, result in (("/predict", plain), ("/predict?explain=true", explained))
        ],
    )
    extra = explained.p50 - plain.p50
    return (
        f"{table}\n\nAn explanation takes {extra:.2f} ms beside the answer; at most 5 are allowed."
    )


def _trial(trial: Outcome) -> str:
    return (
        "The promotion gate tries a model in the form in which it serves, in a process of its own: "
        f"{trial.preparing:.1f} s to flatten the forest and to compile the code, "
        f"{trial.measuring:.1f} s to measure it and to compare it with scikit-learn's trees, and "
        f"{trial.replaying:.2f} s to replay {trial.requests:,} requests; {trial.peak_mb:.0f} MB at "
        f"most. One answer takes {trial.microseconds:.0f} µs, without HTTP."
    )


def _swap(swap: Swap) -> str:
    looks = ServingSettings.model_fields["registry_poll_seconds"].default
    result = swap.result
    return (
        f"{CLIENTS} clients ask while a second version of the same forest is promoted; the "
        "service, its follower, MLflow and the load generator share all cores. The first answer "
        f"by the new version came {swap.seconds:.1f} s after the promotion: the follower looks at "
        f"the registry every {looks:g} s, then fetches, flattens and proves the version. Of "
        f"{result.requests:,} requests {result.failures:,} failed; p50 {result.p50:.1f} ms, p99 "
        f"{result.p99:.1f} ms, the longest {result.longest:.0f} ms. The service and its follower "
        f"together had {swap.before_mb:.0f} MB before, at most {swap.peak_mb:.0f} MB meanwhile "
        f"and {swap.after_mb:.0f} MB a few seconds later."
    )
