"""The encoders: from the columns of the contract to those that a classifier sees.

An encoder is the first step of every model, so no service encodes. Both are made of scikit-learn's
own parts, so that anyone can load a model without this package. Their vocabularies are the
contract's, not the training data's, so the columns never move.
"""

from collections.abc import Callable

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder

from covertype.contract import CATEGORIES, CATEGORY_NAMES, QUANTITY_NAMES
from covertype.training.derived import DERIVED_NAMES, derived_weights

_VOCABULARIES = [list(category.values) for category in CATEGORIES]
_QUANTITIES = ("quantities", "passthrough", list(QUANTITY_NAMES))

ONE_HOT_NAMES = (
    *QUANTITY_NAMES,
    *(f"{category.name}_{value}" for category in CATEGORIES for value in category.values),
)
"""The 54 columns of `one_hot_encoder`, in order."""

TREE_NAMES = (*QUANTITY_NAMES, *CATEGORY_NAMES, *DERIVED_NAMES)
"""The 30 columns of `tree_encoder`, in order."""


def one_hot_encoder() -> ColumnTransformer:
    """Return the encoder of the first platform: a column for every area and soil."""
    one_hot = OneHotEncoder(categories=_VOCABULARIES, sparse_output=False, dtype=np.float32)
    return ColumnTransformer([_QUANTITIES, ("categories", one_hot, list(CATEGORY_NAMES))])


def tree_encoder() -> ColumnTransformer:
    """Return the encoder that suits trees: categories as their indexes, and derived columns.

    A tree isolates a soil type by two cuts of its index. With 40 one-hot columns, most columns that
    a split considers are 0 for nearly all rows.
    """
    indexes = OrdinalEncoder(categories=_VOCABULARIES, dtype=np.float32)
    derive = Pipeline(
        [
            ("sum", FunctionTransformer(np.dot, kw_args={"b": derived_weights()})),
            ("absolute", FunctionTransformer(np.abs)),
        ]
    )
    return ColumnTransformer(
        [
            _QUANTITIES,
            ("categories", indexes, list(CATEGORY_NAMES)),
            ("derived", derive, list(QUANTITY_NAMES)),
        ]
    )


ENCODERS: dict[str, Callable[[], ColumnTransformer]] = {
    "one-hot": one_hot_encoder,
    "trees": tree_encoder,
}
"""The encoders by their name in a candidate's parameters."""

_NAMES = {len(names): names for names in (ONE_HOT_NAMES, TREE_NAMES)}


def encoded_names(width: int) -> tuple[str, ...]:
    """Return the names of the columns that a fitted classifier of this width sees.

    Raises
    ------
    ValueError
        If no encoder makes so many columns.
    """
    if width not in _NAMES:
        raise ValueError(f"no encoder makes {width} columns; ours make {sorted(_NAMES)}")
    return _NAMES[width]
