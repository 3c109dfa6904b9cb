"""Asks the inference services which version answers."""

import logging
import socket
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec
import requests
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from covertype.answers import ANSWERED, FAILED, REQUESTS_BY_VERSION, ModelAnswer

log = logging.getLogger(__name__)

_WAIT_SECONDS = 60.0
_PAUSE_SECONDS = 0.5
_TIMEOUT_SECONDS = 5.0


class NotFollowed(Exception):
    """Some services do not answer with a version; the message names them."""


class NoMetrics(Exception):
    """No service says how many requests failed."""


def wait_until_served(url: str, version: str, seconds: float = _WAIT_SECONDS) -> list[str]:
    """Wait until every replica behind an address answers with a version.

    A name may stand for several replicas: each of its addresses is asked.

    Returns
    -------
    list of str
        The addresses of the replicas.

    Raises
    ------
    NotFollowed
        If one does not answer with it in `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        served = versions_served(url)
        if served and all(one == version for one in served.values()):
            return sorted(served)
        if time.monotonic() > deadline:
            others = [
                f"{replica} answers with {one or 'nothing'}"
                for replica, one in sorted(served.items())
                if one != version
            ]
            raise NotFollowed(
                f"Version {version} does not answer everywhere after {seconds:g} s: "
                f"{'; '.join(others) or f'{url} has no address'}: see /health of the service"
            )
        time.sleep(_PAUSE_SECONDS)


def versions_served(url: str) -> Mapping[str, str | None]:
    """Return the version that each replica answers with; None for one that does not answer."""
    return {replica: _version(replica) for replica in _replicas(url)}


def failed_requests(url: str, version: str) -> tuple[int, int]:
    """Return how many requests a version failed to answer, and how many it had.

    The replicas count since their starts. One that does not say is left out.

    Raises
    ------
    NoMetrics
        If none says.
    """
    counts = dict.fromkeys((ANSWERED, FAILED), 0.0)
    said = [families for replica in _replicas(url) if (families := _metrics(replica)) is not None]
    if not said:
        raise NoMetrics(f"No replica behind {url} says how many requests failed: see its /metrics")
    for families in said:
        for sample in (sample for family in families for sample in family.samples):
            labels = sample.labels
            if sample.name == f"{REQUESTS_BY_VERSION}_total" and labels["version"] == version:
                counts[labels["result"]] += sample.value
    return int(counts[FAILED]), int(sum(counts.values()))


def _replicas(url: str) -> set[str]:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except OSError as error:
        log.warning("%s has no address: %s", url, error)
        return set()
    # A certificate is for the name, not for its addresses.
    addresses = {str(entry[4][0]) for entry in found} if parts.scheme == "http" else set()
    return {
        f"{parts.scheme}://{f'[{one}]' if ':' in one else one}:{port}{parts.path.rstrip('/')}"
        for one in addresses
    } or {url.rstrip("/")}


def _version(replica: str) -> str | None:
    try:
        answer = requests.get(f"{replica}/model", timeout=_TIMEOUT_SECONDS)
        answer.raise_for_status()
        return msgspec.json.decode(answer.content, type=ModelAnswer).version
    except (requests.RequestException, msgspec.DecodeError):
        return None


def _metrics(replica: str) -> list[Metric] | None:
    try:
        answer = requests.get(f"{replica}/metrics", timeout=_TIMEOUT_SECONDS)
        answer.raise_for_status()
        return list(text_string_to_metric_families(answer.text))
    except (requests.RequestException, ValueError) as error:
        log.warning("%s has no metrics: %s", replica, error)
        return None
