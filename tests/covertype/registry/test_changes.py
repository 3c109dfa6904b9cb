"""Changes of Production: interrupted anywhere, at once, and told truly afterwards."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from covertype.documents import Documents
from covertype.gate.rules import Cost, Replay
from covertype.gate.verdicts import REASON, VERDICT, Outcome, Rule, Verdict
from covertype.history import GATE, Entry, Kind, State
from covertype.models.forest_walks import ForestPredictor
from covertype.registry.changes import settled_production
from covertype.registry.manual import NotPossible, promote_by_hand, roll_back
from covertype.registry.names import ELIGIBLE_STAGE
from covertype.registry.promotion import Gate
from covertype.reports.page import Page
from covertype.reports.verdict import verdict_page
from tests.covertype.conftest import WEAK
from tests.covertype.registry.registered import Registry, snapshot_named

pytestmark = [
    pytest.mark.usefixtures("server"),
    pytest.mark.filterwarnings("ignore:.*integer column:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*stages:FutureWarning"),
]

_WRITES = (
    (MlflowClient, "transition_model_version_stage"),
    (MlflowClient, "set_registered_model_alias"),
    (MlflowClient, "set_model_version_tag"),
    (MlflowClient, "delete_model_version_tag"),
    (Documents, "add"),
)
_KILLS = range(16)


class Killed(BaseException):
    """The process ended here."""


@contextmanager
def killed_after(writes: int) -> Iterator[list[str]]:
    """End the process after so many writes to MLflow and to the history; yield their names."""
    done: list[str] = []

    def killing(name: str, write: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            if len(done) == writes:
                raise Killed
            done.append(name)
            return write(*arguments, **more)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in _WRITES:
            patch.setattr(owner, name, killing(name, getattr(owner, name)))
        yield done


@pytest.fixture
def quick_answers(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each version be right in more of the rows than the one before it; draw no pictures."""
    numbers, classes = np.arange(len(gate.judged)), gate.rows.classes

    def answer(uri: str, _: pd.DataFrame) -> Any:
        wrong = numbers % 20 >= 10 + 3 * int(uri.rpartition("/")[2])
        return np.eye(7)[np.where(wrong, (classes + 1) % 7, classes)]

    def try_out(_: Gate, version: str) -> Any:
        replay = Replay(0, 0, [0] * 7, [0] * 7, 0.0)
        return answer(f"/{version}", gate.observations), Cost(1, 0, 0.0, 0, 0), replay

    def brief_page(version: str, judged: Verdict, *_: Any) -> Page:
        return verdict_page(version, judged)

    monkeypatch.setattr("covertype.registry.promotion.verdict_page", brief_page)
    monkeypatch.setattr("covertype.registry.promotion.fetch_answers", answer)
    monkeypatch.setattr(Gate, "_try", try_out)


def told(gate: Gate) -> list[tuple[Kind, str, State]]:
    return [(one.kind, one.version, one.state) for one in gate.history.entries()]


def last(gate: Gate) -> Entry:
    return gate.history.entries()[-1]


def assert_that_all_agree(registry: Registry, gate: Gate) -> str:
    """Check that stage, alias, tag and history name the same one version; return it."""
    (present,) = registry.production
    assert registry.alias == present
    assert State.BEGUN not in [state for _, _, state in told(gate)]
    changed = [one for one in gate.history.entries() if one.changed_production]
    assert changed[-1].version == present
    assert all(one.former == before.version for before, one in pairwise(changed))
    assert registry.tags(present)[VERDICT] == Outcome.PROMOTED
    return present


def test_the_history_tells_promotions_and_refusals_with_their_figures(
    registry: Registry, versions: list[str], gate: Gate
) -> None:
    weak, fair, good = versions
    for version in (fair, weak, good):
        gate.promote(version)
    assert told(gate) == [
        (Kind.PROMOTED, fair, State.DONE),
        (Kind.REFUSED, weak, State.DONE),
        (Kind.PROMOTED, good, State.DONE),
    ]
    entry = last(gate)
    assert (entry.former, entry.who, entry.why) == (fair, GATE, registry.tags(good)[REASON])
    assert entry.facts["promotion.rule"] == Rule.BETTER
    assert entry.facts["promotion.accuracy"] == registry.tags(good)["promotion.accuracy"]


@pytest.mark.usefixtures("quick_answers")
def test_a_retry_tells_a_refusal_once(registry: Registry, versions: list[str], gate: Gate) -> None:
    for version in (versions[1], versions[0], versions[0]):
        gate.promote(version)
    assert [kind for kind, _, _ in told(gate)] == [Kind.PROMOTED, Kind.REFUSED]


@pytest.mark.usefixtures("quick_answers")
@pytest.mark.parametrize("writes", _KILLS)
def test_a_promotion_killed_anywhere_leaves_one_version_that_all_agree_on(
    writes: int, registry: Registry, versions: list[str], gate: Gate
) -> None:
    _, fair, good = versions
    gate.promote(fair)
    with killed_after(writes) as done:
        try:
            gate.promote(good)
        except Killed:
            pass
        else:
            # The last of these kills came after the end.
            assert "transition_model_version_stage" in done
            assert len(done) < max(_KILLS)
    settled_production(gate.history)
    assert assert_that_all_agree(registry, gate) in (fair, good)
    gate.promote(good)
    assert assert_that_all_agree(registry, gate) == good


@pytest.mark.usefixtures("quick_answers")
@pytest.mark.parametrize("writes", range(7))
def test_a_rollback_killed_anywhere_leaves_one_version_that_all_agree_on(
    writes: int, registry: Registry, versions: list[str], gate: Gate
) -> None:
    _, fair, good = versions
    for version in (fair, good):
        gate.promote(version)
    with killed_after(writes) as done:
        try:
            roll_back(gate.history, fair, "ana", "it is wrong about aspens")
        except Killed:
            pass
        else:
            assert len(done) < 7
    settled_production(gate.history)
    assert assert_that_all_agree(registry, gate) in (fair, good)
    roll_back(gate.history, fair, "ana", "it is wrong about aspens")
    assert assert_that_all_agree(registry, gate) == fair


@pytest.mark.usefixtures("quick_answers")
@pytest.mark.parametrize("writes", range(0, 18, 2))
def test_a_version_left_to_a_person_killed_anywhere_is_settled_by_the_next_run(
    writes: int, registry: Registry, versions: list[str], gate: Gate
) -> None:
    _, fair, good = versions
    gate.promote(fair)
    by_hand = replace(gate, is_manual=True)
    with killed_after(writes), suppress(Killed):
        by_hand.promote(good)
        promote_by_hand(gate.history, good, "ana", "it is better")
    settled_production(gate.history)
    assert assert_that_all_agree(registry, gate) in (fair, good)
    by_hand.promote(good)
    promote_by_hand(gate.history, good, "ana", "it is better")
    assert assert_that_all_agree(registry, gate) == good


def test_the_versions_of_a_release_without_a_history_can_be_gone_back_to(
    registry: Registry, versions: list[str], gate: Gate
) -> None:
    weak, fair, good = versions
    for version in (weak, good):
        registry.move_by_hand(version)
        registry.client.set_model_version_tag(registry.name, version, VERDICT, Outcome.PROMOTED)
    assert settled_production(gate.history) == good
    assert [(one.version, one.former) for one in gate.history.entries()] == [
        (weak, None),
        (good, weak),
    ]
    assert roll_back(gate.history, weak, "ana", "")
    with pytest.raises(NotPossible, match=f"possible are {good}$"):
        roll_back(gate.history, fair, "ana", "")


def test_a_version_that_was_judged_beside_another_one_is_not_promoted_by_hand(
    registry: Registry, versions: list[str], gate: Gate
) -> None:
    weak, fair, good = versions
    gate.promote(weak)
    by_hand = replace(gate, is_manual=True)
    for version in (fair, good):
        assert by_hand.promote(version).outcome is Outcome.ELIGIBLE
    assert promote_by_hand(gate.history, good, "ana", "")
    with pytest.raises(NotPossible, match=f"possible are {weak}$"):
        promote_by_hand(gate.history, fair, "ana", "")


@pytest.mark.usefixtures("quick_answers")
def test_two_promotions_and_a_rollback_at_once_are_done_one_after_another(
    registry: Registry, versions: list[str], gate: Gate
) -> None:
    weak, fair, good = versions
    for version in (weak, fair):
        gate.promote(version)
    with ThreadPoolExecutor(3) as pool:
        promotions = [pool.submit(gate.promote, good) for _ in range(2)]
        way_back = pool.submit(roll_back, gate.history, weak, "ana", "to be sure")
        decisions = [one.result() for one in promotions]
        assert way_back.result()
    # One that comes after the rollback of what the other promoted is refused for it.
    assert any(one.promoted for one in decisions)
    assert all(one.promoted or one.verdict.rule is Rule.ROLLED_BACK for one in decisions)
    assert_that_all_agree(registry, gate)
    kinds = [kind for kind, _, _ in told(gate)[2:]]
    assert kinds.count(Kind.ROLLED_BACK) == 1
    assert kinds.count(Kind.PROMOTED) >= 1


def test_what_a_person_did_in_mlflow_is_told_too(
    registry: Registry, versions: list[str], gate: Gate
) -> None:
    weak, _, good = versions
    gate.promote(weak)
    registry.move_by_hand(good)
    settled_production(gate.history)
    settled_production(gate.history)
    assert told(gate)[1:] == [(Kind.FOUND, good, State.DONE)]
    assert last(gate).former == weak


def test_production_goes_back_and_the_history_says_who_and_why(
    registry: Registry, versions: list[str], gate: Gate
) -> None:
    weak, fair, _ = versions
    for version in (weak, fair):
        gate.promote(version)
    assert roll_back(gate.history, weak, "ana", "it is wrong about aspens")
    assert assert_that_all_agree(registry, gate) == weak
    entry = last(gate)
    assert (entry.kind, entry.who, entry.why) == (
        Kind.ROLLED_BACK,
        "ana",
        "it is wrong about aspens",
    )
    assert entry.former == fair
    assert not roll_back(gate.history, weak, "ana", "again")


def test_a_version_with_the_data_of_one_that_was_rolled_back_is_not_promoted(
    registry: Registry, versions: list[str], gate: Gate
) -> None:
    weak, fair, good = versions
    for version in (weak, fair):
        gate.promote(version)
    roll_back(gate.history, weak, "ana", "")
    decision = gate.promote(fair)
    assert decision.verdict.rule is Rule.ROLLED_BACK
    assert registry.production == [weak]
    # Other data gives another model; and a person may decide otherwise.
    assert gate.promote(good).promoted
    roll_back(gate.history, weak, "ana", "")
    assert promote_by_hand(gate.history, good, "ana", "it was right after all")
    roll_back(gate.history, weak, "ana", "")
    assert promote_by_hand(gate.history, fair, "ana", "this one")
    assert gate.promote(good).verdict.rule is Rule.ROLLED_BACK


def test_one_goes_back_only_to_a_version_that_was_in_production(
    registry: Registry, versions: list[str], gate: Gate
) -> None:
    weak, fair, good = versions
    gate.promote(fair)
    gate.promote(weak)
    for version in (weak, "99", "none"):
        with pytest.raises(NotPossible, match=r"can't be put .* possible are none"):
            roll_back(gate.history, version, "ana", "")
    gate.promote(good)
    with pytest.raises(NotPossible, match=f"possible are {fair}$"):
        roll_back(gate.history, weak, "ana", "")


def test_a_rollback_of_a_version_that_is_not_in_production_any_more_does_nothing(
    registry: Registry, versions: list[str], gate: Gate
) -> None:
    weak, fair, good = versions
    for version in versions:
        gate.promote(version)
    with pytest.raises(NotPossible, match=f"{fair} is not in Production any more, but {good}"):
        roll_back(gate.history, weak, "watcher", "", instead_of=fair)
    assert registry.production == [good]
    facts = {"trouble": "error_rate"}
    assert roll_back(gate.history, weak, "watcher", "", instead_of=good, facts=facts)
    assert last(gate).facts == facts


def test_a_version_that_answers_otherwise_than_in_training_does_not_come_back(
    registry: Registry,
    versions: list[str],
    gate: Gate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weak, fair, _ = versions
    for version in (weak, fair):
        gate.promote(version)
    answer = ForestPredictor.answer
    monkeypatch.setattr(ForestPredictor, "answer", lambda self, codes: answer(self, codes)[:, ::-1])
    with pytest.raises(NotPossible, match="golden rows otherwise than in training"):
        roll_back(gate.history, weak, "ana", "")
    assert registry.production == [fair]


def test_without_automatic_promotion_a_version_that_passes_waits_for_a_person(
    registry: Registry, versions: list[str], gate: Gate
) -> None:
    weak, fair, good = versions
    assert gate.promote(weak).promoted
    by_hand = replace(gate, is_manual=True)
    assert by_hand.promote(fair).outcome is Outcome.ELIGIBLE
    assert registry.in_stage(ELIGIBLE_STAGE) == [fair]
    assert by_hand.promote(good).outcome is Outcome.ELIGIBLE
    assert registry.in_stage(ELIGIBLE_STAGE) == [good]
    assert registry.production == [weak]
    assert promote_by_hand(gate.history, good, "ana", "it is better")
    assert registry.in_stage(ELIGIBLE_STAGE) == []
    assert assert_that_all_agree(registry, gate) == good
    assert [kind for kind, _, _ in told(gate)] == [
        Kind.PROMOTED,
        Kind.ELIGIBLE,
        Kind.ELIGIBLE,
        Kind.PROMOTED,
    ]


def test_a_refused_version_is_not_promoted_by_hand(
    registry: Registry, versions: list[str], gate: Gate
) -> None:
    weak, fair, _ = versions
    gate.promote(fair)
    gate.promote(weak)
    with pytest.raises(NotPossible, match="possible are none"):
        promote_by_hand(gate.history, weak, "ana", "")


def test_a_rollback_keeps_the_training_data_of_what_it_took_away(
    registry: Registry, versions: list[str], gate: Gate
) -> None:
    weak, fair, _ = versions
    for version in (weak, fair):
        gate.promote(version)
    roll_back(gate.history, weak, "ana", "")
    assert last(gate).snapshot == snapshot_named({"n_estimators": 5})
    assert snapshot_named(WEAK) != last(gate).snapshot
