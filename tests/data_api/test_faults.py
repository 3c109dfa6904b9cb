from collections import Counter

import pytest

from faults import Faults


def test_no_faults_by_default() -> None:
    assert {Faults.parse("").draw(1) for _ in range(1000)} == {None}


def test_faults_come_in_the_shares_asked_for() -> None:
    faults = Faults.parse("error:0.1,timeout:0.1,malformed:0.05")
    drawn = Counter(faults.draw(1) for _ in range(20_000))
    # Five standard deviations are less than 0.011.
    for kind, share in (("error", 0.1), ("timeout", 0.1), ("malformed", 0.05), (None, 0.75)):
        assert drawn[kind] / 20_000 == pytest.approx(share, abs=0.016)


def test_fault_of_a_group_leaves_the_others_alone() -> None:
    faults = Faults.parse("error@3:1, soil@4:1")
    assert [faults.draw(group) for group in (2, 3, 4)] == [None, "error", "soil"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("fire:0.1", "'fire:0.1' is not kind:share"),
        ("error", "'error' is not kind:share"),
        ("error:much", "'error:much' is not"),
        ("error:1.5", "a share from 0 to 1"),
        ("error:-0.1", "a share from 0 to 1"),
        ("error:nan", "a share from 0 to 1"),
        ("error@11:1", "a group from 1 to 10"),
        ("error@x:1", "a group from 1 to 10"),
        ("error:0.5,timeout@2:0.6", "shares of group 2 come to 1.1, more than 1"),
    ],
)
def test_malformed_faults_are_refused_with_a_sentence(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Faults.parse(text)
