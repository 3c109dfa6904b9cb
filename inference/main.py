"""The inference service: `uvicorn inference.main:app`, from the root of the repository."""

from inference.app import create_app
from inference.settings import ServingSettings

app = create_app(ServingSettings())
