"""The inference service: answers with the model in Production, and follows it as it changes."""

COMMAND = ("uvicorn", "inference.main:app", "--http", "inference.api.connections:Connection")
"""The command that starts it, without its address and options of its log. The Procfile and the
Dockerfile contain it."""
