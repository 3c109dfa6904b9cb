"""Metrics, and the log of answered predictions."""
