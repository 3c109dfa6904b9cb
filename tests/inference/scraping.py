"""Reads metrics in Prometheus' text format."""

import re


def figure(text: str, line: str) -> float | None:
    """Return the figure of a line by its name and labels, None if there is no such line."""
    found = re.search(rf"^{re.escape(line)} (.+)$", text, re.MULTILINE)
    return float(found[1]) if found else None
