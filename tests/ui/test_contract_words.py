import pytest

from covertype.training.derived import DERIVED_NAMES
from covertype.training.encoding import ONE_HOT_NAMES, TREE_NAMES
from covertype_ui.contract_words import encoded


@pytest.mark.parametrize(
    ("column", "shown"),
    [
        ("Elevation", "Elevación"),
        ("Soil_Type", "Tipo de suelo"),
        ("Soil_Type_C7745", "Tipo de suelo: C7745"),
        ("|5*Elevation-Hydrology|", "|5 × Elevación − Distancia al agua|"),
        ("|Fire_Points+Roadways|", "|Distancia a incendios + Distancia a caminos|"),
        ("a column of another model", "a column of another model"),
    ],
)
def test_a_column_of_an_encoder_is_named_in_the_readers_words(column: str, shown: str) -> None:
    assert encoded(column) == shown


def test_every_column_of_every_encoder_has_words_of_its_own() -> None:
    for names in (ONE_HOT_NAMES, TREE_NAMES):
        assert len({encoded(name) for name in names}) == len(names)
    assert all(encoded(name) != name for name in DERIVED_NAMES)
