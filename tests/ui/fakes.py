"""A stand-in for the inference service, for the states that a real one is seldom in."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from covertype.contract import CLASSES, FEATURE_NAMES, QUANTITIES
from covertype_ui.examples import TYPICAL

Reply = tuple[int, Any]


def model_body(version: str = "3") -> dict[str, Any]:
    """What `GET /model` answers."""
    return {
        "name": "BestModelRF",
        "version": version,
        "stage": "Production",
        "since": "2026-11-22T10:15:00+00:00",
        "run_id": "0123456789abcdef",
        "experiment_id": "2",
        "metrics": {
            "accuracy": 0.8711,
            "f1_macro": 0.81,
            "log_loss": 0.39,
            "mse": 0.9,
            **{f"recall_{n}": 0.8 for n in range(7)},
        },
        "parameters": {"n_estimators": "100", "max_depth": "20"},
        "training_ranges": {
            quantity.name: [quantity.minimum, quantity.maximum // 2] for quantity in QUANTITIES
        },
        "confusion_matrix": [
            [900 if row == column else 10 for column in range(7)] for row in range(7)
        ],
        "importances": {quantity.name: 0.1 for quantity in QUANTITIES},
        "next_batch": {"version": version, "batch": 5, "rows": 37851, "accuracy": 0.7512},
        "loaded_at": "2026-11-22T10:15:10+00:00",
    }


def prediction_body(number: int = 4, version: str = "3") -> dict[str, Any]:
    """What `POST /predict` answers."""
    shares = dict.fromkeys(CLASSES, 0.05) | {CLASSES[number]: 0.7}
    return {
        "prediction": [number],
        "label": CLASSES[number],
        "probabilities": shares,
        "model_version": version,
        "warnings": [],
        "prediction_id": "3f0c9a5e77d1b284-1795683566-41",
    }


def explained_body(number: int = 4, version: str = "3") -> dict[str, Any]:
    """What `POST /predict?explain=true` answers: elevation speaks for the class, slope against."""
    contributions = dict.fromkeys(FEATURE_NAMES, 0.0) | {"Elevation": 0.7, "Slope": -0.1}
    explanation = {"bias": 0.1, "contributions": contributions}
    return prediction_body(number, version) | {"explanation": explanation}


def batch_reply(body: bytes) -> Reply:
    """Answer each row with the class that it is typical of."""
    classes = {tuple(row): number for number, row in enumerate(TYPICAL.values())}
    numbers = [classes[tuple(row)] for row in json.loads(body)["features"]]
    return 200, {
        "prediction": numbers,
        "label": [CLASSES[number] for number in numbers],
        "probabilities": {
            name: [0.7 if number == other else 0.05 for number in numbers]
            for other, name in enumerate(CLASSES)
        },
        "model_version": "3",
        "warnings": [],
    }


@dataclass
class FakeInference:
    """Answers what its routes hold: a reply by method and path, or a function of the body.

    A path with its query string comes before the path alone.
    """

    routes: dict[str, Reply | Callable[[bytes], Reply]]
    address: str = ""
    delay: float = 0
    asked: list[tuple[str, bytes]] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[FakeInference]:
    """Serve on a free port until the end of the block."""
    fake = FakeInference(
        {"GET /model": (200, model_body()), "POST /predict": (200, prediction_body())}
    )

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            exact = f"{self.command} {self.path}"
            route = exact if exact in fake.routes else exact.split("?")[0]
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fake.asked.append((route, body))
            time.sleep(fake.delay)
            reply = fake.routes.get(route, (404, {"detail": "Not Found"}))
            status, content = reply(body) if callable(reply) else reply
            sent = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield fake
        server.shutdown()
