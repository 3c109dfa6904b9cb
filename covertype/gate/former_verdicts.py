"""Verdicts of the first releases, which stored only a sentence: read back into facts."""

import re
from collections.abc import Mapping

from covertype.gate.verdicts import REASON, RULE, Figure, Rule, Verdict, tag_of

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
    exact = {
        name: float(tags[tag_of(name)])
        for name in ("accuracy", "former_accuracy")
        if name in verdict.figures and tag_of(name) in tags
    }
    return Verdict(verdict.rule, {**verdict.figures, **exact})


def _read(sentence: str) -> Verdict | None:
    if sentence == _BY_HAND:
        return Verdict(Rule.BY_HAND)
    if changed := _CHANGED.fullmatch(sentence):
        return Verdict(Rule.PRODUCTION_CHANGED, {"production_changes": int(changed[1])})
    found = _BY_ACCURACY.fullmatch(sentence)
    if found is None:
        return None
    is_better, rival = found["lower"] is None, float(found["rival"])
    figures: dict[str, Figure] = {
        "accuracy": float(found["accuracy"]),
        "test_rows": int(found["rows"]),
    }
    if found["former"] is not None:
        figures |= {"former_version": found["former"], "former_accuracy": rival}
        return Verdict(Rule.BETTER if is_better else Rule.NOT_BETTER, figures)
    figures["floor_accuracy"] = rival
    if found["silent"] is not None:
        figures |= {"former_version": found["silent"], "former_fault": found["fault"]}
        return Verdict(Rule.FORMER_FAULT if is_better else Rule.FORMER_FAULT_NOT_BETTER, figures)
    return Verdict(Rule.FIRST if is_better else Rule.FIRST_NOT_BETTER, figures)
