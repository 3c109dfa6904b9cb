"""Airflow's API, as tests of whole platforms use it."""

from typing import Any

import requests


def ask_airflow(
    address: str, login: dict[str, str], method: str, path: str, seconds: float, **arguments: Any
) -> Any:
    """Ask one resource of the API; return the answer, None if it is empty.

    Parameters
    ----------
    address : str
        Airflow's, as http://host:port.
    login : dict
        `username` and `password`.
    method, path : str
        The path is that below /api/v2/.
    seconds : float
        How long each of the two requests may take.
    **arguments
        Of `requests.request`.

    Raises
    ------
    requests.RequestException
        If it does not answer, or with an error.
    """
    token = requests.post(f"{address}/auth/token", json=login, timeout=seconds)
    token.raise_for_status()
    answer = requests.request(
        method,
        f"{address}/api/v2/{path}",
        headers={"Authorization": f"Bearer {token.json()['access_token']}"},
        timeout=seconds,
        **arguments,
    )
    answer.raise_for_status()
    return answer.json() if answer.content else None
