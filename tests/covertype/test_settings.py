"""A process reads and validates its own variables alone."""

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from covertype.settings import Settings
from covertype_ui.settings import UiSettings
from inference.settings import ServingSettings

INVALID_IN_TRAINING = [
    ("RETRAIN_GROWTH", "abc"),
    ("RETRAIN_GROWTH", "-1"),
    ("DATA_API_TIMEOUT_SECONDS", "-1"),
    ("DATA_API_TIMEOUT_SECONDS", "soon"),
]
INVALID_IN_SERVING = [("MAX_BATCHES", "0"), ("REGISTRY_POLL_SECONDS", "often")]
INVALID_IN_THE_APP = [("INFERENCE_TIMEOUT_SECONDS", "never")]


@pytest.mark.parametrize(
    ("settings", "others"),
    [
        (Settings, INVALID_IN_SERVING + INVALID_IN_THE_APP),
        (ServingSettings, INVALID_IN_TRAINING + INVALID_IN_THE_APP),
        (UiSettings, INVALID_IN_TRAINING + INVALID_IN_SERVING),
    ],
)
def test_an_invalid_variable_of_another_process_is_not_read(
    settings: type[BaseSettings], others: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in others:
        monkeypatch.setenv(name, value)
        settings()


@pytest.mark.parametrize(
    ("settings", "own"),
    [
        (Settings, INVALID_IN_TRAINING),
        (ServingSettings, INVALID_IN_SERVING),
        (UiSettings, INVALID_IN_THE_APP),
    ],
)
def test_an_invalid_variable_of_the_process_itself_is_an_error_that_names_it(
    settings: type[BaseSettings], own: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in own:
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            with pytest.raises(ValidationError, match=name.lower()):
                settings()


def test_all_processes_find_the_same_datasets_and_registry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATASETS_URL", "/data/elsewhere")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://registry:5000")
    found = {
        (str(read.datasets.root), read.mlflow_tracking_uri)
        for read in (Settings(), ServingSettings(), UiSettings())
    }
    assert found == {("/data/elsewhere", "http://registry:5000")}
