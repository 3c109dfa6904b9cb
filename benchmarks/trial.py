"""A model on trial, as the promotion gate tries it: `python -m benchmarks.trial FOLDER REQUESTS`.

Prints what it cost and found as JSON, an `Outcome`.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.memory import peak_mb
from benchmarks.platform import as_sent, observations
from covertype.contract import TARGET
from covertype.models.trials import on_trial
from covertype.rows.codes import to_codes

_MEASURED_ROWS = 400


@dataclass(frozen=True)
class Outcome:
    """Seconds to prepare the form that serves, to measure it, and to replay `requests` requests.

    `microseconds` are those of an answer to one row, `peak_mb` the process's memory.
    """

    requests: int
    preparing: float
    measuring: float
    replaying: float
    microseconds: float
    peak_mb: float


def main() -> None:
    """Try the model on real observations."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trial", description=__doc__)
    parser.add_argument("folder", type=Path, help="a logged model")
    parser.add_argument("requests", type=int)
    given = parser.parse_args()
    rows = observations(given.requests)
    codes = to_codes(as_sent(rows))
    moments = [time.perf_counter()]
    with on_trial(given.folder) as contender:
        moments.append(time.perf_counter())
        figures = contender.measure(codes[:_MEASURED_ROWS])
        moments.append(time.perf_counter())
        contender.replay(np.column_stack([codes, rows[TARGET.name]]).astype(np.int16))
        moments.append(time.perf_counter())
    preparing, measuring, replaying = np.diff(moments).tolist()
    outcome = Outcome(
        requests=given.requests,
        preparing=preparing,
        measuring=measuring,
        replaying=replaying,
        microseconds=1e6 * figures.seconds_per_row,
        peak_mb=peak_mb(),
    )
    print(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main()
