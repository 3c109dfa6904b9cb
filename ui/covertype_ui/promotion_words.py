"""Why a version was promoted or refused, in the chosen language."""

import re

from covertype_ui import texts
from covertype_ui.history import VersionRecord
from covertype_ui.language import language, number, percent, say

_BY_ACCURACY = re.compile(
    r"accuracy [\d.]+ is (?P<promoted>not )?higher than (?P<rival>[\d.]+) of "
    r"(?:version (?P<version>\S+) in Production|always answering the most frequent class), "
    r"on the same (?P<rows>\d+) test rows"
    r"(?:; version (?P<silent>\S+) in Production can't answer: (?P<fault>.*))?"
)


def verdict_reason(record: VersionRecord) -> str:
    """Say the reason of a verdict; one of another kind is given as the promotion words it."""
    found = _BY_ACCURACY.fullmatch(record.reason)
    if language() == "en" or found is None or record.accuracy is None:
        return record.reason
    phrase = texts.REASON_FIRST if found["version"] is None else texts.REASON_RIVAL
    if found["silent"] is not None:
        phrase = texts.REASON_SILENT
    return say(
        phrase,
        accuracy=percent(record.accuracy, 2),
        rival=percent(float(found["rival"]), 2),
        version=found["version"] or found["silent"],
        rows=number(int(found["rows"])),
        fault=found["fault"],
    )
