"""The process that follows Production; the only part that imports MLflow."""
