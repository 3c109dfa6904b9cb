from datetime import UTC, datetime

from covertype_ui import charts

MOMENTS = [
    datetime(2026, 11, 1, 10, 5, 0, tzinfo=UTC),
    datetime(2026, 11, 1, 10, 5, 20, tzinfo=UTC),
    datetime(2027, 11, 1, 10, 5, 20, tzinfo=UTC),
    datetime(2026, 11, 1, 10, 10, 0, tzinfo=UTC),
]
NAMES = ["01/11 10:05", "01/11 10:05:20", "2027-11-01T10:05:20+00:00", "01/11 10:10"]


def test_each_collection_has_a_bar_of_its_own_though_two_came_in_a_minute() -> None:
    spec, words = charts.collection_rows(dict(zip(MOMENTS, (1, 2, 3, 4), strict=True)))
    assert [(bar["when"], bar["rows"]) for bar in spec["data"]["values"]] == list(
        zip(NAMES, (1, 2, 3, 4), strict=True)
    )
    assert all(name in words for name in NAMES)


def test_the_classes_of_two_collections_in_a_minute_are_apart() -> None:
    spec, _ = charts.class_shares({moment: [1, 0, 0, 0, 0, 0, 0] for moment in MOMENTS})
    assert list(dict.fromkeys(part["when"] for part in spec["data"]["values"])) == NAMES


def test_contributions_stand_by_their_size_on_both_sides_of_zero() -> None:
    spec, words = charts.contributions({"Slope": 0.02, "Elevation": -0.4, "Aspect": 0.0})
    bars = spec["data"]["values"]
    assert [bar["name"] for bar in bars] == ["Elevación", "Pendiente", "Orientación"]
    assert [bar["written"] for bar in bars] == ["−40,0 p. p.", "+2,0 p. p.", "0,0 p. p."]
    low, high = spec["encoding"]["x"]["scale"]["domain"]
    assert low < -0.4
    assert high > 0.02
    assert "Elevación −40,0" in words
