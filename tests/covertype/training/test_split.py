from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from covertype.contract import CATEGORIES, COLUMNS, FEATURE_NAMES, QUANTITIES, TARGET
from covertype.training.split import TEST_SHARE, Purpose, purposes

PINNED = [5, 7, 11, 12, 24, 31, 33, 37]
PINNED_FOR_JUDGEMENT = [7, 12, 31, 33]

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
def test_no_row_has_two_purposes_in_any_order_or_number(data: list[Any], random: Any) -> None:
    """Batches come in any order, again and again; the parts of all of them stay apart."""
    parts: dict[Purpose, set[tuple[Any, ...]]] = {purpose: set() for purpose in Purpose}
    for _ in range(3):
        batch = frame(random.choices(data, k=len(data)))
        used_for = purposes(batch)
        for purpose, part in parts.items():
            part |= observed(batch[used_for == purpose])
    assert not parts[Purpose.TRAINING] & parts[Purpose.SELECTION]
    assert not parts[Purpose.TRAINING] & parts[Purpose.JUDGEMENT]
    assert not parts[Purpose.SELECTION] & parts[Purpose.JUDGEMENT]


@given(rows)
def test_neighbours_types_and_column_order_do_not_matter(data: list[Any]) -> None:
    whole = frame(data)
    alone = [int(purposes(whole.iloc[[number]])[0]) for number in range(len(whole))]
    assert purposes(whole).tolist() == alone
    narrow = whole.astype({quantity.name: np.int16 for quantity in QUANTITIES})
    assert purposes(narrow[narrow.columns[::-1]]).tolist() == alone


def test_the_purposes_of_known_rows_never_change(real_rows: pd.DataFrame) -> None:
    """Another answer here would let models be judged on rows that they were trained on."""
    used_for = purposes(real_rows.head(40))
    assert np.flatnonzero(used_for != Purpose.TRAINING).tolist() == PINNED
    assert np.flatnonzero(used_for == Purpose.JUDGEMENT).tolist() == PINNED_FOR_JUDGEMENT


def test_selection_and_judgement_have_half_of_the_test_share_each(real_rows: pd.DataFrame) -> None:
    used_for = purposes(real_rows)
    for purpose in (Purpose.SELECTION, Purpose.JUDGEMENT):
        assert abs((used_for == purpose).mean() - TEST_SHARE / 2) < 0.02
