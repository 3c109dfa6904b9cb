"""People use the app in a real browser, against real services; pictures are kept as they go."""

import csv
import re
import signal
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import requests
from playwright.sync_api import Page, expect

from covertype import jobs
from covertype.contract import CLASSES, COLUMNS, FEATURE_NAMES
from covertype.gate.verdicts import Rule
from covertype.registry.production import production_version, to_production
from covertype_ui import texts
from covertype_ui.batch_run import ADDED_COLUMNS
from covertype_ui.examples import TYPICAL
from covertype_ui.language import Language
from covertype_ui.services import REMEMBERED_SECONDS
from covertype_ui.texts import Phrase
from tests.browser.conftest import Platform
from tests.browser.people import PATHS, Person

LANGUAGES: tuple[Language, ...] = ("es", "en")
ELEVATION, *_ = FEATURE_NAMES


def ask_service(platform: Platform, features: object) -> str:
    answer = requests.post(
        f"{platform.inference.address}/predict", json={"features": features}, timeout=10
    )
    label: str = answer.json()["label"]
    return label


def spanish(label: str) -> str:
    return texts.CLASS_LABELS[label].es


def test_first_prediction_takes_one_click_and_is_the_service_s(
    person: Person, platform: Platform
) -> None:
    person.open()
    person.reads(texts.ANSWER_EMPTY)
    person.press(texts.PREDICT)
    expect(person.answer()).to_have_text(spanish(ask_service(platform, TYPICAL[CLASSES[1]])))
    person.reads(texts.ANSWERED_BY, version=2)


def test_filled_form_is_what_is_asked(person: Person, platform: Platform) -> None:
    features = list(TYPICAL[CLASSES[6]])
    person.open()
    for column, value in zip(FEATURE_NAMES[:10], features, strict=False):
        person.field(column).fill(str(value))
    for column, value in zip(FEATURE_NAMES[10:], features[10:], strict=True):
        box = person.page.get_by_role("combobox", name=texts.FEATURE_LABELS[column].es)
        box.click()
        box.fill(str(value))
        person.page.get_by_role("option", name=str(value)).first.click()
    person.press(texts.PREDICT)
    expect(person.answer()).to_have_text(spanish(ask_service(platform, features)))
    person.page.get_by_text(texts.ANSWER_STALE.es[:30]).wait_for(state="detached")


def test_keyboard_alone_is_enough(person: Person, platform: Platform) -> None:
    person.open()
    keyboard = person.page.keyboard
    reach(person.page, lambda: person.field(ELEVATION).evaluate(IS_FOCUSED))
    keyboard.press("Control+a")
    keyboard.type("3390")
    predict = person.page.get_by_role("button", name=texts.PREDICT.es)
    reach(person.page, lambda: predict.evaluate(IS_FOCUSED))
    keyboard.press("Enter")
    features = [3390, *TYPICAL[CLASSES[1]][1:]]
    expect(person.answer()).to_have_text(spanish(ask_service(platform, features)))


IS_FOCUSED = "element => element === document.activeElement"


def reach(page: Page, reached: Callable[[], bool]) -> None:
    for _ in range(80):
        if reached():
            return
        page.keyboard.press("Tab")
    pytest.fail("the Tab key never gets there")


def test_language_switch_keeps_what_was_entered_and_the_answer(person: Person) -> None:
    person.open()
    person.field(ELEVATION).fill("2222")
    person.press(texts.PREDICT)
    expect(person.answer()).not_to_be_empty()
    person.choose_language("en")
    expect(person.field(ELEVATION)).to_have_value("2222")
    person.reads(texts.ANSWERED_BY, version=2)
    person.page.get_by_role("link", name=texts.PAGE_MODEL.en).click()
    expect(person.page.get_by_role("heading", level=1)).to_have_text(texts.PAGE_MODEL.en)
    person.page.get_by_role("link", name=texts.PAGE_PREDICTION.en).click()
    expect(person.field(ELEVATION)).to_have_value("2222")
    assert person.page.evaluate("document.documentElement.lang") == "en"


@pytest.mark.parametrize("language", ["es", "en"])
def test_an_answer_is_explained_and_its_true_class_is_sent(
    person: Person, language: Language
) -> None:
    person.open()
    person.choose_language(language)
    person.press(texts.PREDICT)
    expect(person.answer()).not_to_be_empty()
    person.press(texts.WHY)
    person.reads(texts.WHY_INTRODUCTION)
    person.picture(f"por_que_{language}")
    asked = person.page.get_by_role("combobox", name=person.words(texts.FEEDBACK_QUESTION))
    asked.scroll_into_view_if_needed()
    person.settle()
    asked.click()
    person.page.get_by_role("option").first.click()
    person.press(texts.FEEDBACK_SEND)
    person.reads(texts.FEEDBACK_THANKS)


def test_value_never_seen_in_training_is_warned_of(person: Person) -> None:
    person.open()
    person.field(ELEVATION).fill("8000")
    person.press(texts.PREDICT)
    person.reads(texts.OUT_OF_RANGE)
    person.picture("aviso_fuera_de_rango")


def test_answer_comes_at_once(person: Person) -> None:
    person.open()
    person.press(texts.PREDICT)
    expect(person.answer()).not_to_be_empty()
    waits = [wait_for_answer(person, label) for label in CLASSES * 2]
    median = statistics.median(waits)
    print(f"\nfrom click to answer: median {median:.0f} ms, worst {max(waits):.0f} ms")
    # 300 ms is the aim on an idle machine; a busy one takes longer, a regression longer still.
    assert median < 1_000


def wait_for_answer(person: Person, label: str) -> float:
    """Choose another observation, press Predict; return milliseconds until the class is shown."""
    person.page.get_by_test_id("stButtonGroup").get_by_text(spanish(label), exact=True).click()
    expect(person.field(ELEVATION)).to_have_value(str(TYPICAL[label][0]))
    person.settle()
    milliseconds: float = person.page.evaluate(_TIMED_CLICK, texts.PREDICT.es)
    return milliseconds


_TIMED_CLICK = """async (name) => {
  const button = [...document.querySelectorAll('button')].find(b => b.innerText.includes(name));
  const stale = () => document.querySelector('.st-key-answer [data-testid=stAlert]');
  const start = performance.now();
  button.click();
  while (performance.now() - start < 20000) {
    await new Promise(requestAnimationFrame);
    const idle = document.querySelector('[data-test-script-state=notRunning]');
    if (idle && !stale()) return performance.now() - start;
  }
  throw new Error('no answer in 20 s');
}"""


def write_rows(path: Path, dataset: pd.DataFrame, count: int) -> pd.DataFrame:
    rows = dataset.sample(count, random_state=1)[list(COLUMNS)]
    rows.to_csv(path, index=False)
    return rows


def download(person: Person, folder: Path) -> list[list[str]]:
    person.settle()
    with person.page.expect_download() as expected:
        person.press(texts.DOWNLOAD_RESULT)
    expected.value.save_as(folder / "result.csv")
    with (folder / "result.csv").open(newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("language", LANGUAGES)
def test_file_is_checked_predicted_and_downloaded(
    person: Person, dataset: pd.DataFrame, tmp_path: Path, language: Language
) -> None:
    rows = write_rows(tmp_path / "parcelas.csv", dataset, 2_000)
    rows.iloc[3, 1], rows.iloc[9, 11] = "norte", "C1"
    rows.to_csv(tmp_path / "parcelas.csv", index=False)
    person.language = language
    person.open(texts.PAGE_BATCH)
    person.page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(
        tmp_path / "parcelas.csv"
    )
    person.reads(texts.FAULTS)
    person.picture(f"lote_revision_{language}")
    person.press(texts.PREDICT_ROWS, rows="1\u202f998" if language == "es" else "1,998")
    person.reads(texts.BATCH_SUMMARY)
    person.picture(f"lote_{language}")
    result = download(person, tmp_path)
    assert result[0] == [*COLUMNS, *ADDED_COLUMNS]
    kept = rows.drop(rows.index[[3, 9]]).to_numpy().tolist()
    assert [row[: len(COLUMNS)] for row in result[1:]] == kept
    right = [row[len(COLUMNS)] == row[len(COLUMNS) - 1] for row in result[1:]]
    assert statistics.mean(right) > 0.7


def test_hundred_thousand_rows_don_t_freeze_the_browser(
    person: Person, dataset: pd.DataFrame, tmp_path: Path
) -> None:
    write_rows(tmp_path / "big.csv", dataset, 100_000)
    person.open(texts.PAGE_BATCH)
    person.page.evaluate(_WATCH_FRAMES)
    start = time.perf_counter()
    person.page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(tmp_path / "big.csv")
    person.press(texts.PREDICT_ROWS, rows="100\u202f000")
    progress = person.page.get_by_test_id("stProgress")
    expect(progress).to_be_visible()
    person.page.get_by_test_id("stDownloadButton").get_by_text(texts.DOWNLOAD_RESULT.es).wait_for(
        timeout=120_000
    )
    result = download(person, tmp_path)
    seconds = time.perf_counter() - start
    frozen: float = person.page.evaluate("window.longestFrame")
    print(f"\n100,000 rows in {seconds:.1f} s; the browser's longest frame took {frozen:.0f} ms")
    assert len(result) == 100_001
    assert seconds < 30
    assert frozen < 1_000


_WATCH_FRAMES = """() => {
  window.longestFrame = 0;
  let last = performance.now();
  const watch = (now) => {
    window.longestFrame = Math.max(window.longestFrame, now - last);
    last = now;
    requestAnimationFrame(watch);
  };
  requestAnimationFrame(watch);
}"""


def test_file_that_is_no_table_is_explained(person: Person, tmp_path: Path) -> None:
    (tmp_path / "informe.csv").write_bytes(b"PK\x03\x04\0\0")
    person.open(texts.PAGE_BATCH)
    person.page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(
        tmp_path / "informe.csv"
    )
    person.reads(texts.FILE_NOT_TEXT, name="informe.csv")
    person.picture("fallo_archivo")


def test_service_that_was_killed_is_told_and_answers_again_when_back(
    person: Person, platform: Platform
) -> None:
    person.open()
    person.field(ELEVATION).fill("2222")
    platform.inference.kill()
    try:
        person.press(texts.PREDICT)
        person.reads(texts.SERVICE_AWAY)
        person.picture("fallo_servicio_ausente")
        person.choose_language("en")
        person.reads(texts.SERVICE_AWAY)
    finally:
        platform.inference.start()
    person.press(texts.PREDICT)
    expect(person.answer()).not_to_be_empty()
    expect(person.field(ELEVATION)).to_have_value("2222")


def test_service_that_hangs_is_told_after_its_time(person: Person, platform: Platform) -> None:
    person.open()
    platform.inference.signal(signal.SIGSTOP)
    try:
        person.press(texts.PREDICT)
        person.reads(texts.ASKING)
        person.reads(texts.SERVICE_SLOW, seconds=5)
        person.picture("fallo_servicio_lento")
    finally:
        platform.inference.signal(signal.SIGCONT)
    person.press(texts.PREDICT)
    expect(person.answer()).not_to_be_empty()


def test_file_is_resumed_when_the_service_is_back(
    person: Person, platform: Platform, dataset: pd.DataFrame, tmp_path: Path
) -> None:
    write_rows(tmp_path / "big.csv", dataset, 60_000)
    person.open(texts.PAGE_BATCH)
    person.page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(tmp_path / "big.csv")
    person.press(texts.PREDICT_ROWS, rows="60\u202f000")
    expect(person.page.get_by_text(re.compile(r"^[1-9]\d*\s000 de 60"))).to_be_visible()
    platform.inference.kill()
    try:
        person.reads(texts.SERVICE_AWAY)
        person.picture("fallo_lote_a_medias")
    finally:
        platform.inference.start()
    person.press(texts.PREDICT_REST)
    expect(person.page.get_by_text(re.compile("^60\\s000 filas predichas"))).to_be_visible()
    assert len(download(person, tmp_path)) == 60_001


def test_answer_of_a_replaced_version_says_so(
    person: Person, platform: Platform, mlflow_server: str
) -> None:
    mlflow.set_tracking_uri(mlflow_server)
    present = production_version()
    assert present is not None
    person.open()
    person.press(texts.PREDICT)
    expect(person.answer()).not_to_be_empty()
    try:
        to_production("1")
        wait_for_version(platform, "1")
        time.sleep(REMEMBERED_SECONDS)
        person.choose_language("en")
        person.reads(texts.ANSWER_EXPIRED)
        person.picture("fallo_version_reemplazada")
        person.press(texts.PREDICT)
        person.reads(texts.ANSWERED_BY, version=1)
    finally:
        to_production(present.version)
        wait_for_version(platform, present.version)


def test_a_rollback_is_told_with_who_and_why_in_both_languages(
    person: Person, platform: Platform, mlflow_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    monkeypatch.setenv("DATASETS_URL", str(platform.datasets))
    jobs.roll_back("1", "ana", "confunde los álamos")
    try:
        wait_for_version(platform, "1")
        person.open(texts.PAGE_MODEL)
        person.reads(texts.CHANGES_OF_PRODUCTION)
        for language in LANGUAGES:
            person.choose_language(language)
            person.reads(texts.ROLLBACK)
            expect(person.page.get_by_text("2 → 1", exact=True)).to_be_visible()
            expect(person.page.get_by_text("ana: confunde los álamos")).to_be_visible()
            person.picture(f"vuelta_atras_{language}")
    finally:
        jobs.promote_by_hand("2", "ana", "")
        wait_for_version(platform, "2")


def wait_for_version(platform: Platform, version: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (
            requests.get(f"{platform.inference.address}/model", timeout=5).json()["version"]
            == version
        ):
            return
        time.sleep(0.2)
    pytest.fail(f"version {version} is not answered with")


def test_newcomer_is_told_what_is_on_its_way(newcomer: Person) -> None:
    newcomer.open()
    newcomer.reads(texts.NO_MODEL)
    newcomer.press(texts.PREDICT)
    newcomer.reads(texts.NO_MODEL)
    newcomer.picture("fallo_sin_modelo")
    newcomer.open(texts.PAGE_MODEL)
    newcomer.reads(texts.MLFLOW_AWAY)
    newcomer.picture("fallo_mlflow_ausente")
    newcomer.open(texts.PAGE_DATA)
    newcomer.reads(texts.DATA_EMPTY)
    newcomer.picture("fallo_sin_datos")
    newcomer.open(texts.PAGE_MONITORING)
    newcomer.reads(texts.MONITORING_EMPTY)


def test_history_tells_refusals_in_the_language_that_was_chosen(person: Person) -> None:
    person.open(texts.PAGE_MODEL)
    person.reads(texts.REFUSED_VERSION)
    spanish = texts.VERDICT_REASONS[Rule.FIRST]
    person.reads(Phrase(es=spanish, en=""))
    person.choose_language("en")
    expect(person.page.get_by_text("is not higher than")).to_be_visible()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_new_batch_is_shown_with_what_it_changes(person: Person, language: Language) -> None:
    person.language = language
    person.open(texts.PAGE_MONITORING)
    person.reads(texts.TWO_ACCURACIES, version=2)
    person.reads(texts.NEXT_ACCURACY, batch=4)
    person.reads(texts.BATCH_CHANGES, batch=4)
    expect(person.page.get_by_role("cell", name="PSI").first).to_be_visible()
    person.picture(f"vigilancia_{language}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_drawn(person: Person, language: Language) -> None:
    person.language = language
    for what in PATHS:
        person.open(what)
        if what is texts.PAGE_PREDICTION:
            person.press(texts.PREDICT)
            expect(person.answer()).not_to_be_empty()
        for alert in person.page.get_by_test_id("stAlert").all():
            pytest.fail(f"{person.words(what)}: {alert.inner_text()}")
        if what is not texts.PAGE_BATCH:
            person.picture(f"{PATHS[what] or 'prediccion'}_{language}")


def test_a_phone_s_width_is_enough(person_on_phone: Person) -> None:
    for what in PATHS:
        person_on_phone.open(what)
        if what is texts.PAGE_PREDICTION:
            person_on_phone.press(texts.PREDICT)
            expect(person_on_phone.answer()).to_be_visible()
        overflow: int = person_on_phone.page.locator(".stMainBlockContainer").evaluate(
            "element => element.scrollWidth - element.clientWidth"
        )
        assert overflow <= 0, person_on_phone.words(what)
        person_on_phone.picture(f"movil_{PATHS[what] or 'prediccion'}")


def test_pages_are_reached_by_their_names(person: Person) -> None:
    person.open()
    for what in reversed(PATHS):
        person.page.get_by_role("link", name=what.es).click()
        expect(person.page.get_by_role("heading", level=1)).to_have_text(what.es)
