import numpy as np
import pytest

from headstart.core.errors import DataError, SettingError
from headstart.data import PartitionSettings, from_arrays

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(40, 3))
IMAGES = RNG.integers(0, 255, size=(40, 6, 5), dtype=np.uint8)
LABELS = np.arange(40) % 2
CLIENTS = [f"c{i // 10}" for i in range(40)]


def test_a_table_with_names():
    federation = from_arrays(TABLE, LABELS, clients=CLIENTS, classes=("ill", "well"), columns=("x", "y", "z"))
    assert federation.examples.columns == ("x", "y", "z")
    assert federation.examples.classes == ("ill", "well")
    assert np.allclose(federation.examples.inputs, TABLE)
    assert np.array_equal(federation.examples.labels, LABELS)
    assert [client.id for client in federation.clients] == ["c0", "c1", "c2", "c3"]


@pytest.mark.parametrize(
    ("images", "shape"),
    [
        (IMAGES, (1, 6, 5)),
        (IMAGES[:, None], (1, 6, 5)),
        (np.stack([IMAGES] * 3, -1), (3, 6, 5)),
        (np.stack([IMAGES] * 3, 1), (3, 6, 5)),
    ],
)
def test_images_in_any_usual_layout(images, shape):
    federation = from_arrays(images, LABELS, clients=CLIENTS)
    assert federation.examples.kind == "image"
    assert federation.examples.shape == shape
    assert np.array_equal(federation.examples.inputs[:, 0], IMAGES)


def test_string_labels_and_signs_are_classes():
    assert from_arrays(TABLE, np.where(LABELS, "b", "a"), clients=CLIENTS).examples.classes == ("a", "b")
    assert from_arrays(TABLE, LABELS * 2 - 1, clients=CLIENTS).examples.classes == ("-1", "1")


def test_a_central_pool_with_and_without_labels():
    central = from_arrays(TABLE, LABELS, clients=CLIENTS, central=(TABLE + 9, LABELS)).central
    assert np.array_equal(central.labels, LABELS)
    unlabelled = from_arrays(TABLE, LABELS, clients=CLIENTS, central=(TABLE + 9, None)).central
    assert (unlabelled.labels == -1).all()
    images = from_arrays(IMAGES, LABELS, clients=CLIENTS, central=(255 - IMAGES, None)).central
    assert images.shape == (1, 6, 5)


def test_arrays_are_dealt_without_clients():
    federation = from_arrays(TABLE, LABELS, partition=PartitionSettings(num_clients=4), held_out_clients=0.25)
    assert len(federation.clients) == 4
    assert len(federation.seen_clients) == 3


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: from_arrays(TABLE, LABELS[:5], clients=CLIENTS), DataError, "5 labels for 40 inputs"),
        (lambda: from_arrays(TABLE, LABELS, clients=["a"]), DataError, "1 clients for 40 inputs"),
        (lambda: from_arrays(IMAGES / 255, LABELS, clients=CLIENTS), DataError, "uint8.*float64"),
        (lambda: from_arrays(TABLE[0], LABELS, clients=CLIENTS), DataError, "labels for 3 inputs"),
        (lambda: from_arrays(IMAGES[:, :2, None], LABELS, clients=CLIENTS), DataError, "1 or 3 channels"),
        (lambda: from_arrays(TABLE, LABELS, clients=CLIENTS, columns=("x",)), DataError, "1 column names"),
        (lambda: from_arrays(TABLE, LABELS), SettingError, r"data\.client"),
        (
            lambda: from_arrays(TABLE, LABELS + 1, clients=CLIENTS, classes=("a", "b")),
            DataError,
            "label 2.*outside its 2",
        ),
        (
            lambda: from_arrays(TABLE, LABELS, clients=CLIENTS, ids=["x"] * 40),
            DataError,
            r"data\.id.*such as 'x'",
        ),
        (
            lambda: from_arrays(TABLE, LABELS, clients=CLIENTS, central=(IMAGES, LABELS)),
            DataError,
            "holds images",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_arrays_are_taken_as_they_are_and_wide_ones_are_warned_of():
    inputs = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    labels, clients = np.arange(40) % 2, ["north", "south"] * 20
    federation = from_arrays(inputs, labels, clients=clients)
    assert np.array_equal(federation.examples.inputs, inputs)
    with pytest.warns(UserWarning, match=r"inputs are not scaled.*'x1' is about"):
        from_arrays(inputs * [1, 1000], labels, clients=clients)


def test_tables_of_pandas_are_arrays_with_names():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(TABLE, columns=["x", "y", "z"], index=range(100, 140))
    clients, labels = (pandas.Series(values, index=table.index) for values in (CLIENTS, LABELS))
    federation = from_arrays(table, labels, clients=clients)
    assert federation.examples.columns == ("x", "y", "z")
    assert np.allclose(federation.examples.inputs, TABLE)
    texts = from_arrays(table["x"].astype(str) + " words", labels, clients=clients)
    assert texts.examples.kind == "text"


def test_words_among_numbers_and_labels_that_are_missing_have_one_line():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"x": TABLE[:, 0], "town": ["a", "b"] * 20})
    with pytest.raises(DataError, match="column 'town' must hold numbers, received str such as 'a'; give numbers"):
        from_arrays(table, LABELS, clients=CLIENTS)
    for labels in (["ill", float("nan")] * 20, ["ill", None] * 20, ["ill", pandas.NA] * 20):
        with pytest.raises(DataError, match="missing"):
            from_arrays(TABLE, pandas.Series(labels, dtype=object), clients=CLIENTS)
