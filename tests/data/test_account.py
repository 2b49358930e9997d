"""Nothing is dropped silently: every row and every column of a source is accounted for."""

import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.makers import write_people, write_pictures, write_table
from headstart.data import CentralSettings, DataSettings, PartitionSettings, SplitSettings, from_arrays, open_federation
from headstart.data.account import Account, Dropped, Encoded, Filled, LeftOut, account_of, left_out, notes_in

ROWS = 24


def _account(folder, source, **changes):
    return open_federation(DataSettings(**{"source": source, "client": "site", **changes}), folder).account


def _names(account: Account) -> list[str]:
    """All columns that an account names, once for each part they play."""
    return [*account.parts, *account.inputs, *(one.name for one in account.dropped)]


def _column(kind: str, draw: np.random.Generator) -> list:
    """A column of 24 cells: of numbers, words, truths, dates as text, one value, lists, or with holes."""
    numbers = draw.normal(size=ROWS).tolist()
    return {
        "numbers": numbers,
        "whole": draw.integers(0, 5, ROWS).tolist(),
        "words": draw.choice(["a", "b", "c"], ROWS).tolist(),
        "truths": (draw.random(ROWS) > 0.5).tolist(),
        "one value": ["same"] * ROWS,
        "holes": [None if i % 7 == 0 else number for i, number in enumerate(numbers)],
        "lists": [[number, number] for number in numbers],
        "nothing": [None] * ROWS,
    }[kind]


KINDS = ("numbers", "whole", "words", "truths", "one value", "holes", "lists", "nothing")
TABLES = st.lists(st.sampled_from(KINDS), min_size=0, max_size=6)


def _write(folder, kinds: list[str], seed: int) -> str:
    draw = np.random.default_rng(seed)
    odd = {f"{kind} {i}": _column(kind, draw) for i, kind in enumerate(kinds)}
    plain = {"dose": draw.normal(size=ROWS), "label": ["ill", "well", "new"] * 8, "site": ["a"] * 12 + ["b"] * 12}
    write_table(folder / "odd.parquet", **plain, **odd, fold=["train", "train", "test", None] * 6)
    return "odd.parquet"


@settings(max_examples=40, deadline=None)
@given(
    kinds=TABLES,
    seed=st.integers(0, 99),
    missing=st.sampled_from(["drop", "mean"]),
    split=st.sampled_from([None, "fold"]),
    where=st.sampled_from([{}, {"label": ("ill", "well")}, {"site": "a"}]),
    fraction=st.sampled_from([None, 0.25]),
    most=st.sampled_from([None, 9]),
)
def test_every_row_and_every_column_is_accounted_for(
    tmp_path_factory, kinds, seed, missing, split, where, fraction, most
):
    folder = tmp_path_factory.mktemp("odd")
    one_hot = tuple(f"{kind} {i}" for i, kind in enumerate(kinds) if kind in ("words", "one value"))
    holed = any(kind in ("holes", "nothing") for kind in kinds)
    account = _account(
        folder,
        _write(folder, kinds, seed),
        missing="mean" if holed else missing,
        one_hot=one_hot,
        split=SplitSettings(column=split),
        where=where,
        central=CentralSettings(fraction=fraction) if fraction else None,
        train_per_client=most,
    )
    columns = ["dose", "label", "site", "fold", *(f"{kind} {i}" for i, kind in enumerate(kinds))]
    assert Counter(_names(account)) == Counter(columns)
    assert account.rows == ROWS == account.used + sum(one.count for one in account.left_out)
    assert account.used == sum(account.clients.values()) == sum(account.splits.values())
    assert account.central is None or account.central.missing_rows == 0
    assert json.loads(json.dumps(account.as_json()))["rows"] == ROWS


def test_columns_are_named_with_their_part_or_the_reason_why_they_have_none(tmp_path):
    source = write_people(tmp_path, note=["free words"] * 40, kind=["a", "b"] * 20, height=np.arange(40) / 7)
    account = _account(tmp_path, source, columns=("age", "kind"), one_hot=("kind",))
    assert account.parts == {"label": "label", "site": "client"}
    assert account.inputs == ("age", "kind")
    assert account.encoded == (Encoded("kind", "a column for each of its 2 categories but the first"),)
    assert account.dropped == (
        Dropped("dose", "not in data.columns"),
        Dropped("note", "holds string, not numbers; data.one_hot makes inputs of categories"),
        Dropped("height", "not in data.columns"),
    )


def test_a_category_alone_makes_no_input_and_is_named(tmp_path):
    account = _account(tmp_path, write_people(tmp_path, ward=["one"] * 40), one_hot=("ward",))
    assert account.dropped == (Dropped("ward", "it has one category only"),)


def test_rows_left_out_are_counted_reason_by_reason(tmp_path):
    source = write_people(
        tmp_path, label=[None, *["ill", "well", "new"] * 13], fold=["train", "test"] * 19 + [None] * 2
    )
    chosen = {"where": {"label": ("ill", "well")}, "max_examples": 16}
    account = _account(tmp_path, source, missing="drop", split=SplitSettings(column="fold"), **chosen)
    assert account.left_out == (
        LeftOut(14, "not among data.where, 'label'", (0, 3, 6, 9, 12)),
        LeftOut(1, "'fold' names no split", (38,)),
        LeftOut(9, "beyond data.max_examples = 16"),
    )
    assert account.missing_rows == 0


def test_cells_that_are_filled_are_counted_by_the_source_s_columns(tmp_path):
    age = [None, None, *map(float, range(38))]
    source = write_people(tmp_path, age=age, kind=[None, "a", "b", "c"] * 10)
    account = _account(tmp_path, source, one_hot=("kind",), missing="mean")
    assert [(one.column, one.count) for one in account.filled] == [("age", 2), ("kind", 10)]
    assert account.filled[0].how.startswith("the mean, ")


def test_what_a_client_fills_by_itself_is_said(tmp_path):
    source = write_people(tmp_path, age=[None, *map(float, range(39))])
    account = _account(tmp_path, source, missing="mean", standardize="client")
    assert account.filled == (Filled("age", 1, "each client's own mean"),)
    assert account.standardised.startswith("each client by its own rows outside test")


@pytest.mark.parametrize(("how", "said"), [("auto", "once for all"), ("pooled", "once for all"), ("none", "")])
def test_the_scale_is_said(tmp_path, how, said):
    account = _account(tmp_path, write_people(tmp_path), standardize=how)
    assert account.standardised.startswith(said)
    assert bool(account.standardised) == bool(said)


def test_broken_pictures_and_what_no_client_gets_are_left_out(tmp_path):
    source = write_pictures(tmp_path, broken=(5,))
    partition = PartitionSettings(num_clients=3, examples_per_client=10)
    account = _account(tmp_path, source, client=None, partition=partition)
    assert account.left_out == (
        LeftOut(1, "the image cannot be read", (5,)),
        LeftOut(9, "given to no client by data.partition", account.left_out[1].rows),
    )
    assert account.kind == "image 1x8x8"
    assert account.inputs == ("image",)
    assert account.dropped == (Dropped("site", "no part to play: the inputs are images"),)


def test_a_pool_has_an_account_of_its_own(tmp_path):
    source = write_people(tmp_path)
    account = _account(tmp_path, source, central=CentralSettings(fraction=0.25))
    assert account.left_out == (LeftOut(10, "drawn for the central pool"),)
    assert account.central.left_out == (LeftOut(30, "left to the clients"),)
    assert (account.central.used, sum(account.central.classes.values())) == (10, 10)


def test_a_pool_from_another_source_says_what_a_client_holds_too(tmp_path):
    source = write_people(tmp_path)
    people = pq.read_table(tmp_path / source).slice(0, 3).drop_columns(["site"])
    more = pa.table({"age": [1.0, 2.0], "dose": [1.0, None], "label": ["ill", "well"]})
    pq.write_table(pa.concat_tables([people, more]), tmp_path / "pool.parquet")
    account = _account(tmp_path, source, missing="drop", central=CentralSettings(source="pool.parquet"))
    assert account.central.left_out[0].rows == (4,)
    assert account.central.left_out[1] == LeftOut(3, "a client holds it", (0, 1, 2))
    assert (account.central.rows, account.central.used, account.central.missing_rows) == (5, 1, 0)


def test_arrays_have_an_account_too():
    draw = np.random.default_rng(0)
    federation = from_arrays(draw.normal(size=(40, 3)), np.arange(40) % 2, clients=["north", "south"] * 20)
    assert federation.account.inputs == ("x0", "x1", "x2")
    assert federation.account.clients == {"north": 20, "south": 20}
    assert federation.account.standardised == ""


def test_the_account_changes_no_key(tmp_path):
    federation = open_federation(DataSettings(source=write_people(tmp_path), client="site"), tmp_path)
    other = type(federation)(
        federation.examples, federation.clients, federation.central, fixed_val=federation.fixed_val
    )
    assert federation.account != other.account
    assert federation.key == other.key


def test_records_and_notes_are_told_apart():
    findings = ("odd", LeftOut(2, "why", (0, 1)), Dropped("city", "words"))
    examples = from_arrays(np.eye(4), [0, 1, 0, 1], clients=["a", "b"] * 2).examples
    account = account_of("x", 6, examples, findings)
    assert notes_in(findings) == ("odd",)
    assert (account.left_out, account.dropped) == ((findings[1],), (findings[2],))
    assert account.missing_rows == 0


def test_the_first_rows_are_named():
    assert left_out(np.arange(9), "why") == (LeftOut(9, "why", (0, 1, 2, 3, 4)),)
    assert left_out([], "why") == ()
