"""Text for CSV files that people open in a spreadsheet."""

import re

_BEGINNINGS = frozenset("=+-@\t\r\n＝＋－＠")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def inert(text: str) -> str:
    """Return a cell's text so that no spreadsheet runs it: a quote precedes what begins a formula.

    Numbers such as -5 stay numbers.
    """
    if text[:1] in _BEGINNINGS and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text
