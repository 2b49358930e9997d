"""What belongs to a federation is agreed in it: sites that differ give the numbers of the joined table, or a name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headstart.core.errors import ClientError, DataError, HeadstartError, SettingError
from headstart.data import DataSettings
from headstart.data.agreement import Agreement
from headstart.data.standardize import ColumnSums
from headstart.sites.agreement import agreement_of, with_sums
from headstart.sites.said import Present
from headstart.sites.site import Site
from sites.federations import (
    Made,
    Pictures,
    Row,
    Table,
    federated,
    losses_on_test,
    of_simulation,
    random_pictures,
    random_table,
    write_csv,
)
from sites.in_process import InProcess, arm_of, opened, run_arm

CLOSE = 1e-6


def rows(seed: int, count: int = 40, **change: Any) -> list[Row]:
    """Return patients; ``change`` makes a column anew of each row, None leaves it out."""
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        ill = bool(draw.random() < 0.5)
        row = {
            "age": float(draw.integers(40, 70) + 6 * ill),
            "sex": float(draw.integers(2)),
            "chol": float(draw.integers(180, 300) + 30 * ill),
            "label": "disease" if ill else "none",
        }
        made = {name: make(row) for name, make in change.items() if make}
        found.append({name: value for name, value in {**row, **made}.items() if change.get(name, True)})
    return found


STATED = 'columns = ["age", "sex", "chol"]'
SITES = {"a": rows(0), "c": rows(2)}
"""Two sites that agree; the tests add a third."""


def reordered(found: list[Row]) -> list[Row]:
    return [dict(sorted(row.items(), key=lambda item: item[0][::-1])) for row in found]


def ward(row: Row) -> str:
    return "er" if row["sex"] else "icu"


def numbered(found: list[Row], first: int) -> list[Row]:
    return [{**row, "patient_id": first + number} for number, row in enumerate(found)]


def visits(found: list[Row]) -> list[Row]:
    return [{**row, "patient": f"p{number // 4}"} for number, row in enumerate(found)]


def without_chol(row: Row) -> object:
    return "" if row["sex"] else row["chol"]


def dated(found: list[Row]) -> list[Row]:
    """Give rows a day each, in another order than they stand in."""
    return [{**row, "seen": f"2021-{1 + number * 7 % 12:02}-{1 + number % 28:02}"} for number, row in enumerate(found)]


def rare_wards(found: list[Row]) -> list[Row]:
    """Give every seventh row a ward that few others have."""
    return [{**row, "ward": f"w{row['chol']}" if number % 7 == 3 else ward(row)} for number, row in enumerate(found)]


def halved(found: list[Row]) -> list[Row]:
    return [{**row, "part": "test" if int(row["patient"][1:]) % 3 else "train"} for row in found]


def sorted_ages(found: list[Row]) -> list[Row]:
    """Give every row another age, in whole years, in the order of the ages."""
    return [{**row, "age": 30 + number} for number, row in enumerate(found)]


def code_of(site: int) -> Callable[[Row], int]:
    """Return what makes a code of ten: other ones at each site."""
    return lambda row: 1000 + 7 * (10 * site + int(row["chol"]) % 10)


def deep(value: int) -> np.ndarray:
    """Return a picture of 16 bits of which only a part is used."""
    return np.arange(30, dtype=np.uint16).reshape(6, 5) * (value // 29)


def grey(value: int, size: int = 6) -> np.ndarray:
    return np.full((size, 5), value, np.uint8)


SAME: dict[str, Made] = {
    "order": Table({**SITES, "b": reordered(rows(1))}),
    "order, stated": Table({**SITES, "b": reordered(rows(1))}, STATED, "fedavg"),
    "an extra column, stated": Table({**SITES, "b": rows(1, ward=lambda _: 3.0)}, STATED),
    "an extra column of words": Table({**SITES, "b": rows(1, ward=lambda _: "north")}),
    "whole numbers": Table({**SITES, "b": rows(1, age=lambda row: int(row["age"]))}, 'standardize = "pooled"'),
    "units": Table({**SITES, "b": rows(1, chol=lambda row: row["chol"] / 38.67)}, 'standardize = "client"'),
    "one class": Table({**SITES, "b": rows(1, label=lambda _: "none")}, arm="fedavg"),
    "a class of its own": Table({**SITES, "b": rows(1, label=lambda _: "unclear")}, 'standardize = "pooled"', "fedavg"),
    "one row": Table({**SITES, "b": rows(1, 1)}, 'standardize = "client"', "fedavg"),
    "one row, adapts": Table({**SITES, "b": rows(1, 1)}, arm="local"),
    "one category": Table(
        {"a": rows(0, ward=ward), "b": rows(1, ward=lambda _: "icu")}, 'one_hot = ["ward"]', one_hot=("ward",)
    ),
    "other categories": Table(
        {"a": rows(0, ward=ward), "b": rows(1, ward=lambda _: "burns")},
        'one_hot = ["ward"]\nstandardize = "pooled"',
        one_hot=("ward",),
    ),
    "numbers of patients": Table({"a": numbered(rows(0), 100), "c": numbered(rows(2), 500)}),
    "numbers of patients, too few to tell at one": Table(
        {"a": numbered(rows(1, 6), 900), "b": numbered(rows(0), 100), "c": numbered(rows(2), 500)}
    ),
    "sorted by age, all different at one": Table({**SITES, "b": sorted_ages(rows(1))}),
    "sorted by age, at the first": Table({"a": sorted_ages(rows(0)), "b": rows(1), "c": rows(2)}, arm="fedavg"),
    "sorted by age, other rows few": Table(
        {"a": sorted_ages(rows(0)), "b": rows(1, 8, age=lambda row: 50 + int(row["sex"]))}
    ),
    "many whole numbers as classes, few of them at each": Table(
        {name: rows(site, 120, label=code_of(site)) for site, name in enumerate("abc")}
    ),
    "rows left out": Table(
        {**SITES, "b": rows(1, chol=lambda row: "" if row["sex"] else row["chol"])}, 'missing = "drop"'
    ),
    "rows that belong together": Table(
        {name: visits(rows(site)) for site, name in enumerate("abc")}, 'split = { group = "patient" }'
    ),
    "rows that belong together, val drawn": Table(
        {name: halved(visits(rows(site))) for site, name in enumerate("abc")},
        'split = { group = "patient", column = "part" }',
        "fedavg",
    ),
    "in the order of time": Table(
        {name: dated(rows(site)) for site, name in enumerate("abc")}, 'split = { time = "seen" }', "fedavg"
    ),
    "in the order of time, whole patients": Table(
        {name: dated(visits(rows(site))) for site, name in enumerate("abc")},
        'split = { time = "seen", group = "patient" }',
    ),
    "dates": Table(
        {name: dated(rows(site)) for site, name in enumerate("abc")}, 'dates = ["seen"]\nstandardize = "pooled"'
    ),
    "dates in other forms": Table(
        {"a": dated(rows(0)), "b": [{**row, "seen": 20210101 + number} for number, row in enumerate(rows(1, 28))]},
        'dates = ["seen"]',
    ),
    "rare categories": Table(
        {name: rare_wards(rows(site)) for site, name in enumerate("abc")},
        'one_hot = ["ward"]\nmin_frequency = 5\nstandardize = "client"',
        one_hot=("ward",),
    ),
    "one class of pictures": Pictures(
        {
            "A": {"one": [grey(9 * n) for n in range(5)], "two": [grey(200 + n) for n in range(5)]},
            "D": {"two": [grey(50 + n) for n in range(5)]},
        },
        arm="fedavg",
    ),
    "more than 8 bits, of differing depth": Pictures(
        {
            "A": {"one": [deep(500 + 29 * n) for n in range(5)], "two": [deep(900 + 9 * n) for n in range(5)]},
            "B": {"one": [deep(3000 + 40 * n) for n in range(5)], "two": [deep(2000 + 40 * n) for n in range(5)]},
            "C": {"two": [grey(20 * n) for n in range(5)]},
        },
    ),
    "grey and coloured": Pictures(
        {
            "A": {"one": [grey(9 * n) for n in range(5)], "two": [grey(200 + n) for n in range(5)]},
            "B": {"one": [np.full((6, 5, 3), (9, 99, n), np.uint8) for n in range(5)]},
        },
    ),
}
FILLS = {
    f"{name}, {how}": Table({**SITES, "b": holes}, f'missing = "mean"\nstandardize = "{how}"')
    for name, holes in {
        "holes": rows(1, chol=without_chol),
        "empty": rows(1, chol=lambda _: ""),
        "holes in few": rows(1, age=lambda row: "" if row["age"] > 60 else row["age"]),
    }.items()
    for how in ("none", "client", "pooled")
}
TOLD = {
    f"{name}, told, {how}": Table({**SITES, "b": holes}, f'missing = "indicator"\nstandardize = "{how}"\n{more}', arm)
    for name, holes, more, arm in (
        ("holes", rows(1, chol=without_chol), "", "ridge"),
        ("holes, stated", rows(1, chol=without_chol), STATED, "fedavg"),
        ("empty", rows(1, chol=lambda _: ""), "", "fedavg"),
        ("none", rows(1), "", "ridge"),
    )
    for how in ("none", "client", "pooled")
}
NO_WARD = {
    f"categories that are missing, {how}": Table(
        {name: rows(site, ward=lambda row: "" if row["age"] > 60 else ward(row)) for site, name in enumerate("abc")},
        f'missing = "indicator"\none_hot = ["ward"]\nstandardize = "{how}"',
        one_hot=("ward",),
    )
    for how in ("none", "pooled")
}
SPLIT = 'split = { column = "part" }'


def parts(found: list[Row], cycle: tuple[str, ...] = ("train", "train", "val", "test")) -> list[Row]:
    return [{**row, "part": cycle[number % len(cycle)]} for number, row in enumerate(found)]


PARTS = {
    f"{name}, {how}": Table(
        {"a": parts(rows(0)), "c": parts(rows(2)), "b": parts(rows(1), cycle)},
        f'{SPLIT}\nstandardize = "{how}"',
        arm,
    )
    for name, cycle, arm in (
        ("test only", ("test",), "fedavg"),
        ("train only", ("train",), "fedavg"),
        ("val only", ("val",), "local"),
        ("test only, adapts", ("test",), "local"),
    )
    for how in ("none", "client", "pooled")
}
DRAWN = {
    **{f"table-{seed}": random_table(seed) for seed in range(22)},
    **{f"pictures-{seed}": random_pictures(seed) for seed in range(8)},
}
EQUAL = {
    **SAME,
    **FILLS,
    **TOLD,
    **NO_WARD,
    **PARTS,
    **{name: made for name, made in DRAWN.items() if not made.refused},
}
CANNOT = {name: made for name, made in DRAWN.items() if made.refused}


MANY = {f"{kind}-{seed}" for kind, few in (("table", 8), ("pictures", 3)) for seed in range(few, 22)}
"""Drawn ones that only slow tests try."""


@pytest.mark.parametrize(
    "made",
    [pytest.param(made, id=name, marks=pytest.mark.slow if name in MANY else ()) for name, made in EQUAL.items()],
)
def test_sites_that_differ_are_the_joined_federation(made: Made, tmp_path: Path) -> None:
    found = federated(made, tmp_path)
    assert found["excluded"] == []
    assert losses_on_test(found) == pytest.approx(of_simulation(made, tmp_path), abs=CLOSE)


@pytest.mark.parametrize("made", CANNOT.values(), ids=CANNOT.keys())
def test_drawn_sites_that_cannot_follow_are_refused_by_name(made: Made, tmp_path: Path) -> None:
    assert f"(data.one_hot, '{made.refused}')" in refusal(made, tmp_path)


def refusal(made: Made, folder: Path) -> str:
    """Return why a federation, or a site of it, is refused."""
    try:
        return "; ".join(f"{one['client']}: {one['reason']}" for one in federated(made, folder)["excluded"])
    except HeadstartError as error:
        return str(error)


def test_most_drawn_sites_can_follow() -> None:
    assert len(CANNOT) in range(1, 7)


WARDS = rows(1, ward=ward)
RARE = Table({"a": WARDS, "b": [{**WARDS[0], "ward": "burns"}, *WARDS[1:]]}, 'one_hot = ["ward"]', one_hot=("ward",))
WHOLE: dict[str, tuple[Made, type[HeadstartError], tuple[str, ...]]] = {
    "lacks, nothing stated": (
        Table({**SITES, "b": rows(1, chol=None)}),
        DataError,
        ("data.columns: sites must have the same", "'b'", "no column 'chol'", 'columns = ["age", "sex"]'),
    ),
    "extra, nothing stated": (
        Table({**SITES, "b": rows(1, ward=lambda _: 3.0)}),
        DataError,
        ("data.columns: sites must have the same", "'a'", "'c'", "no column 'ward'"),
    ),
    "words, nothing stated": (
        Table({**SITES, "b": rows(1, sex=lambda row: "male" if row["sex"] else "female")}),
        DataError,
        ("'b'", "'sex'"),
    ),
    "categories that may not leave": (
        Table({"a": WARDS, "b": WARDS}, 'one_hot = ["ward"]'),
        ClientError,
        ("'a' lets no names of categories of 'ward' leave", "--one-hot ward"),
    ),
    "common times": (
        Table(
            {name: dated(rows(site)) for site, name in enumerate("ab")},
            'split = { time = "seen", time_cut = "common" }',
        ),
        ClientError,
        ("data.split.time_cut: 'common' needs the times of all sites' rows, which do not leave; write 'client'",),
    ),
    "no value at any": (
        Table({name: rows(site, chol=lambda _: "") for site, name in enumerate("ab")}, f'{STATED}\nmissing = "mean"'),
        DataError,
        ("no site has a value of 'chol' outside test; leave it out",),
    ),
    "measurements as classes": (
        Table({name: rows(site, 30, label=lambda row: int(row["chol"] // 5)) for site, name in enumerate("ab")}),
        DataError,
        ("data.label: must be a column of classes", "the label of all sites together", "data.task"),
    ),
    "nothing but numbers of rows": (
        Table({name: numbered([{"label": "xy"[n % 2]} for n in range(20)], 7) for name in "ab"}),
        ClientError,
        ("'a' waits for its operator",),
    ),
    "one class in all": (
        Table({name: rows(0, label=lambda _: "none") for name in "ab"}),
        DataError,
        ("all sites together has 1 class (none)",),
    ),
    "sizes": (
        Pictures({"A": {"one": [grey(3, 6)] * 4}, "B": {"two": [grey(4, 8)] * 4}}),
        DataError,
        ("data.image_size: sites must hold pictures of one size", "6x5 at 'A'", "8x5 at 'B'", "set it"),
    ),
}


@pytest.mark.parametrize(("made", "error", "words"), WHOLE.values(), ids=WHOLE.keys())
def test_what_nobody_can_agree_on_stops_all_by_name(
    made: Made, error: type[HeadstartError], words: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(error) as found:
        federated(made, tmp_path)
    assert [word for word in words if word not in str(found.value)] == []


WAITS = ("'b' waits for its operator",)
"""Who could not even accept the study, as its operator reads in words that stay there."""
SITE: dict[str, tuple[Made, tuple[str, ...]]] = {
    "lacks": (Table({**SITES, "b": rows(1, chol=None)}, STATED), WAITS),
    "a question mark": (
        Table({**SITES, "b": rows(1, chol=lambda row: "?" if row["sex"] else row["chol"])}, STATED),
        WAITS,
    ),
    "another case": (
        Table({**SITES, "b": rows(1, chol=None, Chol=lambda row: row["chol"])}, STATED),
        WAITS,
    ),
    "label of another case": (
        Table({**SITES, "b": rows(1, label=None, Label=lambda row: row["label"])}),
        WAITS,
    ),
    "a rare category": (RARE, ("(data.one_hot, 'ward'); its own log says more",)),
}


@pytest.mark.parametrize(("made", "words"), SITE.values(), ids=SITE.keys())
def test_a_site_that_cannot_follow_is_named_and_the_others_go_on(
    made: Made, words: tuple[str, ...], tmp_path: Path
) -> None:
    found = federated(made, tmp_path)
    (lost,) = found["excluded"]
    assert (lost["client"], lost["round"]) == ("b", 0)
    assert set(found["clients"]) == set(made.sites) - {"b"}
    assert [word for word in words if word not in lost["reason"]] == []


def test_names_of_rare_categories_stay(tmp_path: Path) -> None:
    said: list[str] = []

    def listen(_: Any, text: str, tree: Any) -> Any:
        said.append(text)
        return text, tree

    file, paths = RARE.write(tmp_path)
    sites = [Site(name, path, tmp_path / name, one_hot=("ward",)) for name, path in paths.items()]
    run_arm(opened(file, InProcess(sites, listen), tmp_path / "out"), arm_of(file, "ridge"))
    assert said
    assert [text for text in said if "burns" in text] == []


def test_names_that_are_one_per_row_stay(tmp_path: Path) -> None:
    made = Table({**SITES, "b": [{**row, "label": f"patient {n}"} for n, row in enumerate(rows(1))]})
    (lost,) = federated(made, tmp_path)["excluded"]
    assert "has almost as many values of 'label' as rows, whose names do not leave" in lost["reason"]
    assert "patient" not in lost["reason"]


def test_a_column_that_says_whose_a_row_is_is_no_input_at_a_site_either(tmp_path: Path) -> None:
    numbered = {name: [{**row, "site": number} for row in found] for number, (name, found) in enumerate(SITES.items())}
    file, paths = Table(numbered).write(tmp_path)
    read = Site("a", paths["a"], tmp_path / "state").read(file.data)
    assert read.examples.columns == ("age", "sex", "chol")


POOLED = Table(SITES, 'standardize = "pooled"', "local")
FILLED = Table({"a": rows(0, chol=lambda row: "" if row["sex"] else row["chol"]), "c": rows(2)}, 'missing = "mean"')


@pytest.mark.parametrize("policy", ["none", "counts", "metrics"])
@pytest.mark.parametrize(
    ("made", "setting"),
    [
        (replace(POOLED, data='missing = "mean"'), "data.missing: 'mean'"),
        (POOLED, "data.standardize: 'pooled'"),
        (replace(FILLED, arm="local", data='missing = "mean"\nstandardize = "none"'), "data.missing: 'mean'"),
    ],
    ids=["auto", "pooled", "mean"],
)
def test_a_setting_that_a_policy_forbids_is_refused_by_name(
    made: Table, setting: str, policy: str, tmp_path: Path
) -> None:
    with pytest.raises(
        SettingError, match=f"^{setting} needs sums .* policies, covers or minima of 'c' do not let leave"
    ):
        federated(made, tmp_path, {"c": policy})


def test_by_default_columns_are_scaled_by_the_sums_that_may_leave(tmp_path: Path) -> None:
    told: list[str] = []
    found = federated(replace(POOLED, data=""), tmp_path, {"c": "metrics"}, told.append)
    assert (set(found["clients"]), found["excluded"]) == ({"a", "c"}, [])
    assert (
        "columns are brought to one scale without the rows of 'c', whose policies, covers or minima let no sums leave"
        in told
    )


def test_a_column_without_values_at_those_who_send_sums_is_said_to_be_so() -> None:
    agreed, empty = Agreement(classes=("x", "y"), columns=("chol",)), ColumnSums(3, (0,), (0.0,), (0.0,))
    words = r"^data\.columns: no site whose policy lets sums leave \('a'\) has a value of 'chol' outside test; leave it"
    with pytest.raises(DataError, match=words):
        with_sums(agreed, {"a": empty, "c": None}, DataSettings(source="all.csv"))
    with pytest.raises(DataError, match=r"^data\.columns: no site has a value of 'chol' outside test; leave it out$"):
        with_sums(agreed, {"a": empty, "c": empty}, DataSettings(source="all.csv"))


def test_without_any_sums_nothing_is_scaled_in_silence(tmp_path: Path) -> None:
    with pytest.raises(HeadstartError, match="lets sums leave"):
        federated(replace(POOLED, data=""), tmp_path, {"a": "metrics", "c": "metrics"})


def test_a_site_that_has_no_mean_of_its_own_says_so(tmp_path: Path) -> None:
    made = Table({**SITES, "b": rows(1, chol=lambda _: "")}, 'missing = "mean"\nstandardize = "client"', "local")
    found = federated(made, tmp_path, {"a": "metrics"})
    (lost,) = found["excluded"]
    assert lost["client"] == "b"
    assert "too few values of 'chol' outside test" in lost["reason"]


@pytest.mark.parametrize("policies", [{"a": "none", "c": "none"}, {"a": "metrics", "c": "counts"}])
@pytest.mark.parametrize("arm", ["fedavg", "ridge"])
def test_a_federated_arm_without_senders_is_an_error(arm: str, policies: dict[str, str], tmp_path: Path) -> None:
    words = ", ".join(f"'{name}' {policy}" for name, policy in policies.items())
    with pytest.raises(
        SettingError, match=f"^--policy: '{arm}' .* no site lets (updates|sums) leave, received {words}"
    ):
        federated(Table(SITES, 'standardize = "none"', arm), tmp_path, policies)
    assert not (tmp_path / "out" / "rounds").exists()


def test_senders_without_training_examples_are_an_error(tmp_path: Path) -> None:
    made = Table({name: parts(found, ("val", "test")) for name, found in SITES.items()}, SPLIT)
    with pytest.raises(SettingError, match=r"^data\.split\.train: 'ridge' is federated, and no site"):
        federated(made, tmp_path)


MANY = {name: rows(number, 30) for number, name in enumerate("abcd")}
LACKING = {name: rows(number, 30, chol=None) for number, name in enumerate("vwxyz")}


def test_a_site_lost_at_the_first_message_stands_in_the_result(tmp_path: Path) -> None:
    found = federated(Table({**MANY, "z": LACKING["z"]}, STATED), tmp_path)
    assert set(found["clients"]) == set(MANY)
    assert [(one["client"], one["round"]) for one in found["excluded"]] == [("z", 0)]


def test_too_many_sites_lost_at_the_first_message_stop_the_run(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=r"5 of 9 sites are lost, more than the share 0\.5 that engine\.max_bad"):
        federated(Table({**MANY, **LACKING}, STATED), tmp_path)
    # Who was lost stays noted; nothing was computed.
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["network.jsonl"]


def test_a_column_that_one_site_sets_aside_is_no_input_at_any_and_named(tmp_path: Path) -> None:
    made = Table({"a": numbered(rows(1, 6), 900), "b": numbered(rows(0), 100)})
    file, paths = made.write(tmp_path)
    told: list[str] = []
    sites = [Site(name, path, tmp_path / name) for name, path in paths.items()]
    server = opened(file, InProcess(sites), tmp_path / "out", tell=told.append)
    assert server.agreement.columns == ("age", "sex", "chol")
    assert [note for note in told if note.startswith("'patient_id' is no input, as at 'b'")] != []


def test_a_column_that_looks_like_numbers_of_rows_at_one_site_alone_is_an_input_and_named(tmp_path: Path) -> None:
    file, paths = Table({**SITES, "b": sorted_ages(rows(1))}).write(tmp_path)
    told: list[str] = []
    sites = [Site(name, path, tmp_path / name) for name, path in paths.items()]
    server = opened(file, InProcess(sites), tmp_path / "out", tell=told.append)
    assert server.agreement.columns == ("age", "sex", "chol")
    assert [note for note in told if note.startswith("'age' is an input: at 'b' alone")] != []
    assert "age" in sites[2].read(file.data, server.agreement).examples.columns


def test_a_sites_account_says_why_a_column_is_no_input(tmp_path: Path) -> None:
    few = [{**row, "nr": number} for number, row in enumerate(rows(1, 6))]
    file, paths = Table({"a": few, "b": [{**row, "nr": 7 + n} for n, row in enumerate(rows(0))]}).write(tmp_path)
    sites = [Site(name, path, tmp_path / name) for name, path in paths.items()]
    agreed = opened(file, InProcess(sites), tmp_path / "out").agreement
    accounts = [site.read(file.data, agreed).account for site in sites]
    reasons = [{one.name: one.why for one in account.dropped}["nr"] for account in accounts if account]
    assert reasons[0] == "no input of the federation"
    assert reasons[1].startswith("whole numbers, all different and in order: an identifier")


def test_categories_of_the_pool_that_no_site_has_are_said(tmp_path: Path) -> None:
    made = Table({"a": WARDS, "b": WARDS}, 'one_hot = ["ward"]\n[data.central]\nsource = "pool.csv"')
    write_csv(tmp_path / "pool.csv", rows(7, 12, ward=lambda _: "burns"))
    file, paths = made.write(tmp_path)
    told: list[str] = []
    sites = [Site(name, path, tmp_path / name, one_hot=("ward",)) for name, path in paths.items()]
    opened(file, InProcess(sites), tmp_path / "out", tell=told.append)
    line = "central pool: 12 cells of 'ward' in categories that no seen client has outside test ('burns'): as 'er', "
    assert [one for one in told if one.startswith(line)] != []


def test_shares_and_numbers_of_pictures_are_refused_together() -> None:
    shares, numbers = ((0.0, 1.0), (0.0, 4095.0))
    said = [_pictures("a", shares), _pictures("b", numbers)]
    with pytest.raises(DataError, match=r"^data\.pixels\.range: .* 0 to 1 at some sites \('a'\) and to 4095 .*\('b'\)"):
        agreement_of(DataSettings(source="all"), said)


def _pictures(client: str, values: tuple[float, float]) -> Present:
    return Present(
        client=client,
        version="",
        kind="image",
        classes=("x", "y"),
        columns=(),
        categories={},
        shape=(1, 6, 5),
        fixed_val=False,
        policy="updates",
        sizes={},
        range=values,
    )


def _with_vectors(folder: Path, lengths: tuple[int, int]) -> tuple[Table, dict[str, Path]]:
    """Write sites with a column of vectors; return the same tables with a column for each of the numbers."""
    flat, paths = {}, {}
    for seed, length in enumerate(lengths):
        name, found = f"s{seed}", rows(seed)
        vectors = np.random.default_rng(seed).normal(size=(len(found), length)).round(3).tolist()
        paths[name] = folder / f"{name}.parquet"
        pq.write_table(
            pa.Table.from_pylist([{"x": x, **row} for x, row in zip(vectors, found, strict=True)]), paths[name]
        )
        flat[name] = [
            {**{f"x{place}": value for place, value in enumerate(x)}, **row}
            for x, row in zip(vectors, found, strict=True)
        ]
    return Table(flat), paths


def test_columns_of_vectors_are_the_columns_of_their_numbers(tmp_path: Path) -> None:
    made, paths = _with_vectors(tmp_path, (3, 3))
    file, _ = made.write(tmp_path)
    sites = [Site(name, path, tmp_path / name) for name, path in paths.items()]
    found = run_arm(opened(file, InProcess(sites), tmp_path / "out"), arm_of(file, "ridge"))
    assert losses_on_test(found) == pytest.approx(of_simulation(made, tmp_path), abs=CLOSE)


def test_vectors_of_other_lengths_are_refused_and_no_part_of_them_is_offered(tmp_path: Path) -> None:
    made, paths = _with_vectors(tmp_path, (3, 2))
    file, _ = made.write(tmp_path)
    sites = [Site(name, path, tmp_path / name) for name, path in paths.items()]
    with pytest.raises(DataError, match=r"no column 'x\[2\]'.*columns = \[\"age\", \"sex\", \"chol\"\]$"):
        opened(file, InProcess(sites), tmp_path / "out")
