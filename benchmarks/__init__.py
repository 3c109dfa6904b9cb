"""Measurements of what users wait for, written to docs/benchmarks.md by the commands themselves."""
