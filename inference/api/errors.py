"""Why a request is not answered: each with its status and one sentence."""

from collections.abc import Mapping

_CLOSE = {"Connection": "close"}
_LATER = {"Retry-After": "5"}


class Unanswered(Exception):
    """A request without an answer."""

    status = 500
    headers: Mapping[str, str] = {}

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)


class NoModel(Unanswered):
    """No version is in Production yet, or the one that is kept can't answer for a reason."""

    status = 503
    headers = _LATER

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(
            f"No model answers yet: {reason}"
            if reason
            else "No model is in Production yet: it appears here when one is promoted in MLflow"
        )


class Busy(Unanswered):
    """As many batches as may be are worked on."""

    status = 503
    headers = _LATER

    def __init__(self) -> None:
        super().__init__("Too many batches are being worked on: send it again in a few seconds")


class UploadGivenUp(Busy):
    """The bodies that arrive need more memory than they may, and this one was the slowest."""

    headers = _LATER | _CLOSE


class BodyTooLong(Unanswered):
    """The body is longer than it may be."""

    status = 413
    headers = _CLOSE

    def __init__(self, most: int) -> None:
        super().__init__(f"The body may have {most} bytes: send fewer observations at once")


class BodyTooSlow(Unanswered):
    """The body did not arrive in time."""

    status = 408
    headers = _CLOSE

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The body did not arrive in {seconds:g} s")
