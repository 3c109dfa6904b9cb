"""The promotion gate: what a version must show to become Production, and what was decided.

It knows answers and figures alone: no files, no MLflow.
"""
