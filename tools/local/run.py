"""`make run` and `make smoke`: start the processes of the Procfile, up to the first prediction."""

import argparse
import json
import shutil
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from tools.local.narrator import Ended, FirstPrediction, NoProgress, NotUp, StartNarrator
from tools.local.processes import (
    AIRFLOW_PASSWORD,
    AIRFLOW_USER,
    ROOT,
    CannotStart,
    Processes,
)

_LAST_WORDS_SECONDS = 5.0


def main() -> int:
    """Run the platform; return 0 if it answered a prediction before it was stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--smoke", action="store_true", help="start empty, stop after a prediction and the searches"
    )
    parser.add_argument("--state", type=Path, help="folder of the state")
    arguments = parser.parse_args()
    state = arguments.state or ROOT / ".local" / ("smoke" if arguments.smoke else "state")
    processes = Processes(state)
    try:
        if arguments.smoke:
            # Before the state is removed: a running platform may be using it.
            processes.check_ports()
            shutil.rmtree(state, ignore_errors=True)
        return _Run(processes, smoke=arguments.smoke).run()
    except CannotStart as reason:
        print(reason, file=sys.stderr)
        return 1


class _Run:
    def __init__(self, processes: Processes, *, smoke: bool) -> None:
        self._processes = processes
        self._smoke = smoke
        self._ended = threading.Event()
        self._failure: str | None = None
        self._predicted = False

    def run(self) -> int:
        # A client may retry for minutes when its server is gone: do not wait for it.
        narrator = threading.Thread(target=self._narrate, daemon=True)
        self._processes.on_start(narrator.start)
        self._processes.run()
        self._ended.set()
        if narrator.is_alive():
            narrator.join(_LAST_WORDS_SECONDS)
        service = self._processes.stopped_by_itself
        if service is not None and self._failure is None:
            self._failure = f"{service} stopped by itself: see {self._processes.log(service)}"
        if self._failure is not None:
            print(self._failure, file=sys.stderr)
            return 1
        print("Stopped: every process has ended, the state is kept.", flush=True)
        return 0 if self._predicted else 1

    def _narrate(self) -> None:
        started = datetime.now(UTC)
        try:
            progress = StartNarrator(self._processes, self._ended.is_set)
            prediction = progress.follow()
            if self._smoke and prediction.run.info.start_time < started.timestamp() * 1000:
                raise NoProgress("The answer came from a model that this run did not train")
            self._predicted = True
            self._show(prediction)
            if self._smoke:
                print("Waiting for the searches, so that no run is left unfinished.", flush=True)
                progress.follow_searches()
        except Ended:
            return
        except NoProgress as reason:
            if self._smoke or isinstance(reason, NotUp):
                self._failure = str(reason)
            else:
                print(f"{reason}\nThe platform goes on by itself. Ctrl-C ends it.", file=sys.stderr)
        except Exception as error:
            self._failure = f"Watching the platform failed: {error!r}"
        if self._smoke or self._failure is not None:
            self._processes.end()

    def _show(self, prediction: FirstPrediction) -> None:
        address = self._processes.address
        answer = prediction.answer
        label = answer["label"]
        print(
            f"""
A real prediction, from version {answer["model_version"]} (run {prediction.run.info.run_name}):
  {label}, probability {answer["probabilities"][label]:.2f}

  curl -s {address("inference")}/predict -H 'Content-Type: application/json' \\
    -d '{json.dumps({"features": list(prediction.features.values())})}'

  Form        {address("ui")}
  Inference   {address("inference")}/docs
  Airflow     {address("airflow")}   login {AIRFLOW_USER} / {AIRFLOW_PASSWORD}
  MLflow      {address("mlflow")}
  Data API    {address("data-api")}/docs
  State, logs {self._processes.state}
""",
            flush=True,
        )
        if not self._smoke:
            print("It goes on by itself every five minutes. Ctrl-C ends it.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
