"""The inference service: `uvicorn inference.main:app`, from the root of the repository."""

from inference.app import create_app
from inference.log import log_to_stderr
from inference.settings import ServingSettings

log_to_stderr()
app = create_app(ServingSettings())
