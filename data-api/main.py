"""The application, made from the environment: `uvicorn main:app --app-dir data-api`."""

import sys

from pydantic import ValidationError

from api import Settings, create_app

try:
    app = create_app(Settings())
except ValidationError as error:
    sys.exit("\n".join(f"{str(one['loc'][0]).upper()}: {one['msg']}" for one in error.errors()))
except ValueError as error:
    sys.exit(str(error))
