"""Runs and versions in MLflow: logging, registration, promotion."""
