"""A person with a browser, at the door: the app, MLflow and Airflow."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from covertype_ui import texts
from tests.compose_gateway.conftest import HOST, PORT, Door, outside

_SWITCHES = ("--no-sandbox", f"--host-resolver-rules=MAP {HOST} {{0}},MAP *.{HOST} {{0}}")


@pytest.fixture
def page(in_production: Door) -> Iterator[Page]:
    """A page of someone who has a key of the role `read`, and trusts the certificate."""
    login = {"username": "anna", "password": in_production.keys["read"]}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=[switch.format(outside()) for switch in _SWITCHES],
        )
        context = browser.new_context(ignore_https_errors=True, http_credentials=login)
        yield context.new_page()
        browser.close()


def test_a_login_opens_the_app_which_predicts(page: Page) -> None:
    page.goto(f"https://{HOST}:{PORT}/")
    page.get_by_role("button", name=texts.PREDICT.es).click()
    expect(page.get_by_text("Respondió la versión 1")).to_be_visible(timeout=30_000)
    page.goto(f"https://{HOST}:{PORT}/modelo")
    version = f"https://mlflow.{HOST}:{PORT}/#/models/BestModelRF/versions/1"
    expect(page.locator(f'a[href="{version}"]').first).to_be_visible(timeout=30_000)


def test_the_same_login_opens_mlflow(page: Page) -> None:
    page.goto(f"https://mlflow.{HOST}:{PORT}/#/models/BestModelRF")
    expect(page.get_by_text("BestModelRF").first).to_be_visible(timeout=30_000)


def test_airflow_asks_for_its_own_login(page: Page, in_production: Door) -> None:
    page.goto(f"https://airflow.{HOST}:{PORT}/dags")
    page.fill("#username", "admin")
    page.fill("#password", in_production.stack.password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"https://airflow.{HOST}:{PORT}/")
    expect(page.get_by_text("Active Dags").first).to_be_visible(timeout=30_000)
