"""Monitoring: drift, next-batch accuracy and live accuracy."""
