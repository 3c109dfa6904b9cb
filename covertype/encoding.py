"""From the twelve columns of the contract to the 54 that a classifier sees."""

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder

from covertype.contract import CATEGORIES, CATEGORY_NAMES, QUANTITY_NAMES

ENCODED_WIDTH = len(QUANTITY_NAMES) + sum(len(category.values) for category in CATEGORIES)


def make_encoder() -> ColumnTransformer:
    """Return the encoder: quantities as they are, then one column for every area and soil.

    The vocabularies are the contract's, not the training data's, so the columns never move. It is
    the first step of every model, so no service encodes.
    """
    one_hot = OneHotEncoder(
        categories=[list(category.values) for category in CATEGORIES],
        sparse_output=False,
        dtype=np.float32,
    )
    return ColumnTransformer(
        [
            ("quantities", "passthrough", list(QUANTITY_NAMES)),
            ("categories", one_hot, list(CATEGORY_NAMES)),
        ]
    )
