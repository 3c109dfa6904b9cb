"""What becomes Production on a real MLflow server, whatever is there and whoever put it there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from covertype.gate import verdicts
from covertype.gate.verdicts import REASON, VERDICT, Outcome, Rule, Verdict, tag_of
from covertype.history import Kind
from covertype.models.artifact import MODEL_FILE
from covertype.models.stored_forests import StoredForest
from covertype.registry import changes, tracking
from covertype.registry.changes import settled_production
from covertype.registry.logged import model_uri
from covertype.registry.production import to_production
from covertype.registry.promotion import Gate, register
from covertype.registry.tracking import Unusable
from covertype.training.fitting import TrainingSet
from tests.covertype.conftest import FAIR
from tests.covertype.registry.registered import Registry, log_forest

pytestmark = [
    pytest.mark.usefixtures("server"),
    pytest.mark.filterwarnings("ignore:.*integer column:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*stages:FutureWarning"),
]


def files_of(version: ModelVersion) -> Any:
    run = MlflowClient().get_run(version.run_id)
    logged = MlflowClient().get_logged_model(model_uri(run).removeprefix("models:/"))
    return get_artifact_repository(logged.artifact_location)


def lose(version: ModelVersion, folder: Path) -> None:
    files_of(version).delete_artifacts(MODEL_FILE)


def damage(version: ModelVersion, folder: Path) -> None:
    fetched = Path(files_of(version).download_artifacts(MODEL_FILE, str(folder)))
    fetched.write_bytes(fetched.read_bytes()[:-100])
    files_of(version).log_artifact(str(fetched))


def replace_by_another_kind(version: ModelVersion, folder: Path) -> None:
    import skops.io

    skops.io.dump({"a": 1}, folder / MODEL_FILE)
    files_of(version).log_artifact(str(folder / MODEL_FILE))


@pytest.mark.parametrize("spoil", [lose, damage, replace_by_another_kind])
def test_a_version_that_can_t_answer_stands_in_nobody_s_way(
    spoil: Callable[[ModelVersion, Path], None],
    registry: Registry,
    versions: list[str],
    gate: Gate,
    data: TrainingSet,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    weak, _, good = versions
    silent = register(log_forest(FAIR, data))
    registry.move_by_hand(silent)
    spoil(registry.version(silent), tmp_path)

    verdict = gate.promote(good).verdict
    assert verdict.passed
    assert registry.production == [good]
    assert "always answering the most frequent class" in verdict.reason
    assert f"; version {silent} in Production can't answer: " in verdict.reason
    tags = registry.tags(good)
    assert tags[REASON] == verdict.reason
    assert tags[tag_of("former_version")] == silent
    assert tags[tag_of("former_fault")] in verdict.reason
    assert tag_of("former_accuracy") not in tags
    (said,) = [
        record.getMessage()
        for record in caplog.records
        if (record.name, record.levelname) == ("covertype.registry.promotion", "ERROR")
    ]
    assert f"Version {silent} in Production can't answer" in said

    stored = verdicts.from_tags(tags)
    assert stored is not None
    assert stored.rule is Rule.FORMER_FAULT

    # Judged again, by another figure, nothing of the former judgement is left.
    registry.move_by_hand(weak)
    assert gate.promote(good).promoted
    assert tag_of("former_fault") not in registry.tags(good)
    assert registry.tags(good)[tag_of("former_version")] == weak
    assert tag_of("floor_accuracy") not in registry.tags(good)


def test_a_version_put_in_production_by_hand_that_logged_no_model_stands_in_nobody_s_way(
    registry: Registry, versions: list[str], gate: Gate
) -> None:
    run = registry.client.create_run("0").info
    source = f"{run.artifact_uri}/model"
    by_hand = registry.client.create_model_version(registry.name, source, run.run_id).version
    registry.move_by_hand(str(by_hand))
    assert gate.promote(versions[2]).promoted


def test_beside_a_version_that_can_t_answer_a_worthless_one_is_refused(
    registry: Registry,
    versions: list[str],
    gate: Gate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silent, worthless, _ = versions
    registry.move_by_hand(silent)

    def answer(uri: str, observations: pd.DataFrame) -> Any:
        if uri.endswith(f"/{silent}"):
            raise Unusable("it is lost")
        return np.eye(7)[[3] * len(observations)]

    monkeypatch.setattr("covertype.registry.promotion.fetch_answers", answer)
    monkeypatch.setattr(
        "covertype.registry.promotion.answers_of", lambda _, observations: answer("", observations)
    )
    assert not gate.promote(worthless).promoted
    assert registry.production == [silent]


def test_the_tags_hold_the_rule_and_figures_that_decided(
    registry: Registry, versions: list[str], gate: Gate
) -> None:
    """Readers need no sentence: the facts alone tell each verdict."""
    weak, fair, good = versions
    given = [gate.promote(version).verdict for version in (fair, weak, good)]
    read = [verdicts.from_tags(registry.tags(version)) for version in (fair, weak, good)]
    assert [one.rule for one in read if one] == [Rule.FIRST, Rule.NOT_BETTER, Rule.BETTER]
    assert [one.reason for one in read if one] == [one.reason for one in given]
    assert [registry.tags(version)[REASON] for version in (fair, weak, good)] == [
        one.reason for one in given
    ]


def test_a_verdict_of_a_former_release_is_kept_by_a_second_try(
    registry: Registry, versions: list[str], gate: Gate
) -> None:
    good = versions[2]
    sentence = (
        "accuracy 0.8123 is higher than 0.4880 of always answering the most frequent class, "
        "on the same 11620 test rows"
    )
    registry.client.set_model_version_tag(registry.name, good, REASON, sentence)
    registry.move_by_hand(good)
    verdict = gate.promote(good).verdict
    assert (verdict.rule, verdict.reason) == (Rule.FIRST, sentence)
    assert registry.tags(good)[REASON] == sentence


@pytest.mark.parametrize("error", [MemoryError("too large"), OSError(28, "disk is full")])
def test_a_machine_in_trouble_is_no_fault_of_the_model(
    error: Exception,
    registry: Registry,
    versions: list[str],
    gate: Gate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weak, _, good = versions
    assert gate.promote(weak).promoted

    answer, asked = StoredForest.probabilities_of, []

    def fail_for_the_second(forest: Any, observations: Any) -> Any:
        asked.append(forest)
        if len(asked) == 2:
            raise error
        return answer(forest, observations)

    monkeypatch.setattr(StoredForest, "probabilities_of", fail_for_the_second)
    with pytest.raises(type(error)):
        gate.promote(good)
    assert registry.production == [weak]
    assert VERDICT not in registry.tags(good)


class Person:
    """Puts other versions into Production while one is being scored."""

    def __init__(self, registry: Registry, *puts: str) -> None:
        self.registry = registry
        self.puts = list(puts)

    def interfere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answer = tracking.fetch_answers

        def answer_slowly(uri: str, observations: pd.DataFrame) -> Any:
            answers = answer(uri, observations)
            if uri.endswith(f"/{self.registry.production[0]}") and self.puts:
                self.registry.move_by_hand(self.puts.pop(0))
            return answers

        monkeypatch.setattr("covertype.registry.promotion.fetch_answers", answer_slowly)


def test_a_version_that_a_person_promotes_meanwhile_is_what_has_to_be_beaten(
    registry: Registry,
    versions: list[str],
    gate: Gate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weak, fair, good = versions
    assert gate.promote(weak).promoted
    Person(registry, good).interfere(monkeypatch)
    assert not gate.promote(fair).promoted
    assert registry.production == [good]
    assert registry.alias == good
    tags = registry.tags(fair)
    assert (tags[VERDICT], tags[tag_of("former_version")]) == (Outcome.REFUSED, good)


def test_a_version_is_not_promoted_while_people_go_on_changing_production(
    registry: Registry,
    versions: list[str],
    gate: Gate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weak, fair, good = versions
    assert gate.promote(weak).promoted
    Person(registry, fair, weak, fair).interfere(monkeypatch)
    verdict = gate.promote(good).verdict
    assert not verdict.passed
    assert verdict.reason == "Production changed 3 times while the version was judged"
    assert registry.production == [fair]
    assert registry.alias == fair
    assert registry.tags(good)[VERDICT] == Outcome.REFUSED
    changed = Verdict(Rule.PRODUCTION_CHANGED, {"production_changes": 3})
    assert verdicts.from_tags(registry.tags(good)) == changed
    last = gate.history.entries()[-1]
    assert (last.kind, last.version, last.why) == (Kind.REFUSED, good, verdict.reason)


def test_the_alias_follows_what_a_person_did_even_if_a_version_is_refused(
    registry: Registry, versions: list[str], gate: Gate
) -> None:
    weak, fair, good = versions
    assert gate.promote(weak).promoted
    registry.move_by_hand(good)
    assert registry.alias == weak
    assert not gate.promote(fair).promoted
    assert registry.alias == good


def test_without_a_version_in_production_there_is_no_alias(
    registry: Registry, versions: list[str], gate: Gate
) -> None:
    to_production(versions[2])
    registry.move_by_hand(versions[2], "Archived")
    assert settled_production(gate.history) is None
    assert registry.alias is None


def test_a_version_is_called_promoted_only_once_it_is(
    registry: Registry,
    versions: list[str],
    gate: Gate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = versions[2]

    def fail(_: str) -> None:
        raise OSError("MLflow went away")

    with monkeypatch.context() as patch:
        patch.setattr(changes, "to_production", fail)
        with pytest.raises(OSError, match="went away"):
            gate.promote(good)
    tags = registry.tags(good)
    assert tag_of("accuracy") in tags
    assert VERDICT not in tags
    assert gate.promote(good).promoted
    assert registry.tags(good)[VERDICT] == Outcome.PROMOTED


def test_a_try_that_ended_before_its_verdict_is_brought_to_its_end(
    registry: Registry,
    versions: list[str],
    gate: Gate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = versions[2]

    def promote_and_die(version: str) -> None:
        registry.move_by_hand(version)
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(changes, "to_production", promote_and_die)
        with pytest.raises(SystemExit):
            gate.promote(good)
    verdict = gate.promote(good).verdict
    assert verdict.passed
    assert "is higher than" in verdict.reason
    assert registry.tags(good)[VERDICT] == Outcome.PROMOTED
    assert registry.alias == good


def test_a_refused_version_that_a_person_promotes_is_said_to_be_theirs(
    registry: Registry, versions: list[str], gate: Gate
) -> None:
    weak, _, good = versions
    assert gate.promote(good).promoted
    assert not gate.promote(weak).promoted
    registry.move_by_hand(weak)
    verdict = gate.promote(weak).verdict
    assert verdict.passed
    assert verdict.reason == "is in Production already, put there by hand"
    assert verdicts.from_tags(registry.tags(weak)) == Verdict(rule=Rule.BY_HAND)
