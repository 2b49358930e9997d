"""Metrics of several labels agree with scikit-learn, and their parts add up to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from headstart.core.task import Task
from headstart.evidence.metrics import choose_cuts, class_metrics, client_metrics, example_parts

SHAPES = (st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 3), st.integers(1, 50))


def drawn(seed: int, clients: int, labels: int, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, Task]:
    generator = np.random.default_rng(seed)
    truth = (generator.random((rows, labels)) < 0.4).astype(float)
    said = generator.integers(1, 9, size=(rows, labels)) / 10
    task = Task(kind="multilabel", outputs=tuple(map(str, range(labels))))
    return truth, said, generator.integers(clients, size=rows), task


@settings(max_examples=60, deadline=None)
@given(*SHAPES)
def test_every_client_agrees_with_scikit_learn(seed, clients, labels, rows):
    truth, said, owner, task = drawn(seed, clients, labels, rows)
    found = client_metrics(truth, said, owner, clients, task)
    for client in np.unique(owner):
        own, mine = truth[owner == client], said[owner == client]
        both = [at for at in range(labels) if 0 < own[:, at].sum() < len(own)]
        for name, score in (("auroc", sk.roc_auc_score), ("auprc", sk.average_precision_score)):
            each = [score(own[:, at], mine[:, at]) for at in both]
            assert found[name][client] == pytest.approx(np.mean(each) if each else np.nan, nan_ok=True)
        best = [max(sk.f1_score(own[:, at], mine[:, at] >= cut) for cut in np.unique(mine[:, at])) for at in both]
        assert found["f1"][client] == pytest.approx(np.mean(best) if best else np.nan, nan_ok=True)
        assert found["hamming_accuracy"][client] == pytest.approx(1 - sk.hamming_loss(own, mine > 0.5))
        losses = [sk.log_loss(own[:, at], mine[:, at], labels=[0, 1]) for at in range(labels)]
        assert found["log_loss"][client] == pytest.approx(np.mean(losses))
        assert found["brier"][client] == pytest.approx(((own - mine) ** 2).mean())


@settings(max_examples=60, deadline=None)
@given(*SHAPES, st.sampled_from(["auroc", "hamming_accuracy", "log_loss", "brier"]))
def test_parts_average_to_the_metric(seed, clients, labels, rows, metric):
    truth, said, owner, task = drawn(seed, clients, labels, rows)
    parts = example_parts(truth, said, owner, clients, task, metric)
    assert parts is not None
    expected = client_metrics(truth, said, owner, clients, task)[metric]
    for client in np.unique(owner):
        assert parts[owner == client].mean() == pytest.approx(expected[client], nan_ok=True)


def test_a_row_that_is_not_finite_is_wrong_in_every_label():
    task, truth = Task(kind="multilabel", outputs=("a", "b")), np.array([[1.0, 0.0], [0.0, 1.0]])
    said = np.array([[np.nan, 0.2], [0.1, 0.8]])
    found = client_metrics(truth, said, np.zeros(2, dtype=int), 1, task)
    assert found["hamming_accuracy"][0] == 0.5
    assert found["auroc"][0] == 0.0
    assert found["log_loss"][0] == pytest.approx((36.04 - np.log(0.9 * 0.8) / 2) / 2, abs=0.01)


def test_each_label_has_a_cut_and_scores_of_its_own():
    truth, said, owner, task = drawn(5, 1, 3, 80)
    assert choose_cuts(truth, said, owner, 1, task)["f1"].shape == (1, 3)
    found = class_metrics(truth, said, task)
    assert found["recall"] == pytest.approx(sk.recall_score(truth, said > 0.5, average=None))
    assert found["f1"] == pytest.approx(sk.f1_score(truth, said > 0.5, average=None))
    assert found["auroc"] == pytest.approx(sk.roc_auc_score(truth, said, average=None))
