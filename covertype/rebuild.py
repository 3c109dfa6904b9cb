"""Makes the processed rows again from all raw files: `make rebuild-data`.

The new files are made beside the old ones and take their place at the end, so readers and the
platform go on meanwhile. In containers:
`docker compose exec airflow-scheduler python -m covertype.rebuild`.
"""

import argparse
import logging
import sys
from dataclasses import dataclass

from covertype.atomic import Busy
from covertype.data import Damaged, Datasets, Processed
from covertype.ingestion.preprocessing import merge_unread
from covertype.settings import Settings


class FewerRows(ValueError):
    """The raw files give fewer rows than there are; nothing was changed."""


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild did: raw files read, and rows before and after.

    `before` is None if the former file could not be read.
    """

    files: int
    before: int | None
    after: int

    def __str__(self) -> str:
        before = "unreadable" if self.before is None else self.before
        return f"{self.files} raw files read; rows before: {before}, after: {self.after}"


def rebuild(datasets: Datasets, *, fewer_rows: bool = False) -> Rebuilt:
    """Make the processed rows again from all raw files, in the order of their arrival.

    Parameters
    ----------
    fewer_rows : bool
        Accept that there are fewer rows than before, as when raw files were removed.

    Raises
    ------
    FewerRows
        If there are fewer rows than before, and that was not accepted.
    Busy
        If another rebuild runs, or a preprocessing that does not end in five minutes.
    """
    processed = datasets.processed
    fresh = Processed(processed.folder.at(".rebuild"))
    with fresh.locked():
        fresh.clear()
        files = merge_unread(datasets, fresh).files
        with processed.locked():
            # What arrived meanwhile.
            done = merge_unread(datasets, fresh)
            before = _count(processed)
            if done.total < (before or 0) and not fewer_rows:
                fresh.clear()
                raise FewerRows(
                    f"The raw files give {done.total} rows, and there are {before}: nothing was "
                    "changed; --fewer-rows (make rebuild-data FEWER_ROWS=1) accepts it"
                )
            if fresh.exists():
                fresh.move_to(processed)
                datasets.raw.arrivals.forget_former_release()
    return Rebuilt(files + done.files, before, done.total)


def _count(processed: Processed) -> int | None:
    try:
        return processed.count()
    except Damaged:
        return None


def main() -> None:
    """Rebuild the datasets that the settings name, and say what was done."""
    parser = argparse.ArgumentParser(prog="python -m covertype.rebuild", description=__doc__)
    parser.add_argument(
        "--fewer-rows", action="store_true", help="accept fewer rows than there are now"
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    datasets = Settings().datasets
    try:
        print(f"{datasets.root}: {rebuild(datasets, fewer_rows=arguments.fewer_rows)}")
    except (Busy, FewerRows) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
