"""The HTTP API of the service; it imports neither MLflow nor scikit-learn."""
