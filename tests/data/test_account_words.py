"""The block of lines that says what was read."""

import pytest

from headstart.data.account import Account, Dropped, Encoded, Filled, LeftOut
from headstart.data.account_words import FOLD, in_words


def said(**changes: object) -> dict[str, list[str]]:
    account = Account(**{"source": "a.csv", "kind": "table", "rows": 3_000, "used": 2_998, **changes})
    lines: dict[str, list[str]] = {}
    for label, text in in_words(account):
        lines.setdefault(label, []).append(text)
    return lines


def test_what_has_nothing_to_say_has_no_line():
    assert said() == {"source": ["a.csv (table), 3,000 rows read, 2,998 used"], "scale": ["columns as they are"]}


@pytest.mark.parametrize(
    ("left_out", "text"),
    [
        (LeftOut(1, "'label' is empty", (7,)), "1 row: 'label' is empty (row 7, counted from 0)"),
        (LeftOut(7, "why", (0, 1, 2, 3, 4)), "7 rows: why (rows 0, 1, 2, 3, 4, …, counted from 0)"),
        (LeftOut(1_200, "beyond data.max_examples = 3"), "1,200 rows: beyond data.max_examples = 3"),
    ],
)
def test_rows_left_out_are_named_as_far_as_they_are_known(left_out, text):
    assert said(left_out=(left_out,))["left out"] == [text]


@pytest.mark.parametrize(("count", "more"), [(FOLD, ""), (FOLD + 1, " and 1 more"), (2_000 + FOLD, " and 2,000 more")])
def test_long_lists_are_folded_with_a_count(count, more):
    names = tuple(f"c{i}" for i in range(count))
    (text,) = said(inputs=names)["inputs"]
    assert text == f"{count:,} columns: {', '.join(names[:FOLD])}{more}"


def test_columns_dropped_for_one_reason_share_a_line():
    dropped = (Dropped("a", "not in data.columns"), Dropped("b", "holds text"), Dropped("c", "not in data.columns"))
    assert said(dropped=dropped)["dropped"] == ["a, c: not in data.columns", "b: holds text"]


def test_filled_and_encoded_columns_are_said():
    lines = said(filled=(Filled("age", 2, "the mean, 41.3"),), encoded=(Encoded("cp", "one column each"),) * 8)
    assert lines["filled"] == ["2 empty cells: age 2 (the mean, 41.3)"]
    assert lines["encoded"] == ["cp: one column each"] * FOLD + ["and 2 columns more"]


@pytest.mark.parametrize(
    ("clients", "text"),
    [
        ({"a": 1, "b": 2}, "2: a 1, b 2"),
        ({f"c{i}": 5 for i in range(10)}, "10, of 5 rows"),
        ({f"c{i}": i for i in range(1, 2_963)}, "2,962, of 1 to 2,962 rows"),
    ],
)
def test_many_clients_are_counted(clients, text):
    assert said(clients=clients)["clients"] == [text]


def test_the_pool_follows():
    pool = Account(source="b.csv", kind="image 1x8x8", rows=2, used=2)
    assert said(central=pool)["pool: source"] == ["b.csv (image 1x8x8), 2 rows read, 2 used"]
