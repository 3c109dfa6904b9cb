"""Verdicts of the first releases, which stored only a sentence: read back into facts."""

import re
from collections.abc import Mapping
from dataclasses import replace

from covertype.registry.names import ACCURACY, FORMER_ACCURACY, REASON, RULE
from covertype.registry.verdicts import Rule, Verdict

_BY_ACCURACY = re.compile(
    r"accuracy (?P<accuracy>\d\.\d+) is (?P<lower>not )?higher than (?P<rival>\d\.\d+) of "
    r"(?:version (?P<former>\S+) in Production|always answering the most frequent class), "
    r"on the same (?P<rows>\d+) test rows"
    r"(?:; version (?P<silent>\S+) in Production can't answer: (?P<fault>.*))?"
)
_CHANGED = re.compile(r"Production changed (\d+) times while the version was judged")
_BY_HAND = "is in Production already, put there by hand"


def from_tags(tags: Mapping[str, str]) -> Verdict | None:
    """Return the verdict of a version that a former release tagged.

    None if a later one tagged it, or its sentence is unknown.
    """
    verdict = None if RULE in tags else _read(tags.get(REASON, ""))
    if verdict is None:
        return None
    return replace(
        verdict,
        accuracy=_exact(verdict.accuracy, tags.get(ACCURACY)),
        former_accuracy=_exact(verdict.former_accuracy, tags.get(FORMER_ACCURACY)),
    )


def _exact(stated: float | None, tag: str | None) -> float | None:
    """Return a figure of the sentence as its tag holds it, which is with more digits."""
    return float(tag) if stated is not None and tag is not None else stated


def _read(sentence: str) -> Verdict | None:
    if sentence == _BY_HAND:
        return Verdict(rule=Rule.BY_HAND)
    if changed := _CHANGED.fullmatch(sentence):
        return Verdict(rule=Rule.PRODUCTION_CHANGED, changes=int(changed[1]))
    found = _BY_ACCURACY.fullmatch(sentence)
    if found is None:
        return None
    is_better, rival = found["lower"] is None, float(found["rival"])
    accuracy, rows = float(found["accuracy"]), int(found["rows"])
    if found["former"] is not None:
        return Verdict(
            rule=Rule.BETTER if is_better else Rule.NOT_BETTER,
            accuracy=accuracy,
            test_rows=rows,
            former_version=found["former"],
            former_accuracy=rival,
        )
    if found["silent"] is not None:
        return Verdict(
            rule=Rule.FORMER_FAULT if is_better else Rule.FORMER_FAULT_NOT_BETTER,
            accuracy=accuracy,
            test_rows=rows,
            floor_accuracy=rival,
            former_version=found["silent"],
            former_fault=found["fault"],
        )
    return Verdict(
        rule=Rule.FIRST if is_better else Rule.FIRST_NOT_BETTER,
        accuracy=accuracy,
        test_rows=rows,
        floor_accuracy=rival,
    )
