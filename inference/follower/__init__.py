"""The process that follows Production; in the service, only it imports MLflow."""
