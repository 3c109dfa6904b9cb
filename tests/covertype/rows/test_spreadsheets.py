import pytest

from covertype.rows.spreadsheets import inert


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("http://evil.example")',
        "+1+1",
        "-1+cmd|'/c calc'!A0",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
    ],
)
def test_what_a_spreadsheet_would_run_is_text(text: str) -> None:
    assert inert(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "-5", "+3", "-0.5", "-.5", "+1e-9", "12", "Rawah", "a=b"])
def test_numbers_and_other_text_stay_as_they_are(text: str) -> None:
    assert inert(text) == text
