"""Metrics of classes agree with scikit-learn at every client, and their parts add up to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from headstart.core.task import Task, classification
from headstart.evidence.metrics import (
    Scoring,
    better,
    choose_cuts,
    class_metrics,
    client_metrics,
    example_parts,
    measure,
)


def drawn(seed: int, clients: int, classes: int, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, Task]:
    """Draw rows whose scores tie often."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=rows)
    scores = generator.integers(1, 6, size=(rows, classes)).astype(float)
    task = classification(tuple(map(str, range(classes))))
    return labels, scores / scores.sum(axis=1, keepdims=True), generator.integers(clients, size=rows), task


SHAPES = (st.integers(0, 10**6), st.integers(1, 4), st.integers(2, 4), st.integers(1, 60))


def _macro(labels: np.ndarray, said: np.ndarray, score: object) -> float:
    classes = [1] if said.shape[1] == 2 else [c for c in np.unique(labels) if len(np.unique(labels)) > 1]
    each = [score(labels == c, said[:, c]) for c in classes if 0 < (labels == c).sum() < len(labels)]  # type: ignore[operator]
    return float(np.mean(each)) if each else np.nan


@settings(max_examples=60, deadline=None)
@given(*SHAPES)
def test_rank_metrics_and_brier_agree_with_scikit_learn(seed, clients, classes, rows):
    labels, said, owner, task = drawn(seed, clients, classes, rows)
    found = client_metrics(labels, said, owner, clients, task)
    for client in np.unique(owner):
        own, mine = labels[owner == client], said[owner == client]
        assert found["auroc"][client] == pytest.approx(_macro(own, mine, sk.roc_auc_score), nan_ok=True)
        assert found["auprc"][client] == pytest.approx(_macro(own, mine, sk.average_precision_score), nan_ok=True)
        squares = ((mine - np.eye(classes)[own]) ** 2).sum(axis=1).mean()
        assert found["brier"][client] == pytest.approx(squares / 2 if classes == 2 else squares)


def test_binary_brier_agrees_with_scikit_learn_itself():
    labels, said, _, task = drawn(0, 1, 2, 50)
    found = client_metrics(labels, said, np.zeros(50, dtype=int), 1, task)
    assert found["brier"][0] == pytest.approx(sk.brier_score_loss(labels, said[:, 1]))


@settings(max_examples=60, deadline=None)
@given(*SHAPES, st.sampled_from(["accuracy", "balanced_accuracy", "auroc", "log_loss", "brier"]))
def test_parts_average_to_the_metric(seed, clients, classes, rows, metric):
    labels, said, owner, task = drawn(seed, clients, classes, rows)
    parts = example_parts(labels, said, owner, clients, task, metric)
    assert parts is not None
    expected = client_metrics(labels, said, owner, clients, task)[metric]
    for client in np.unique(owner):
        mine, own = parts[owner == client], labels[owner == client]
        strata = [mine[own == c].mean() for c in np.unique(own)] if measure(metric).by_class else [mine.mean()]
        assert np.mean(strata) == pytest.approx(expected[client], nan_ok=True)


def _delong(labels: np.ndarray, scores: np.ndarray) -> float:
    """S10 / m + S01 / n by every pair: DeLong et al. 1988."""
    first, second = scores[labels == 1], scores[labels == 0]
    wins = (first[:, None] > second[None]) + 0.5 * (first[:, None] == second[None])
    return float(wins.mean(axis=1).var(ddof=1) / len(first) + wins.mean(axis=0).var(ddof=1) / len(second))


def test_parts_of_auroc_have_delongs_variance():
    labels, said, owner, task = drawn(3, 1, 2, 80)
    parts = example_parts(labels, said, owner, 1, task, "auroc")
    assert parts is not None
    variance = sum(parts[labels == c].var(ddof=1) / (labels == c).sum() for c in (0, 1)) / 4
    assert variance == pytest.approx(_delong(labels, said[:, 1]))


def test_parts_of_macro_auroc_have_the_variance_that_redrawing_shows():
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [300, 200, 100])

    def draw() -> np.ndarray:
        scores = generator.standard_normal((600, 3)) + 1.2 * np.eye(3)[labels]
        return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)

    task, owner = classification(("a", "b", "c")), np.zeros(600, dtype=int)
    seen = [client_metrics(labels, draw(), owner, 1, task, names=["auroc"])["auroc"][0] for _ in range(300)]
    parts = example_parts(labels, draw(), owner, 1, task, "auroc")
    assert parts is not None
    told = sum(parts[labels == c].var(ddof=1) / (labels == c).sum() for c in range(3)) / 9
    assert np.sqrt(told) == pytest.approx(np.std(seen), rel=0.15)


def test_one_class_only_has_no_auroc_and_no_parts():
    task, said = classification(("a", "b")), np.array([[0.2, 0.8], [0.6, 0.4]])
    found = client_metrics(np.array([1, 1]), said, np.zeros(2, dtype=int), 1, task)
    assert np.isnan([found["auroc"][0], found["auprc"][0]]).all()
    parts = example_parts(np.array([1, 1]), said, np.zeros(2, dtype=int), 1, task, "auroc")
    assert parts is not None
    assert np.isnan(parts).all()


def test_a_row_that_is_not_finite_is_ranked_wrong():
    task = classification(("a", "b"))
    said = np.array([[np.nan, np.nan], [0.6, 0.4], [0.3, 0.7]])
    found = client_metrics(np.array([1, 0, 1]), said, np.zeros(3, dtype=int), 1, task)
    assert found["auroc"][0] == 0.5
    assert found["brier"][0] == pytest.approx((1 + 0.16 + 0.09) / 3)


@settings(max_examples=60, deadline=None)
@given(*SHAPES[:1], st.integers(1, 3), st.just(2), st.integers(4, 60), st.sampled_from([0, 1, None]))
def test_the_cut_of_f1_is_the_best_there_is(seed, clients, classes, rows, positive):
    labels, said, owner, task = drawn(seed, clients, classes, rows)
    scoring = Scoring(positive=positive)
    at = 1 if positive is None else positive
    found = client_metrics(labels, said, owner, clients, task, scoring=scoring)["f1"]
    for client in np.unique(owner):
        own, scores = labels[owner == client] == at, said[owner == client, at]
        if own.all() or not own.any():
            assert np.isnan(found[client])
            continue
        best = max(sk.f1_score(own, scores >= cut) for cut in np.unique(scores))
        assert found[client] == pytest.approx(best)


def test_cuts_are_chosen_on_validation_data_and_kept_for_the_test():
    task = classification(("well", "ill"))
    val, test = np.array([0.1, 0.2, 0.6, 0.9]), np.array([0.15, 0.5, 0.55, 0.95])
    cuts = choose_cuts(np.array([0, 0, 1, 1]), np.stack([1 - val, val], axis=1), np.zeros(4, dtype=int), 1, task)
    assert cuts["f1"][0, 0] == pytest.approx(0.4)
    assert cuts["sensitivity_at_specificity"][0, 0] == 0.2
    found = client_metrics(
        np.array([0, 0, 1, 1]),
        np.stack([1 - test, test], axis=1),
        np.zeros(4, dtype=int),
        1,
        task,
        cuts={name: values[np.zeros(4, dtype=int)] for name, values in cuts.items()},
    )
    assert found["f1"][0] == pytest.approx(sk.f1_score([0, 0, 1, 1], test > 0.4))
    assert found["sensitivity_at_specificity"][0] == 1.0


def test_the_specific_cut_leaves_its_share_of_negatives_below():
    task, scores = classification(("a", "b")), np.concatenate([np.arange(100) / 100, [0.955, 0.5]])
    labels = np.concatenate([np.zeros(100, dtype=int), [1, 1]])
    said = np.stack([1 - scores, scores], axis=1)
    for share, expected in ((0.95, 0.5), (0.99, 0.0), (0.45, 1.0)):
        scoring = Scoring(metric="sensitivity_at_specificity", specificity=share)
        found = client_metrics(labels, said, np.zeros(102, dtype=int), 1, task, scoring=scoring)
        assert found["sensitivity_at_specificity"][0] == expected


def test_without_a_validation_example_of_either_class_there_is_no_cut():
    task, said = classification(("a", "b")), np.full((2, 2), 0.5)
    cuts = choose_cuts(np.array([1, 1]), said, np.zeros(2, dtype=int), 2, task)
    assert np.isnan(np.concatenate(list(cuts.values()))).all()
    rows = {name: values[np.array([0, 0])] for name, values in cuts.items()}
    found = client_metrics(np.array([0, 1]), said, np.zeros(2, dtype=int), 1, task, cuts=rows)
    assert np.isnan([found["f1"][0], found["sensitivity_at_specificity"][0]]).all()


def test_of_more_classes_f1_waits_for_the_one_that_is_looked_for():
    labels, said, owner, task = drawn(0, 1, 3, 30)
    assert "f1" not in client_metrics(labels, said, owner, 1, task)
    assert "f1" in client_metrics(labels, said, owner, 1, task, scoring=Scoring(positive=0))


def test_each_class_has_scores_of_its_own():
    labels, said, _, task = drawn(1, 1, 3, 60)
    found = class_metrics(labels, said, task)
    predicted = said.argmax(axis=1)
    assert found["recall"] == pytest.approx(sk.recall_score(labels, predicted, average=None))
    assert found["f1"] == pytest.approx(sk.f1_score(labels, predicted, average=None))
    assert found["auroc"] == pytest.approx([sk.roc_auc_score(labels == c, said[:, c]) for c in range(3)])
    assert found["auprc"] == pytest.approx([sk.average_precision_score(labels == c, said[:, c]) for c in range(3)])


def test_where_the_metric_is_not_defined_the_loss_decides():
    task, scoring = classification(("a", "b")), Scoring(metric="auroc")
    old = {"auroc": np.array([np.nan, np.nan, 0.5]), "log_loss": np.array([0.5, 0.5, 0.5])}
    new = {"auroc": np.array([np.nan, np.nan, 0.5]), "log_loss": np.array([0.4, 0.6, 0.4])}
    assert better(old, new, task, scoring).tolist() == [True, False, True]
