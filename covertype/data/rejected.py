"""Rejected rows: what broke the contract, one file a source that had any."""

from pathlib import Path

import pandas as pd

from covertype.atomic import replacing
from covertype.rows.spreadsheets import inert
from covertype.rows.validation import REASON

_COLUMNS = ["source", "line", "text", REASON]


def write(folder: Path, source: str, rejected: pd.DataFrame) -> None:
    """Write the rejected rows of a raw file; without any there is no file."""
    path = folder / source.replace("/", "_")
    if rejected.empty:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as temporary:
        # The text is a stranger's, and people open these files in spreadsheets.
        shown = rejected.assign(source=source, text=rejected["text"].map(inert))
        shown.rename_axis("line").reset_index()[_COLUMNS].to_csv(temporary, index=False)


def read(folder: Path) -> pd.DataFrame:
    """Return every rejected row: source, line, text, reason."""
    files = sorted(folder.glob("*.csv"))
    if not files:
        return pd.DataFrame(columns=_COLUMNS)
    return pd.concat([pd.read_csv(file) for file in files], ignore_index=True)
