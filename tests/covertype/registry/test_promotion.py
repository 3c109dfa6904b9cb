"""What becomes Production on a real MLflow server, whatever is there and whoever put it there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from covertype.models.artifact import MODEL_FILE
from covertype.models.stored_forests import StoredForest
from covertype.registry import promotion, verdicts
from covertype.registry.logged import log_model, model_uri
from covertype.registry.names import (
    ACCURACY,
    ALIAS,
    FLOOR_ACCURACY,
    FORMER,
    FORMER_ACCURACY,
    FORMER_FAULT,
    PROMOTED,
    REASON,
    REFUSED,
    VERDICT,
)
from covertype.registry.production import STAGE, to_production
from covertype.registry.promotion import promote_if_better, register
from covertype.registry.tracking import Unusable
from covertype.registry.verdicts import Rule, Verdict
from covertype.training.estimators import build
from covertype.training.fitting import TrainingSet, train
from covertype.training.searches import FOREST, Parameters
from tests.covertype.conftest import FAIR, GOOD, WEAK

pytestmark = [
    pytest.mark.usefixtures("server"),
    pytest.mark.filterwarnings("ignore:.*integer column:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*stages:FutureWarning"),
]


@pytest.fixture(scope="module")
def data(real_rows: pd.DataFrame) -> TrainingSet:
    return TrainingSet.from_rows(real_rows)


@pytest.fixture(scope="module")
def runs(server: None, data: TrainingSet) -> list[str]:
    """A weak, a fair and a good forest."""
    return [log_forest(parameters, data) for parameters in (WEAK, FAIR, GOOD)]


def log_forest(parameters: Parameters, data: TrainingSet) -> str:
    with mlflow.start_run() as run:
        log_model(train(build(FOREST, parameters), data).model, FOREST.model_name, data)
    return str(run.info.run_id)


class Registry:
    """A registered model of one test."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.client = MlflowClient()

    def move_by_hand(self, version: str, stage: str = STAGE) -> None:
        """Do what a person does in MLflow's interface."""
        self.client.transition_model_version_stage(
            self.name, version, stage, archive_existing_versions=stage == STAGE
        )

    def version(self, number: str) -> ModelVersion:
        return self.client.get_model_version(self.name, number)

    def tags(self, number: str) -> dict[str, str]:
        tags: dict[str, str] = self.version(number).tags
        return tags

    @property
    def production(self) -> list[str]:
        found = self.client.search_model_versions(f"name = '{self.name}'")
        return [str(one.version) for one in found if one.current_stage == STAGE]

    @property
    def alias(self) -> str | None:
        named = self.client.get_registered_model(self.name).aliases.get(ALIAS)
        return None if named is None else str(named)


@pytest.fixture
def registry(
    server: None, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Registry:
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    for module in ("promotion", "production"):
        monkeypatch.setattr(f"covertype.registry.{module}.MODEL_NAME", name)
    return Registry(name)


@pytest.fixture
def versions(registry: Registry, runs: list[str]) -> list[str]:
    """A weak, a fair and a good version."""
    return [register(run) for run in runs]


def promote(version: str, data: TrainingSet) -> Verdict:
    return promote_if_better(version, data.test)


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
    data: TrainingSet,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    weak, _, good = versions
    silent = register(log_forest(FAIR, data))
    registry.move_by_hand(silent)
    spoil(registry.version(silent), tmp_path)

    verdict = promote(good, data)
    assert verdict.promoted
    assert registry.production == [good]
    assert "always answering the most frequent class" in verdict.reason
    assert f"; version {silent} in Production can't answer: " in verdict.reason
    tags = registry.tags(good)
    assert tags[REASON] == verdict.reason
    assert tags[FORMER] == silent
    assert tags[FORMER_FAULT] in verdict.reason
    assert FORMER_ACCURACY not in tags
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
    assert promote(good, data).promoted
    assert FORMER_FAULT not in registry.tags(good)
    assert registry.tags(good)[FORMER] == weak
    assert FLOOR_ACCURACY not in registry.tags(good)


def test_a_version_put_in_production_by_hand_that_logged_no_model_stands_in_nobody_s_way(
    registry: Registry, versions: list[str], data: TrainingSet
) -> None:
    run = registry.client.create_run("0").info
    source = f"{run.artifact_uri}/model"
    by_hand = registry.client.create_model_version(registry.name, source, run.run_id).version
    registry.move_by_hand(str(by_hand))
    assert promote(versions[2], data).promoted


def test_beside_a_version_that_can_t_answer_a_worthless_one_is_refused(
    registry: Registry,
    versions: list[str],
    data: TrainingSet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silent, worthless, _ = versions
    registry.move_by_hand(silent)

    def score(version: str, _: object) -> float:
        if version == silent:
            raise Unusable("it is lost")
        return 0.1

    monkeypatch.setattr(promotion, "accuracy_of", score)
    assert not promote(worthless, data).promoted
    assert registry.production == [silent]


def test_the_tags_hold_the_rule_and_figures_that_decided(
    registry: Registry, versions: list[str], data: TrainingSet
) -> None:
    """Readers need no sentence: the facts alone tell each verdict."""
    weak, fair, good = versions
    given = [promote(version, data) for version in (fair, weak, good)]
    read = [verdicts.from_tags(registry.tags(version)) for version in (fair, weak, good)]
    assert [one.rule for one in read if one] == [Rule.FIRST, Rule.NOT_BETTER, Rule.BETTER]
    assert [one.reason for one in read if one] == [one.reason for one in given]
    assert [registry.tags(version)[REASON] for version in (fair, weak, good)] == [
        one.reason for one in given
    ]


def test_a_verdict_of_a_former_release_is_kept_by_a_second_try(
    registry: Registry, versions: list[str], data: TrainingSet
) -> None:
    good = versions[2]
    sentence = (
        "accuracy 0.8123 is higher than 0.4880 of always answering the most frequent class, "
        "on the same 11620 test rows"
    )
    registry.client.set_model_version_tag(registry.name, good, REASON, sentence)
    registry.move_by_hand(good)
    verdict = promote(good, data)
    assert (verdict.rule, verdict.reason) == (Rule.FIRST, sentence)
    assert registry.tags(good)[REASON] == sentence


@pytest.mark.parametrize("error", [MemoryError("too large"), OSError(28, "disk is full")])
def test_a_machine_in_trouble_is_no_fault_of_the_model(
    error: Exception,
    registry: Registry,
    versions: list[str],
    data: TrainingSet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weak, _, good = versions
    assert promote(weak, data).promoted

    answer, asked = StoredForest.probabilities_of, []

    def fail_for_the_second(forest: Any, observations: Any) -> Any:
        asked.append(forest)
        if len(asked) == 2:
            raise error
        return answer(forest, observations)

    monkeypatch.setattr(StoredForest, "probabilities_of", fail_for_the_second)
    with pytest.raises(type(error)):
        promote(good, data)
    assert registry.production == [weak]
    assert VERDICT not in registry.tags(good)


class Person:
    """Puts other versions into Production while one is being scored."""

    def __init__(self, registry: Registry, *puts: str) -> None:
        self.registry = registry
        self.puts = list(puts)

    def interfere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        score = promotion.accuracy_of

        def score_slowly(version: str, part: Any) -> float:
            accuracy = score(version, part)
            if version == self.registry.production[0] and self.puts:
                self.registry.move_by_hand(self.puts.pop(0))
            return accuracy

        monkeypatch.setattr(promotion, "accuracy_of", score_slowly)


def test_a_version_that_a_person_promotes_meanwhile_is_what_has_to_be_beaten(
    registry: Registry,
    versions: list[str],
    data: TrainingSet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weak, fair, good = versions
    assert promote(weak, data).promoted
    Person(registry, good).interfere(monkeypatch)
    assert not promote(fair, data).promoted
    assert registry.production == [good]
    assert registry.alias == good
    tags = registry.tags(fair)
    assert (tags[VERDICT], tags[FORMER]) == (REFUSED, good)


def test_a_version_is_not_promoted_while_people_go_on_changing_production(
    registry: Registry,
    versions: list[str],
    data: TrainingSet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weak, fair, good = versions
    assert promote(weak, data).promoted
    Person(registry, fair, weak, fair).interfere(monkeypatch)
    verdict = promote(good, data)
    assert not verdict.promoted
    assert verdict.reason == "Production changed 3 times while the version was judged"
    assert registry.production == [fair]
    assert registry.alias == fair
    assert registry.tags(good)[VERDICT] == REFUSED
    changed = Verdict(rule=Rule.PRODUCTION_CHANGED, changes=3)
    assert verdicts.from_tags(registry.tags(good)) == changed


def test_the_alias_follows_what_a_person_did_even_if_a_version_is_refused(
    registry: Registry, versions: list[str], data: TrainingSet
) -> None:
    weak, fair, good = versions
    assert promote(weak, data).promoted
    registry.move_by_hand(good)
    assert registry.alias == weak
    assert not promote(fair, data).promoted
    assert registry.alias == good


def test_without_a_version_in_production_there_is_no_alias(
    registry: Registry, versions: list[str], data: TrainingSet
) -> None:
    to_production(versions[2])
    registry.move_by_hand(versions[2], "Archived")
    assert promotion._in_production() is None
    assert registry.alias is None


def test_a_version_is_called_promoted_only_once_it_is(
    registry: Registry,
    versions: list[str],
    data: TrainingSet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = versions[2]

    def fail(_: str) -> None:
        raise OSError("MLflow went away")

    with monkeypatch.context() as patch:
        patch.setattr(promotion, "to_production", fail)
        with pytest.raises(OSError, match="went away"):
            promote(good, data)
    tags = registry.tags(good)
    assert ACCURACY in tags
    assert VERDICT not in tags
    assert promote(good, data).promoted
    assert registry.tags(good)[VERDICT] == PROMOTED


def test_a_try_that_ended_before_its_verdict_is_brought_to_its_end(
    registry: Registry,
    versions: list[str],
    data: TrainingSet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = versions[2]

    def promote_and_die(version: str) -> None:
        registry.move_by_hand(version)
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(promotion, "to_production", promote_and_die)
        with pytest.raises(SystemExit):
            promote(good, data)
    verdict = promote(good, data)
    assert verdict.promoted
    assert "is higher than" in verdict.reason
    assert registry.tags(good)[VERDICT] == PROMOTED
    assert registry.alias == good


def test_a_refused_version_that_a_person_promotes_is_said_to_be_theirs(
    registry: Registry, versions: list[str], data: TrainingSet
) -> None:
    weak, _, good = versions
    assert promote(good, data).promoted
    assert not promote(weak, data).promoted
    registry.move_by_hand(weak)
    verdict = promote(weak, data)
    assert verdict.promoted
    assert verdict.reason == "is in Production already, put there by hand"
    assert verdicts.from_tags(registry.tags(weak)) == Verdict(rule=Rule.BY_HAND)
