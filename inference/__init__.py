"""The inference service: answers with the model in Production, and follows it as it changes."""

COMMAND = ("uvicorn", "inference.main:app", "--http", "inference.api.connections:Connection")
"""What starts it, but for its address; the Procfile and the Dockerfile say the same."""
