"""What a person does in the app, by what is written on the screen."""

import io
from dataclasses import dataclass

from PIL import Image
from playwright.sync_api import Locator, Page, expect

from covertype_ui import texts
from covertype_ui.language import Language
from covertype_ui.texts import Phrase
from tests.conftest import ROOT

IMAGES = ROOT / "docs" / "images"
PATHS = {
    texts.PAGE_PREDICTION: "",
    texts.PAGE_BATCH: "lote",
    texts.PAGE_MODEL: "modelo",
    texts.PAGE_DATA: "datos",
    texts.PAGE_MONITORING: "vigilancia",
}
_COLORS = 128


@dataclass
class Person:
    """Someone at a browser's page, who reads one of the languages."""

    page: Page
    address: str
    language: Language = "es"

    def words(self, phrase: Phrase) -> str:
        return phrase.en if self.language == "en" else phrase.es

    def open(self, what: Phrase = texts.PAGE_PREDICTION) -> None:
        """Open a page of the app by its address, and wait until all of it is there."""
        query = "?lang=en" if self.language == "en" else ""
        self.page.goto(f"{self.address}/{PATHS[what]}{query}")
        expect(self.page.get_by_role("heading", level=1)).to_have_text(self.words(what))
        self.settle()

    def settle(self) -> None:
        """Wait until the app has drawn everything it had to."""
        self.page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
        expect(self.page.locator("[data-testid=stSkeleton]")).to_have_count(0)

    def press(self, phrase: Phrase, **values: object) -> None:
        """Press the button with that text; of one with values that are not given, its beginning."""
        text = self.words(phrase)
        name = text.format(**values) if values else text.partition("{")[0].strip()
        self.page.get_by_role("button", name=name).click()

    def choose_language(self, language: Language) -> None:
        self.page.get_by_text({"es": "Español", "en": "English"}[language], exact=True).click()
        self.language = language
        self.settle()

    def field(self, column: str) -> Locator:
        label = self.words(texts.FEATURE_LABELS[column])
        return self.page.get_by_test_id("stNumberInputField").and_(
            self.page.get_by_label(label, exact=False)
        )

    def reads(self, phrase: Phrase, **values: object) -> None:
        """Expect to read a text; of one with values that are not given, its beginning."""
        text = self.words(phrase)
        text = text.format(**values) if values else text.partition("{")[0].partition("[")[0]
        expect(
            self.page.get_by_text(text.replace("**", "").partition("`")[0].strip()).first
        ).to_be_visible()

    def answer(self) -> Locator:
        """The class that the model answered."""
        return self.page.get_by_test_id("stMetricValue")

    def picture(self, name: str, whole: bool = True) -> None:
        """Keep what is on the screen, all of the page or what is in sight, in docs/images."""
        self.settle()
        self.page.mouse.move(0, 0)
        former = self.page.viewport_size
        assert former is not None
        if whole:
            main = self.page.locator(".stMainBlockContainer")
            height = int(main.evaluate("element => element.getBoundingClientRect().height"))
            self.page.set_viewport_size({"width": former["width"], "height": max(height, 400)})
        undrawn = "[data-testid=stVegaLiteChart]:not(:has(canvas, svg)), [data-testid=stSkeleton]"
        expect(self.page.locator(undrawn)).to_have_count(0)
        # A network that changes under the browser leaves such errors in place of a widget.
        expect(self.page.get_by_text("dynamically imported module")).to_have_count(0)
        # Charts fill their place after they are there, and toolbars fade.
        self.page.wait_for_timeout(1_500)
        shot = Image.open(io.BytesIO(self.page.screenshot()))
        self.page.set_viewport_size(former)
        IMAGES.mkdir(parents=True, exist_ok=True)
        shot.convert("RGB").quantize(_COLORS).save(IMAGES / f"{name}.png", optimize=True)
