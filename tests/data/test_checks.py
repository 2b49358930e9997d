from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

from headstart.core.errors import DataError
from headstart.data import Client, Examples, Federation
from headstart.data.checks import check_federation, check_numbers, notes_on, without_unused


def _examples(labels: list[int], inputs: np.ndarray | None = None) -> Examples:
    count = len(labels)
    inputs = np.arange(count, dtype=np.float32)[:, None] if inputs is None else inputs
    return Examples("table", inputs, np.array(labels), [f"row-{i}" for i in range(count)], ("a", "b"))


def _client(name: str, train: list[int], val: list[int], test: list[int], seen: bool = True) -> Client:
    return Client(name, *(np.array(part, dtype=np.int64) for part in (train, val, test)), seen)


@pytest.mark.parametrize(
    ("clients", "message"),
    [
        ([_client("x", [0, 1], [], [1])], "1 examples are in two places, such as 'row-1'"),
        ([_client("x", [0], [], []), _client("y", [], [], [0])], "such as 'row-0'"),
        ([_client("x", [0], [], []), _client("x", [1], [], [])], "client ids must be unique"),
        (
            [_client("x", [], [], [0]), _client("y", [1], [], [], seen=False)],
            "no client has a training example",
        ),
    ],
)
def test_a_broken_federation_is_refused(clients, message):
    with pytest.raises(DataError, match=message):
        check_federation(Federation(_examples([0, 1, 0]), clients))


HOLES = {
    "nowhere": (np.ones((3, 2)), ""),
    "in a row": (np.array([[np.nan, 1], [1, 1], [np.nan, np.nan]]), ""),
    "everywhere": (np.full((3, 2), np.nan), r"columns without any number \(2 of them\): age, dose; leave these"),
    "in a column": (np.array([[np.nan, 1], [np.nan, 1], [np.nan, 9]]), r"any number \(1 of them\): age; leave these"),
    "in every row": (np.array([[np.nan, 1], [np.inf, 1], [2, np.nan]]), r"most often .* \(1 of them\): age; leave"),
}


@pytest.mark.parametrize(("inputs", "message"), HOLES.values(), ids=HOLES.keys())
def test_examples_without_numbers_are_refused_with_their_columns(inputs: np.ndarray, message: str) -> None:
    examples = replace(_examples([0, 1, 0], inputs), columns=("age", "dose"))
    federation = Federation(examples, [_client("x", [0, 1, 2], [], [])])
    with pytest.raises(DataError, match=f"^data: none of the 3 training .*{message}") if message else nullcontext():
        check_numbers(federation)


def test_what_is_odd_is_noted():
    examples = _examples([0, 0, 0, 1, 1, 0], inputs=np.array([[0], [1], [2], [3], [3], [5]], np.float32))
    clients = [_client("same", [0], [1], [2]), _client("odd", [5], [], [3]), _client("third", [4], [], [])]
    notes = "\n".join(notes_on(Federation(examples, clients)))
    assert "clients with one class only (2 of them): same, third" in notes
    assert "clients without val examples (2 of them): odd, third" in notes
    assert "clients without test examples (1 of them): third" in notes
    assert "clients tested on classes that their train lacks (1 of them): odd" in notes
    assert "test examples with the very input of a train or val example (1 of them): row-3" in notes


def test_a_plain_federation_has_no_notes():
    clients = [_client("a", [0, 1], [2, 3], [4, 5]), _client("b", [6, 7], [8, 9], [10, 11])]
    assert notes_on(Federation(_examples([0, 1] * 6), clients)) == ()


def test_examples_of_no_client_are_forgotten():
    federation = Federation(_examples([0, 1, 0, 1]), [_client("a", [3], [], [1])])
    trimmed = without_unused(federation)
    assert list(trimmed.examples.ids) == ["row-1", "row-3"]
    assert (trimmed.clients[0].train.tolist(), trimmed.clients[0].test.tolist()) == ([1], [0])
    assert trimmed.notes == ()
    assert without_unused(trimmed) is trimmed


def test_equal_inputs_have_equal_hashes():
    hashes = _examples([0, 1, 1], inputs=np.array([[1.0], [1.0], [2.0]], np.float32)).row_hashes
    assert hashes[0] == hashes[1] != hashes[2]
