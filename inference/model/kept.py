"""A kept version's folder: its name and its files.

<version>-<run>/
    card.json     what is known of the version
    model.skops   the logged model
    forest-…/     its arrays, if it is a forest: `covertype.models.flat_forests`
"""

from pathlib import Path

import msgspec

from covertype.models.artifact import MODEL_FILE
from inference.model import cards
from inference.model.cards import Card

CARD_FILE = "card.json"


def folder_name(version: str, run_id: str) -> str:
    """Return the name of a version's folder, which is unique even if a number is used again."""
    return f"{version}-{run_id}"


def version_of(name: str) -> str:
    """Return the version that a folder of this name holds."""
    return name.split("-")[0]


def model_file(folder: Path) -> Path:
    """Return where a version's model is kept."""
    return folder / MODEL_FILE


def write_card(folder: Path, card: Card) -> None:
    cards.write(folder / CARD_FILE, card)


def read_card(folder: Path) -> Card:
    """Read what is known of a version.

    Raises
    ------
    FileNotFoundError, msgspec.DecodeError
        If there is no card, or it is damaged.
    """
    return msgspec.json.decode((folder / CARD_FILE).read_bytes(), type=Card)


def link(kept: Path, folder: Path) -> None:
    """Put the card and the model of a kept version into another folder, without copying them."""
    for file in (CARD_FILE, MODEL_FILE):
        (folder / file).hardlink_to(kept / file)
