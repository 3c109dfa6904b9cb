"""The first platform's scenario: many users, each asking for a prediction every now and then.

`make load` runs it without a page and ends with a summary; `make load LOCUST_ARGS=` with its page.
"""

import random
from pathlib import Path

import pandas as pd
from locust import HttpUser, constant, task

from covertype.contract import FEATURE_NAMES, QUANTITY_NAMES

_DATA = Path(__file__).parents[1] / "data-api" / "covertype.parquet"
_ROWS = [
    list(row)
    for row in pd.read_parquet(_DATA)
    .sample(2000, random_state=1)
    .astype(dict.fromkeys(QUANTITY_NAMES, object))[list(FEATURE_NAMES)]
    .to_numpy(object)
    .tolist()
]


class Asker(HttpUser):
    """A user who requests one prediction a second, each for another real observation."""

    wait_time = constant(1)

    @task
    def predict(self) -> None:
        """Request a prediction; fail on anything except a class with its version."""
        body = {"features": random.choice(_ROWS)}
        with self.client.post("/predict", json=body, catch_response=True) as response:
            if not response.ok:
                response.failure(f"{response.status_code}: {response.text[:200]}")
            elif "model_version" not in response.json():
                response.failure(f"no prediction: {response.text[:200]}")
