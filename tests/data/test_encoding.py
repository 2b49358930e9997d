"""What a table's columns become: learnt from rows outside test, as scikit-learn would learn it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder

from headstart.core.errors import DataError, SettingError
from headstart.data import CentralSettings, DataSettings, Federation, SplitSettings
from headstart.data.account import Converted, Dropped, Encoded
from headstart.data.agreement import Agreement
from headstart.data.encoding import RARE
from headstart.data.open import client_names, federate, open_client
from headstart.data.sources import Source

ROWS = 60
TEST = [number % 3 == 0 for number in range(ROWS)]


def patients(**changes: Sequence[object]) -> pa.Table:
    """Return a table as hospitals have them; every third row is for testing."""
    draw = np.random.default_rng(0)
    columns: dict[str, Sequence[object]] = {
        "age": draw.integers(20, 80, ROWS).tolist(),
        "sex": [["M", "F"][number % 2] for number in range(ROWS)],
        "town": [["Ulm", "Bonn", "Köln"][number % 5 % 3] for number in range(ROWS)],
        "admitted": [f"2021-{1 + number % 12:02}-{1 + number % 28:02}" for number in range(ROWS)],
        "label": [["ill", "well"][number * 7 % 4 // 2] for number in range(ROWS)],
        "site": [["north", "south"][number % 4 // 2] for number in range(ROWS)],
        "part": ["test" if is_test else "train" for is_test in TEST],
    }
    return pa.table({**columns, **changes})


def opened(table: pa.Table, **settings: object) -> Federation:
    said: dict[str, object] = {
        "source": "patients",
        "client": "site",
        "split": SplitSettings(column="part"),
        "standardize": "none",
        **settings,
    }
    return federate(Source("patients", table), DataSettings(**said))  # type: ignore[arg-type]


def with_test(column: str, value: object, every: int = 3) -> pa.Table:
    """Return the patients with another value in rows that are for testing."""
    values = patients()[column].to_pylist()
    return patients(**{column: [value if number % every == 0 else old for number, old in enumerate(values)]})


def test_a_users_table_runs_with_few_words() -> None:
    table = patients(age=[None if number % 7 == 1 else 20 + number for number in range(ROWS)])
    federation = opened(table, one_hot=("sex", "town"), dates=("admitted",), missing="indicator")
    assert federation.examples.columns == ("age", "sex=M", "town=Köln", "town=Ulm", "admitted", "age is missing")
    assert np.isfinite(federation.examples.inputs).all()
    account = federation.account
    assert account is not None
    assert account.inputs == ("age", "sex", "town", "admitted")
    assert account.encoded == (
        Encoded("age", "its number, and a column that says where it is missing"),
        Encoded("sex", "a column for each of its 2 categories but the first"),
        Encoded("town", "a column for each of its 3 categories but the first"),
        Encoded("admitted", "days since 2000-01-01"),
    )
    assert [(one.column, one.count) for one in account.filled] == [("age", 9)]


def test_columns_that_nobody_named_say_what_would_make_inputs_of_them() -> None:
    account = opened(patients()).account
    assert account is not None
    assert Dropped("sex", "holds string, not numbers; data.one_hot makes inputs of categories") in account.dropped
    assert Dropped("admitted", "holds dates as text; data.dates makes days of them") in account.dropped


CHANGES = {
    "a number": ("age", 1000),
    "a missing number": ("age", None),
    "a category of its own": ("town", "Rom"),
    "a rare category": ("town", "Köln"),
    "a missing category": ("town", None),
    "a date": ("admitted", "1900-01-01"),
    "a missing date": ("admitted", None),
}


@pytest.mark.parametrize(("column", "value"), CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("missing", ["mean", "indicator"])
def test_no_test_row_changes_what_is_learnt(column: str, value: object, missing: str) -> None:
    """Inputs outside test, made by all that was fitted, are the same to the last digit."""
    said = {"one_hot": ("sex", "town"), "dates": ("admitted",), "standardize": "pooled", "min_frequency": 2}
    before, after = (opened(table, missing=missing, **said) for table in (patients(), with_test(column, value)))
    assert before.examples.columns == after.examples.columns
    for one, other in zip(before.clients, after.clients, strict=True):
        for part in ("train", "val"):
            rows, others = one.indices(part), other.indices(part)  # type: ignore[arg-type]
            assert np.array_equal(before.examples.inputs[rows], after.examples.inputs[others])


def test_a_client_who_is_held_out_teaches_nothing() -> None:
    table = patients(town=["Rom" if number % 4 // 2 else "Ulm" if number % 2 else "Bonn" for number in range(ROWS)])
    held = [opened(table, one_hot=("town",), held_out_clients=0.5, seed=seed) for seed in range(8)]
    learnt = {tuple(c.id for c in one.clients if c.seen): one.examples.columns for one in held}
    assert learnt == {("north",): ("age", "town=Ulm"), ("south",): ("age",)}


def test_a_category_in_test_alone_is_as_the_first_and_is_said() -> None:
    federation = opened(with_test("town", "Rom", 6), one_hot=("town",))
    assert federation.examples.columns == ("age", "town=Köln", "town=Ulm")
    rows = np.concatenate([client.test for client in federation.clients])
    assert federation.examples.inputs[rows, 1:].sum(1).tolist().count(0) >= 10
    account = federation.account
    assert account is not None
    what = "cells of 'town' in categories that no seen client has outside test ('Rom')"
    assert account.converted == (Converted(what, "as 'Bonn', the first of the clients'", 10),)


def test_rare_categories_are_one_and_so_are_those_of_test_alone() -> None:
    towns = [f"t{number}" if number % 4 else ["Ulm", "Bonn"][number % 8 // 4] for number in range(ROWS)]
    federation = opened(patients(town=towns), one_hot=("town",), min_frequency=3)
    assert federation.examples.columns == ("age", "town=Ulm", f"town={RARE}")
    assert federation.examples.inputs[:, 2].sum() == 45
    account = federation.account
    assert account is not None
    assert account.converted == ()
    assert "3 categories but the first, the last for all rarer ones" in account.encoded[0].how


def test_ten_thousand_categories_are_refused_or_joined() -> None:
    many = [f"t{number}" for number in range(9_999)] + ["Ulm"] * 5
    table = pa.table({"town": many, "x": np.arange(len(many)) / 7, "label": ["a", "b"] * 5002, "site": ["s"] * 10_004})
    said = {"split": SplitSettings(), "one_hot": ("town",)}
    with pytest.raises(DataError, match=r"data\.one_hot: 'town' has 7,9\d\d categories, .* data\.min_frequency"):
        opened(table, **said)
    assert opened(table, **said, min_frequency=2).examples.columns == (f"town={RARE}", "x")


def test_categories_may_be_numbers() -> None:
    federation = opened(
        patients(grade=[number % 3 for number in range(ROWS)], part=["train"] * ROWS), one_hot=("grade",)
    )
    assert federation.examples.columns == ("age", "grade=1", "grade=2")


def test_a_missing_category_is_one_of_its_own_or_is_filled_with_shares() -> None:
    table = patients(town=[None if number % 4 == 1 else "Ulm" if number % 2 else "Bonn" for number in range(ROWS)])
    own, mean = (opened(table, one_hot=("town",), missing=missing) for missing in ("indicator", "mean"))
    assert own.examples.columns == ("age", "town=Ulm", "town is missing")
    assert set(map(tuple, own.examples.inputs[:, 1:].tolist())) == {(0, 0), (1, 0), (0, 1)}
    assert mean.examples.columns == ("age", "town=Ulm")
    assert len(np.unique(mean.examples.inputs[:, 1])) == 3


def test_what_is_missing_in_test_alone_is_filled_without_a_column_that_says_so() -> None:
    federation = opened(with_test("age", None), missing="indicator")
    assert federation.examples.columns == ("age",)
    (client, *_) = federation.clients
    assert len(np.unique(federation.examples.inputs[client.test])) == 1
    with pytest.raises(DataError, match=r"data\.missing: 20 rows .* 'drop', 'mean' or 'indicator'"):
        opened(with_test("age", None))


def test_a_column_with_values_in_test_alone_is_dropped() -> None:
    table = patients(dose=[1.5 if is_test else None for is_test in TEST])
    for missing in ("mean", "indicator"):
        federation = opened(table, missing=missing)
        assert federation.examples.columns == ("age",)
        assert federation.account is not None
        assert Dropped("dose", "no value outside test") in federation.account.dropped


def test_a_column_wholly_missing_at_one_client_is_filled_by_the_others() -> None:
    table = patients(dose=[None if number % 4 // 2 else float(number) for number in range(ROWS)])
    federation = opened(table, missing="indicator")
    assert federation.examples.columns == ("age", "dose", "dose is missing")
    south = federation.clients[1]
    rows = np.concatenate([south.train, south.val, south.test])
    assert federation.examples.inputs[rows, 2].tolist() == [1] * len(rows)
    assert len(np.unique(federation.examples.inputs[rows, 1])) == 1


def test_vectors_have_one_column_that_says_where_they_are_missing() -> None:
    table = patients(x=[None if number % 4 == 1 else [1.0 * number, 2.0] for number in range(ROWS)])
    federation = opened(table, missing="indicator")
    assert federation.examples.columns == ("age", "x[0]", "x[1]", "x is missing")
    assert federation.examples.inputs[:, 3].sum() == 15


def test_a_column_of_the_name_of_an_input_is_one_too_many() -> None:
    table = patients(
        age=[None if number % 4 == 1 else number for number in range(ROWS)],
        **{"age is missing": [number % 2 * 1.0 for number in range(ROWS)]},
    )
    with pytest.raises(DataError, match=r"data\.columns: two inputs would be called 'age is missing'; rename"):
        opened(table, missing="indicator")


def test_nothing_left_to_learn_from_is_an_error() -> None:
    with pytest.raises(DataError, match=r"data\.columns: no column of 'patients' is left to learn from"):
        opened(patients(town=["Ulm"] * ROWS), columns=("town",), one_hot=("town",))


def test_a_column_is_of_categories_or_of_dates() -> None:
    with pytest.raises(SettingError, match=r"data\.dates: must name no column of data\.one_hot, received 'town'"):
        DataSettings(source="x", one_hot=("town",), dates=("town",))
    with pytest.raises(SettingError, match=r"data\.min_frequency: must be at least 1, received 0"):
        DataSettings(source="x", min_frequency=0)
    with pytest.raises(SettingError, match=r"data\.min_frequency: must stand beside data\.one_hot, received 3 alone"):
        DataSettings(source="x", min_frequency=3)


def test_a_pool_is_encoded_as_the_clients_are() -> None:
    holes = patients(age=[None if number % 5 == 1 else number for number in range(ROWS)])
    said = {"one_hot": ("town",), "dates": ("admitted",), "missing": "indicator"}
    federation = opened(holes, **said, central=CentralSettings(fraction=0.3))
    assert federation.central is not None
    assert federation.central.columns == federation.examples.columns
    other = patients(age=[1000 + number for number in range(ROWS)], town=["Rom"] * ROWS)
    settings = DataSettings(
        source="patients", client="site", standardize="none", central=CentralSettings(source="other"), **said
    )  # type: ignore[arg-type]
    pool = federate(Source("patients", holes), settings, Source("other", other)).central
    assert pool is not None
    assert pool.columns == ("age", "town=Köln", "town=Ulm", "admitted", "age is missing")
    assert pool.inputs[:, [1, 2, 4]].tolist() == [[0, 0, 0]] * ROWS
    with pytest.raises(DataError, match=r"data\.dates: 'admitted' of 'other' must hold dates, received 'soon' in"):
        federate(Source("patients", holes), settings, Source("other", patients(admitted=["soon"] * ROWS)))


def test_a_client_tells_names_of_enough_rows_outside_test() -> None:
    """Rome's rows are all for testing: it has enough of them to be told, and is not learnt."""
    towns = ["Rom" if is_test else ["Ulm", "Bonn"][number % 7 == 1] for number, is_test in enumerate(TEST)]
    holes = [None if number % 7 == 2 else number for number in range(ROWS)]
    source = Source("patients", patients(town=towns, age=holes).drop_columns("site"))
    settings = DataSettings(source="x", one_hot=("town",), missing="indicator", split=SplitSettings(column="part"))
    told = client_names(source, settings, "north", 5)
    assert (told.categories, told.missing) == ({"town": ("Bonn", "Ulm")}, ("age",))
    told = client_names(source, settings, "north", 9)
    assert (told.categories, told.missing) == ({"town": ("Ulm",)}, ("age",))
    told = client_names(source, replace(settings, min_frequency=7), "north", 10)
    assert (told.categories, told.missing) == ({"town": ("Ulm",)}, ())


def test_a_client_follows_what_was_agreed() -> None:
    source = Source("patients", patients(age=[None, *range(20, 79)]).drop_columns("site"))
    settings = DataSettings(source="x", one_hot=("town",), missing="indicator", split=SplitSettings(column="part"))
    agreed = Agreement(
        classes=("ill", "well"), columns=("age", "town"), categories={"town": ("Bonn", "Köln", "Ulm")}, missing=("age",)
    )
    found = open_client(source, settings, "north", agreed).examples
    assert found.columns == agreed.inputs == ("age", "town=Köln", "town=Ulm", "age is missing")
    assert found.inputs[:, 3].tolist() == [1, *[0] * 59]
    unknown = Agreement(classes=("ill", "well"), columns=("age", "town"), categories={"town": ("Bonn", "Ulm")})
    with pytest.raises(DataError, match=r"data\.one_hot: 'town' .* has \d+ rows in categories too rare to be named"):
        open_client(source, settings, "north", unknown)
    rare = Agreement(classes=("ill", "well"), columns=("age", "town"), categories={"town": ("Bonn", RARE)})
    assert open_client(source, settings, "north", rare).examples.columns == ("age", f"town={RARE}")


cells = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), min_size=12, max_size=40)


@given(cells, st.integers(1, 4))
def test_categories_are_those_of_scikit_learn(towns: list[str], fewest: int) -> None:
    """``OneHotEncoder``, fitted on the rows outside test, makes the same columns of all of them."""
    part = ["test" if number % 4 == 0 else "train" for number in range(len(towns))]
    table = pa.table(
        {
            "town": towns,
            "x": np.arange(len(towns)) / 7,
            "label": ["a", "b"] * (len(towns) // 2) + ["a"] * (len(towns) % 2),
        }
        | {"part": part, "site": ["s"] * len(towns)}
    )
    found = opened(table, one_hot=("town",), min_frequency=fewest, columns=("x", "town"))
    encoder = OneHotEncoder(
        drop="first", handle_unknown="infrequent_if_exist", min_frequency=fewest, sparse_output=False
    )
    known = np.array([[town] for town, of in zip(towns, part, strict=True) if of == "train"])
    encoder.fit(known)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of unknown categories, which become zeros
        expected = encoder.transform(np.array([[town] for town in towns]))
    assert np.array_equal(found.examples.inputs[:, 1:], expected)


@given(st.lists(st.one_of(st.none(), st.integers(0, 9)), min_size=12, max_size=40))
def test_fills_are_those_of_scikit_learn(ages: list[int | None]) -> None:
    """``SimpleImputer``, fitted on the rows outside test, fills the same and says the same of what was missing."""
    part = ["test" if number % 4 == 0 else "train" for number in range(len(ages))]
    values = np.array([[np.nan if age is None else age, 1.5] for age in ages])
    known = values[[of == "train" for of in part]]
    table = pa.table(
        {"age": pa.array(ages, pa.float64()), "x": [1.5] * len(ages), "part": part, "site": ["s"] * len(ages)}
        | {"label": ["a", "b"] * (len(ages) // 2) + ["a"] * (len(ages) % 2)}
    )
    found = opened(table, missing="indicator", columns=("age", "x")) if any(age is not None for age in ages) else None
    if found is None or np.isnan(known[:, 0]).all():
        return
    imputer = SimpleImputer(add_indicator=True).fit(known)
    imputer.indicator_.error_on_new = False
    assert np.allclose(found.examples.inputs, imputer.transform(values), atol=1e-6)
