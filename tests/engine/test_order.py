import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.engine.order import PADDING, class_weights, keyed_order
from headstart.training.client_data import Passes

labels_lists = st.lists(st.integers(0, 4), max_size=40)


def order(labels: list[int], key: int = 0, **settings: object) -> np.ndarray:
    passes = Passes(**{"batch_size": 4, **settings})  # type: ignore[arg-type]
    return keyed_order(["one"], [np.array(labels, dtype=np.int64)], passes, (key, "order"))[0]


@given(labels=labels_lists, batch_size=st.integers(1, 9), epochs=st.integers(1, 4), key=st.integers(0, 99))
def test_every_epoch_is_a_permutation(labels: list[int], batch_size: int, epochs: int, key: int) -> None:
    found = order(labels, key, batch_size=batch_size, epochs=epochs)
    per_epoch = -(-len(labels) // batch_size)
    assert found.shape == (epochs * per_epoch, batch_size)
    epochs_sorted = [sorted(epoch[epoch != PADDING]) for epoch in found.reshape(epochs, -1)]
    assert epochs_sorted == [list(range(len(labels)))] * epochs
    assert (found != PADDING).any(axis=1).all(), "no batch is empty"


@given(
    labels=labels_lists.filter(len),
    batch_size=st.integers(1, 9),
    steps=st.integers(1, 30),
    balance=st.sampled_from(["none", "loss", "sampling"]),
)
def test_steps_are_counted_over_as_many_epochs_as_they_take(
    labels: list[int], batch_size: int, steps: int, balance: str
) -> None:
    found = order(labels, batch_size=batch_size, steps=steps, balance=balance)
    assert found.shape == (steps, batch_size)
    longer = order(labels, batch_size=batch_size, epochs=steps, balance=balance)
    assert (found == longer[:steps]).all(), "the same order, cut off"


@pytest.mark.parametrize("settings", [{}, {"steps": 5}, {"balance": "sampling"}], ids=str)
def test_a_client_without_examples_takes_no_step(settings: dict[str, object]) -> None:
    assert order([], **settings).shape == (0, 4)


@given(labels=labels_lists.filter(len), key=st.integers(0, 99))
def test_balanced_sampling_draws_from_the_classes_present(labels: list[int], key: int) -> None:
    found = order(labels, key, balance="sampling", epochs=3)
    drawn = found[found != PADDING]
    assert len(drawn) == 3 * len(labels)
    assert set(drawn) <= set(range(len(labels)))


def test_balanced_sampling_draws_each_class_equally_often() -> None:
    labels = [0] * 90 + [1] * 9 + [3]
    drawn = np.array(labels)[order(labels, balance="sampling", batch_size=100, epochs=300).ravel()]
    shares = np.bincount(drawn, minlength=4) / len(drawn)
    np.testing.assert_allclose(shares, [1 / 3, 1 / 3, 0, 1 / 3], atol=0.02)


@given(labels=labels_lists.filter(len))
def test_class_weights_make_every_class_weigh_the_same(labels: list[int]) -> None:
    weights = class_weights(np.array(labels))
    assert weights.mean() == pytest.approx(1)
    totals = [weights[np.array(labels) == label].sum() for label in set(labels)]
    np.testing.assert_allclose(totals, totals[0])


def test_class_weights_are_scikit_learns() -> None:
    from sklearn.utils.class_weight import compute_sample_weight

    labels = np.array([0, 0, 0, 2, 2, 1])
    np.testing.assert_allclose(class_weights(labels), compute_sample_weight("balanced", labels))


def test_the_key_alone_decides() -> None:
    labels = list(range(5)) * 4
    assert (order(labels, 1) == order(labels, 1)).all()
    assert (order(labels, 1) != order(labels, 2)).any()
    two_epochs = order(labels, epochs=2)
    assert (two_epochs[:5] != two_epochs[5:]).any(), "epochs differ"


@given(sizes=st.lists(st.integers(0, 12), min_size=1, max_size=6), balance=st.sampled_from(["none", "sampling"]))
def test_who_else_is_shuffled_changes_nothing(sizes: list[int], balance: str) -> None:
    ids = [f"c{i}" for i in range(len(sizes))]
    labels = [np.arange(size) % 3 for size in sizes]
    passes = Passes(batch_size=3, epochs=2, balance=balance)  # type: ignore[arg-type]
    together = keyed_order(ids, labels, passes, (0, "round", 1))
    alone = [keyed_order([name], [own], passes, (0, "round", 1))[0] for name, own in zip(ids, labels, strict=True)]
    steps = together.shape[1]
    padded = [np.pad(own, ((0, steps - len(own)), (0, 0)), constant_values=PADDING) for own in alone]
    np.testing.assert_array_equal(together, np.stack(padded))


def test_every_position_is_as_likely_everywhere() -> None:
    ids = [f"c{i}" for i in range(3000)]
    order = keyed_order(ids, [np.zeros(5, dtype=np.int64)] * 3000, Passes(batch_size=5), (0,))[:, 0]
    shares = np.stack([np.bincount(order[:, place], minlength=5) for place in range(5)]) / 3000
    np.testing.assert_allclose(shares, 0.2, atol=0.03)
