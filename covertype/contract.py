"""The data contract, stated once: columns, units, ranges, categories and classes.

Validation, the encoder, the request model of the inference service, the form and the
documentation are made from this module. Beside it, only derived columns and the app's texts spell
columns' names.

Source of the variables and of the soil descriptions: Blackard and Dean, "Comparative accuracies
of artificial neural networks and discriminant analysis in predicting forest cover types from
cartographic variables", 1999, and the data's own description at the UCI Repository.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Quantity:
    """A measured feature: a whole number of `unit`, plausible from `minimum` to `maximum`.

    `example` is a usual value, for the documentation.
    """

    name: str
    unit: str
    minimum: int
    maximum: int
    description: str
    example: int = 0

    @property
    def rule(self) -> str:
        """What is allowed, as one sentence for a person."""
        return f"{self.name} must be a whole number from {self.minimum} to {self.maximum}"


@dataclass(frozen=True)
class Category:
    """A named feature: one of `values`, whose order is the index that clients may send."""

    name: str
    descriptions: Mapping[str, str]
    description: str

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(self.descriptions)

    @property
    def rule(self) -> str:
        """What is allowed, as one sentence for a person."""
        values = self.values
        shown = ", ".join(values) if len(values) <= 10 else f"{', '.join(values[:3])}, …"
        return (
            f"{self.name} must be one of the {len(values)} names ({shown}) "
            f"or an index from 0 to {len(values) - 1}"
        )


Feature = Quantity | Category

DISTANCE_LIMIT = 30_000
HEIGHT_LIMIT = 9_000
HILLSHADE_LIMIT = 255

QUANTITIES: tuple[Quantity, ...] = (
    Quantity("Elevation", "m", 0, HEIGHT_LIMIT, "Elevation above sea level", 3000),
    Quantity("Aspect", "°", 0, 360, "Compass direction that the slope faces, from north", 45),
    Quantity("Slope", "°", 0, 90, "Steepness of the ground", 10),
    Quantity(
        "Horizontal_Distance_To_Hydrology",
        "m",
        0,
        DISTANCE_LIMIT,
        "Horizontal distance to the nearest surface water",
        100,
    ),
    Quantity(
        "Vertical_Distance_To_Hydrology",
        "m",
        -HEIGHT_LIMIT,
        HEIGHT_LIMIT,
        "Height above the nearest surface water; negative when below it",
        20,
    ),
    Quantity(
        "Horizontal_Distance_To_Roadways",
        "m",
        0,
        DISTANCE_LIMIT,
        "Horizontal distance to the nearest road",
        200,
    ),
    Quantity(
        "Hillshade_9am", "0–255", 0, HILLSHADE_LIMIT, "Illumination at 9 am, summer solstice", 220
    ),
    Quantity(
        "Hillshade_Noon", "0–255", 0, HILLSHADE_LIMIT, "Illumination at noon, summer solstice", 230
    ),
    Quantity(
        "Hillshade_3pm", "0–255", 0, HILLSHADE_LIMIT, "Illumination at 3 pm, summer solstice", 180
    ),
    Quantity(
        "Horizontal_Distance_To_Fire_Points",
        "m",
        0,
        DISTANCE_LIMIT,
        "Horizontal distance to the nearest wildfire ignition point",
        150,
    ),
)

WILDERNESS_AREA = Category(
    "Wilderness_Area",
    MappingProxyType(
        {
            "Cache": "Cache la Poudre Wilderness Area",
            "Commanche": "Comanche Peak Wilderness Area",
            "Neota": "Neota Wilderness Area",
            "Rawah": "Rawah Wilderness Area",
        }
    ),
    "Wilderness area of the Roosevelt National Forest, Colorado",
)

SOIL_TYPE = Category(
    "Soil_Type",
    MappingProxyType(
        {
            "C2702": "Cathedral family - Rock outcrop complex, extremely stony",
            "C2703": "Vanet - Ratake families complex, very stony",
            "C2704": "Haploborolis - Rock outcrop complex, rubbly",
            "C2705": "Ratake family - Rock outcrop complex, rubbly",
            "C2706": "Vanet family - Rock outcrop complex, rubbly",
            "C2717": "Vanet - Wetmore families - Rock outcrop complex, stony",
            "C3501": "Gothic family",
            "C3502": "Supervisor - Limber families complex",
            "C4201": "Troutville family, very stony",
            "C4703": "Bullwark - Catamount families - Rock outcrop complex, rubbly",
            "C4704": "Bullwark - Catamount families - Rock land complex, rubbly",
            "C4744": "Legault family - Rock land complex, stony",
            "C4758": "Catamount family - Rock land - Bullwark family complex, rubbly",
            "C5101": "Pachic Argiborolis - Aquolis complex",
            "C5151": "Unspecified in the USFS Soil and ELU Survey",
            "C6101": "Cryaquolis - Cryoborolis complex",
            "C6102": "Gateview family - Cryaquolis complex",
            "C6731": "Rogert family, very stony",
            "C7101": "Typic Cryaquolis - Borohemists complex",
            "C7102": "Typic Cryaquepts - Typic Cryaquolls complex",
            "C7103": "Typic Cryaquolls - Leighcan family, till substratum complex",
            "C7201": "Leighcan family, till substratum, extremely bouldery",
            "C7202": "Leighcan family, till substratum - Typic Cryaquolls complex",
            "C7700": "Leighcan family, extremely stony",
            "C7701": "Leighcan family, warm, extremely stony",
            "C7702": "Granile - Catamount families complex, very stony",
            "C7709": "Leighcan family, warm - Rock outcrop complex, extremely stony",
            "C7710": "Leighcan family - Rock outcrop complex, extremely stony",
            "C7745": "Como - Legault families complex, extremely stony",
            "C7746": "Como family - Rock land - Legault family complex, extremely stony",
            "C7755": "Leighcan - Catamount families complex, extremely stony",
            "C7756": "Catamount family - Rock outcrop - Leighcan family complex, extremely stony",
            "C7757": "Leighcan - Catamount families - Rock outcrop complex, extremely stony",
            "C7790": "Cryorthents - Rock land complex, extremely stony",
            "C8703": "Cryumbrepts - Rock outcrop - Cryaquepts complex",
            "C8707": "Bross family - Rock land - Cryumbrepts complex, extremely stony",
            "C8708": "Rock outcrop - Cryumbrepts - Cryorthents complex, extremely stony",
            "C8771": "Leighcan - Moran families - Cryaquolls complex, extremely stony",
            "C8772": "Moran family - Cryorthents - Leighcan family complex, extremely stony",
            "C8776": "Moran family - Cryorthents - Rock land complex, extremely stony",
        }
    ),
    "Soil type, by its USFS Ecological Landtype Unit",
)

CATEGORIES: tuple[Category, ...] = (WILDERNESS_AREA, SOIL_TYPE)
FEATURES: tuple[Feature, ...] = (*QUANTITIES, *CATEGORIES)

CLASSES: tuple[str, ...] = (
    "Spruce/Fir",
    "Lodgepole Pine",
    "Ponderosa Pine",
    "Cottonwood/Willow",
    "Aspen",
    "Douglas-fir",
    "Krummholz",
)
"""The names of the classes; a class is its index here."""

TARGET = Quantity("Cover_Type", "class", 0, len(CLASSES) - 1, "Forest cover type")

QUANTITY_NAMES: tuple[str, ...] = tuple(quantity.name for quantity in QUANTITIES)
CATEGORY_NAMES: tuple[str, ...] = tuple(category.name for category in CATEGORIES)
FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
LABELLED: tuple[Feature, ...] = (*FEATURES, TARGET)
"""A row of the datasets: an observation and its class."""

COLUMNS: tuple[str, ...] = tuple(feature.name for feature in LABELLED)

GROUPS = range(1, 11)
"""The groups that collect data, by number."""
