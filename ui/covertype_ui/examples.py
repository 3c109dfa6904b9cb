"""A typical observation of each class, to begin a form with.

They are real rows of the dataset. Of each class: among the rows of its most frequent pair of area
and soil, the one whose ten quantities are nearest to the medians of the class, in interquartile
ranges (sum of absolute distances).
"""

from covertype.contract import CLASSES
from covertype.rows.observations import Observation

TYPICAL: dict[str, Observation] = dict(
    zip(
        CLASSES,
        (
            (3134, 20, 8, 210, 29, 2173, 215, 224, 145, 2136, "Rawah", "C7745"),
            (2942, 101, 10, 228, 13, 1939, 236, 227, 121, 1907, "Rawah", "C7745"),
            (2428, 53, 9, 134, 49, 953, 226, 220, 128, 671, "Cache", "C4703"),
            (2190, 114, 17, 30, 6, 1040, 247, 221, 97, 1252, "Cache", "C2704"),
            (2819, 102, 15, 170, 52, 446, 244, 219, 99, 1230, "Rawah", "C7746"),
            (2408, 327, 20, 127, 30, 932, 168, 213, 183, 942, "Cache", "C4703"),
            (3390, 34, 12, 272, 41, 3128, 218, 213, 129, 1518, "Commanche", "C8772"),
        ),
        strict=True,
    )
)
"""The observation by the name of its class."""
