"""Metrics, and the logs of predictions and feedback."""
