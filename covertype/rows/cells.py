"""The cells of text files, as the values that they write."""

import re

_WHOLE_NUMBER = re.compile(r"([+-]?)([0-9]+)(?:\.0*)?")
_LONGEST = 18


def value_of(cell: str) -> int | str:
    """Return the whole number that a cell writes, such as 3000 or 3000.0, or else its text.

    The digits decide, as a number that is read as a float is rounded: 1e-400 would be 0.
    """
    text = cell.strip()
    found = _WHOLE_NUMBER.fullmatch(text)
    if found is None:
        return text
    # Apart from the expression, which would try every number of zeros.
    digits = found[2].lstrip("0") or "0"
    return int(found[1] + digits) if len(digits) <= _LONGEST else text
