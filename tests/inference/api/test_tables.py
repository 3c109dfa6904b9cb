"""Observations and answers as CSV."""

import io

import numpy as np
import pandas as pd
import pytest

from covertype.contract import CLASSES, COLUMNS, FEATURE_NAMES
from covertype.rows.codes import to_codes
from inference.api.requests import InvalidRequest
from inference.api.tables import read_csv, write_csv
from tests.inference.api.test_requests import VALID

LINE = ",".join(map(str, VALID))
HEADER = ",".join(FEATURE_NAMES)
CODES = to_codes([VALID]).tolist()


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_of_more_than_one_block_are_read_in_their_order(newline: str) -> None:
    rows = [[2000 + number % 1000, *VALID[1:]] for number in range(90_000)]
    body = newline.join(",".join(map(str, row)) for row in rows).encode()
    assert read_csv(body, len(rows)).tolist() == to_codes(rows).tolist()


def test_a_line_that_is_too_long_is_refused_with_the_limit() -> None:
    with pytest.raises(InvalidRequest, match="64000 bytes"):
        read_csv(b"1,2\n" + b"a" * 64_001, 4)
    with pytest.raises(InvalidRequest, match="64000 bytes"):
        read_csv(b"1,2\n" + b'"a\n' + (b"b" * 100 + b"\n") * 1000, 2000)


@pytest.mark.parametrize(
    "text",
    [
        LINE,
        f"{LINE},4",
        f"{HEADER}\n{LINE}",
        f"{HEADER.lower()}\r\n{LINE}\r\n",
        f"plot,{HEADER},note\nA-1,{LINE},by the river",
        f"{HEADER}\n{LINE}".replace(",", ";"),
        f"{HEADER}\n{LINE}".replace(",", "\t"),
        f"\ufeff{HEADER}\n{LINE}",
        f"\n{HEADER}\n\n{LINE}\n\n",
    ],
)
def test_files_as_people_have_them_are_read(text: str) -> None:
    assert read_csv(text.encode(), 4).tolist() == CODES


@pytest.mark.parametrize(
    ("header", "named"),
    [
        (HEADER.replace("Slope,", ""), "missing: Slope"),
        (HEADER.replace("Slope", "Aspect"), "repeated: Aspect"),
    ],
)
def test_a_first_line_without_each_name_once_is_invalid(header: str, named: str) -> None:
    with pytest.raises(InvalidRequest, match=named) as caught:
        read_csv(f"{header}\n{LINE}".encode(), 4)
    assert caught.value.faults[0]["loc"] == ["body", 0]


def test_a_row_without_all_cells_of_its_file_is_invalid() -> None:
    # Twelve cells, but the file names thirteen columns.
    content = f"{','.join(reversed(COLUMNS))}\n{LINE}".encode()
    with pytest.raises(InvalidRequest, match="13 columns, got 12") as caught:
        read_csv(content, 4)
    assert caught.value.faults[0]["loc"] == ["body", 0]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_ends_of_lines_in_quoted_cells_make_no_rows(
    newline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.api.tables._BLOCK_BYTES", 400)
    quoted = newline.join([f'{LINE},"x', *[f"{LINE},y"] * 9, f'{LINE},z"'])
    body = newline.join([f"{HEADER},note", *[quoted] * 4]).encode()
    assert read_csv(body, 100).tolist() == CODES * 4


def test_answers_of_more_than_one_block_are_one_table() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(len(CLASSES)), 45_000)
    written = pd.read_csv(io.BytesIO(b"".join(write_csv(probabilities, "7"))))
    assert written.columns.tolist() == ["prediction", "label", *CLASSES, "model_version"]
    assert written["prediction"].tolist() == probabilities.argmax(axis=1).tolist()
    assert (written["model_version"] == 7).all()
    assert np.allclose(written[list(CLASSES)], probabilities)
