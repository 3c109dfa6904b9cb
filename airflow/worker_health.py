"""The health check of a Celery worker: it exits with a sentence if the worker takes no tasks.

A worker whose connection to Redis was lost may come back deaf: it runs, and may even answer, but
does not wait for tasks. So this asks the worker what it does, and asks Redis whether a worker with
a free slot waits for the next task.
"""

import os
import socket
import sys

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import AuthenticationError, RedisError

_ANSWER_SECONDS = 5.0
_WAITS_AGAIN_SECONDS = 15
"""A worker renews its request for the next task every second, unless it is very busy."""


def reason_for_alarm(app: Celery, worker: str, slots: int) -> str | None:
    """Return what is wrong with a worker of this machine; None also while Redis is away."""
    try:
        # First, because the answer to the question below is waited for in the same way.
        with app.connection_for_read() as connection:
            redis = connection.default_channel.client
            own_host = _host(redis.client_info()["addr"])
            waiting = any(
                client["cmd"] == "brpop"
                and int(client["idle"]) < _WAITS_AGAIN_SECONDS
                and _host(client["addr"]) == own_host
                for client in redis.client_list()
            )
        answers = app.control.inspect([worker], _ANSWER_SECONDS, limit=1).active()
    except AuthenticationError as error:
        return f"Redis takes no tasks from {worker}: {error}"
    except (OperationalError, RedisError, OSError):
        # Redis has a health check of its own, and a restart of its workers would not help.
        return None
    if not answers:
        return f"{worker} does not answer"
    if not waiting and len(answers[worker]) < slots:
        return f"{worker} has a free slot, but does not wait for tasks"
    return None


def _host(address: str) -> str:
    return address.rpartition(":")[0]


if __name__ == "__main__":
    sys.exit(
        reason_for_alarm(
            Celery(broker=os.environ["AIRFLOW__CELERY__BROKER_URL"]),
            f"celery@{socket.gethostname()}",
            int(os.environ["AIRFLOW__CELERY__WORKER_CONCURRENCY"]),
        )
    )
