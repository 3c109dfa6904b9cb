"""Clients of the inference service that never pause, for tests of what it bears."""

import threading
import time
from collections.abc import Sequence
from typing import Any

import requests


class Load:
    """Clients that ask without pause, and keep every answer."""

    def __init__(self, address: str, rows: Sequence[Sequence[object]]) -> None:
        self._address = f"{address}/predict"
        self._rows = rows
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(4)]
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self.failures: list[str] = []
        self._begun = 0.0

    @property
    def seconds(self) -> float:
        """How long the clients have been asking."""
        return time.monotonic() - self._begun

    def _ask(self) -> None:
        with requests.Session() as session:
            for number in iter(lambda: len(self.answers) % len(self._rows), None):
                if self._stopped.is_set():
                    return
                try:
                    body = {"features": self._rows[number]}
                    response = session.post(self._address, json=body, timeout=10)
                    response.raise_for_status()
                    self.answers.append((number, response.json()))
                except requests.RequestException as error:
                    self.failures.append(repr(error))

    def __enter__(self) -> "Load":
        self._begun = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()
