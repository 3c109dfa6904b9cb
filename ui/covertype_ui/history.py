"""The versions of the registered model and the verdicts on them, from MLflow's REST API.

Plain HTTP, so that the app needs no MLflow of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests

from covertype.gate import former_verdicts, verdicts
from covertype.gate.verdicts import REASON, VERDICT, Outcome, Verdict, tag_of
from covertype.registry.names import MODEL_NAME

_PAGE = 200
_ACCURACY = tag_of("accuracy")


class HistoryAway(Exception):
    """MLflow does not answer, or the answer is not MLflow's."""


@dataclass(frozen=True)
class VersionRecord:
    """One version: when it was registered, its stage, and the verdict with its figures.

    `outcome` is None while nothing is decided. `verdict` holds the facts of it; where they can't
    be read, `reason` is what the promotion said.
    """

    version: str
    registered: datetime
    stage: str
    run_id: str
    outcome: Outcome | None
    reason: str
    accuracy: float | None
    verdict: Verdict | None = None


def read_history(
    tracking_uri: str, timeout: float, login: tuple[str, str] | None = None
) -> list[VersionRecord]:
    """Return every version, the newest first; none if nothing is registered yet.

    A gateway before MLflow may ask for the `login`, a name and a password.

    Raises
    ------
    HistoryAway
        If MLflow at `tracking_uri` gives no such answer within `timeout` seconds.
    """
    try:
        records = [_record(version) for version in _versions(tracking_uri, timeout, login)]
    except (requests.RequestException, KeyError, TypeError, ValueError) as error:
        raise HistoryAway(str(error)) from error
    # By number, as the clock of MLflow's machine may have been set back.
    return sorted(records, key=lambda record: int(record.version), reverse=True)


def _versions(
    tracking_uri: str, timeout: float, login: tuple[str, str] | None
) -> Iterator[dict[str, Any]]:
    query: dict[str, str | int] = {"filter": f"name = '{MODEL_NAME}'", "max_results": _PAGE}
    while True:
        answer = requests.get(
            f"{tracking_uri}/api/2.0/mlflow/model-versions/search",
            params=query,
            auth=login,
            timeout=timeout,
        )
        answer.raise_for_status()
        body = answer.json()
        yield from body.get("model_versions", [])
        if not body.get("next_page_token"):
            return
        query["page_token"] = body["next_page_token"]


def _record(version: dict[str, Any]) -> VersionRecord:
    tags = {tag["key"]: tag.get("value", "") for tag in version.get("tags", [])}
    return VersionRecord(
        version=str(version["version"]),
        registered=datetime.fromtimestamp(version["creation_timestamp"] / 1000, UTC),
        stage=version.get("current_stage") or "None",
        run_id=version.get("run_id") or "",
        outcome=Outcome(tags[VERDICT]) if tags.get(VERDICT) in list(Outcome) else None,
        reason=tags.get(REASON, ""),
        accuracy=float(tags[_ACCURACY]) if _ACCURACY in tags else None,
        verdict=verdicts.from_tags(tags) or former_verdicts.from_tags(tags),
    )
