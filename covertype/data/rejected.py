"""Rejected rows: one file for each raw file that has invalid rows.

A file has a line for each broken rule: source, line, text, rule, feature, value.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import pandas as pd

from covertype.contract import COLUMNS, LABELLED
from covertype.rows.spreadsheets import inert
from covertype.rows.violations import CELLS, OTHER, VALUE, Violation
from covertype.storage import Store

_ROW = ["source", "line", "text"]
_COLUMNS = [*_ROW, *Violation._fields]

_FORMER_REASON = "reason"
_RULES = {feature.rule: feature.name for feature in LABELLED}
_ANY_RULE = "|".join(map(re.escape, _RULES))
_FORMER_VALUE = re.compile(
    rf"(?:^|; )(?P<rule>{_ANY_RULE}), got (?P<value>.*?)(?=; (?:{_ANY_RULE}), got |$)", re.DOTALL
)
_FORMER_CELLS = re.compile(rf"a row must have {len(COLUMNS)} columns, got (\d+)")


@dataclass(frozen=True)
class RejectedRow:
    """An invalid row of a raw file: its line from 1, its text, and the broken rules."""

    line: int
    text: str
    violations: Sequence[Violation]


def write(folder: Store, source: str, rows: Sequence[RejectedRow]) -> None:
    """Write the rejected rows of a raw file; without any there is no file."""
    name = source.replace("/", "_")
    if not rows:
        folder.remove(name)
        return
    # Texts and values are not trusted, and people open these files in spreadsheets.
    lines = (
        (source, row.line, inert(row.text), broken.rule, broken.feature, inert(broken.value))
        for row in rows
        for broken in row.violations
    )
    with (
        folder.replacing(name) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows(lines)


def read(folder: Store) -> pd.DataFrame:
    """Return every rejected row: source, line, text, violations (a list of `Violation`)."""
    names = sorted(name for name in folder.names() if name.endswith(".csv"))
    rows = [row for name in names for row in _read(folder.read(name))]
    return pd.DataFrame(rows, columns=[*_ROW, "violations"])


def _read(content: bytes) -> Iterator[tuple[str, int, str, list[Violation]]]:
    lines = csv.reader(io.StringIO(content.decode(), newline=""))
    is_former = _FORMER_REASON in next(lines)
    for (source, line, text), broken in groupby(lines, lambda cells: cells[: len(_ROW)]):
        rules = [cells[len(_ROW) :] for cells in broken]
        violations = (
            _of_former_release(rules[0][0]) if is_former else [Violation(*one) for one in rules]
        )
        yield source, int(line), text, violations


def _of_former_release(reason: str) -> list[Violation]:
    """Parse the sentence in which a former release stored the violations."""
    if cells := _FORMER_CELLS.fullmatch(reason):
        return [Violation(CELLS, value=cells[1])]
    return [
        Violation(VALUE, _RULES[found["rule"]], found["value"].removeprefix("nothing"))
        for found in _FORMER_VALUE.finditer(reason)
    ] or [Violation(OTHER, value=reason)]
