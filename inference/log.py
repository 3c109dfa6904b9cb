"""The log of the service itself, in the format of uvicorn's."""

import logging


def log_to_stderr() -> None:
    """Log the service's messages of level INFO and higher to standard error."""
    logging.basicConfig(format="%(levelname)s:     %(name)s: %(message)s")
    logging.getLogger("inference").setLevel(logging.INFO)
