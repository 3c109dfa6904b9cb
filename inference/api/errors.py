"""Errors of requests, each with its HTTP status and one sentence."""

from collections.abc import Mapping

_CLOSE = {"Connection": "close"}
_LATER = {"Retry-After": "5"}


class Unanswered(Exception):
    """The service does not answer a request; the message is the sentence for the client."""

    status = 500
    headers: Mapping[str, str] = {}

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)


class NoServedModel(Unanswered):
    """No version is in Production yet, or the kept version can't be loaded for a reason."""

    status = 503
    headers = _LATER

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(
            f"No model answers yet: {reason}"
            if reason
            else "No model is in Production yet: it appears here when one is promoted in MLflow"
        )


class TooManyBatches(Unanswered):
    """The worker already has as many batches as it accepts."""

    status = 503
    headers = _LATER

    def __init__(self) -> None:
        super().__init__("Too many batches are being worked on: send it again in a few seconds")


class UploadAborted(TooManyBatches):
    """The incoming bodies need too much memory, and this one was the slowest."""

    headers = _LATER | _CLOSE


class BodyTooLong(Unanswered):
    """The body is longer than the limit."""

    status = 413
    headers = _CLOSE

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body may have {limit} bytes: send fewer observations at once")


class BodyTooSlow(Unanswered):
    """The body did not arrive in time."""

    status = 408
    headers = _CLOSE

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The body did not arrive in {seconds:g} s")
