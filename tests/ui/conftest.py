"""The app under test, beside a stand-in for the inference service."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from covertype_ui.settings import settings
from tests.ui.fakes import FakeInference, serving

APP = Path(__file__).parents[2] / "ui" / "app.py"


@pytest.fixture
def fake_inference() -> Iterator[FakeInference]:
    with serving() as fake:
        yield fake


@pytest.fixture
def app(fake_inference: FakeInference, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    """The app, not yet run, beside a stand-in for the inference service."""
    monkeypatch.setenv("INFERENCE_URL", fake_inference.address)
    settings.cache_clear()
    yield AppTest.from_file(str(APP), default_timeout=20)
    settings.cache_clear()
    st.cache_data.clear()
