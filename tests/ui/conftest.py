"""The app under test, beside a stand-in for the inference service."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from covertype_ui.settings import settings
from tests.ui.fakes import FakeInference, serving

NOWHERE = "http://127.0.0.1:9"
# AppTest can't switch between pages that are functions.
_FRAME = """
from covertype_ui.language import choose_language, settle_language
from covertype_ui.pages import {name}

settle_language()
choose_language()
{name}.page()
"""

APP = Path(__file__).parents[2] / "ui" / "app.py"


@pytest.fixture
def fake_inference() -> Iterator[FakeInference]:
    with serving() as fake:
        yield fake


@pytest.fixture
def services(
    fake_inference: FakeInference, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[FakeInference]:
    """The environment of the app: a stand-in for inference, no MLflow, no data yet."""
    monkeypatch.setenv("INFERENCE_URL", fake_inference.address)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOWHERE)
    monkeypatch.setenv("DATASETS_URL", str(tmp_path / "datasets"))
    settings.cache_clear()
    yield fake_inference
    settings.cache_clear()
    st.cache_data.clear()


@pytest.fixture
def app(services: FakeInference) -> AppTest:
    """The app, not yet run."""
    return AppTest.from_file(str(APP), default_timeout=20)


@pytest.fixture
def page(services: FakeInference) -> Callable[[str], AppTest]:
    """Any page in the app's frame, by the name of its module, not yet run."""

    def of_name(name: str) -> AppTest:
        return AppTest.from_string(_FRAME.format(name=name), default_timeout=20)

    return of_name
