"""Benchmarks of what users wait for; each command writes its section of docs/benchmarks.md."""
