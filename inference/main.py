"""The inference service, from the root of the repository.

`uvicorn inference.main:app --http inference.api.connections:Connection`
"""

from inference.api.app import create_app
from inference.log import log_to_stderr
from inference.settings import ServingSettings

log_to_stderr()
app = create_app(ServingSettings())
