from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from covertype.contract import CATEGORIES, COLUMNS, FEATURE_NAMES, QUANTITIES, TARGET
from covertype.training.split import TEST_SHARE, in_test_part

PINNED = [5, 7, 11, 12, 24, 31, 33, 37]

rows = st.lists(
    st.tuples(
        *(st.integers(quantity.minimum, quantity.maximum) for quantity in QUANTITIES),
        *(st.sampled_from(category.values) for category in CATEGORIES),
        st.integers(TARGET.minimum, TARGET.maximum),
    ),
    min_size=1,
    max_size=30,
)


def frame(data: list[tuple[Any, ...]]) -> pd.DataFrame:
    return pd.DataFrame(data, columns=list(COLUMNS))


def observed(data: pd.DataFrame) -> set[tuple[Any, ...]]:
    return set(data[list(FEATURE_NAMES)].itertuples(index=False, name=None))


@given(rows, st.randoms(use_true_random=False))
def test_no_row_is_in_both_parts_in_any_order_or_number(data: list[Any], random: Any) -> None:
    """Batches come in any order, again and again; the parts of all of them stay apart."""
    train: set[tuple[Any, ...]] = set()
    test: set[tuple[Any, ...]] = set()
    for _ in range(3):
        batch = frame(random.choices(data, k=len(data)))
        in_test = in_test_part(batch)
        train |= observed(batch[~in_test])
        test |= observed(batch[in_test])
    assert not train & test


@given(rows)
def test_neighbours_types_and_column_order_do_not_matter(data: list[Any]) -> None:
    whole = frame(data)
    alone = [bool(in_test_part(whole.iloc[[number]])[0]) for number in range(len(whole))]
    assert in_test_part(whole).tolist() == alone
    narrow = whole.astype({quantity.name: np.int16 for quantity in QUANTITIES})
    assert in_test_part(narrow[narrow.columns[::-1]]).tolist() == alone


def test_the_parts_of_known_rows_never_change(real_rows: pd.DataFrame) -> None:
    """Another answer here would put rows that models were trained on into the test part."""
    assert np.flatnonzero(in_test_part(real_rows.head(40))).tolist() == PINNED


def test_the_test_part_is_its_share_of_every_class(real_rows: pd.DataFrame) -> None:
    in_test = in_test_part(real_rows)
    assert abs(in_test.mean() - TEST_SHARE) < 0.03
