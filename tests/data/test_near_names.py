import pytest

from headstart.data.near_names import near_equal


@pytest.mark.parametrize(
    "names",
    [("VA", "va"), ("St Mary's", "St. Mary's"), ("site-1", "site_1"), ("Klinik", "klinik"), ("Stra\u00dfe", "STRASSE")],
)
def test_names_that_may_be_one(names):
    assert near_equal([*names, "other"]) == [tuple(sorted(names))]


@pytest.mark.parametrize("names", [("a1", "a11"), ("2.5", "25"), ("north", "south"), ("-", "+"), ("c1", "c-1")])
def test_names_that_differ(names):
    assert near_equal(names) == []
