"""Where the service's own log goes: beside uvicorn's, in its manner."""

import logging


def log_to_stderr() -> None:
    """Show what the service has to say, from INFO on."""
    logging.basicConfig(format="%(levelname)s:     %(name)s: %(message)s")
    logging.getLogger("inference").setLevel(logging.INFO)
