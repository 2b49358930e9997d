"""Ridge, LDA and NCM: one round, and the result of pooled data for any partition."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.core.trees import Params
from headstart.data.examples import Examples
from headstart.data.federation import Client
from headstart.engine.features.activations import Activations
from headstart.engine.protocol import Job
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.serial import Serial
from headstart.engine.ways.stacks import Stacked
from headstart.federate import LinearDiscriminant, NearestClassMean, Ridge
from headstart.federate.closed_form import pack_symmetric, unpack_symmetric
from headstart.models.model import cut_at
from headstart.models.registry import build
from headstart.models.spec import ModelSpec

ROWS, COLUMNS, CLASSES = 30, 5, 4
Partition = list[int]
partitions = st.lists(st.integers(0, 6), min_size=ROWS, max_size=ROWS)
"""Whose each row is."""


def table(num_classes: int = CLASSES, absent: int | None = None) -> Examples:
    """Rows of a table whose classes lie apart."""
    rng = np.random.default_rng(3)
    labels = rng.permutation(np.arange(ROWS) % num_classes)
    labels = np.where(labels == absent, (labels + 1) % num_classes, labels)
    centres = rng.normal(size=(num_classes, COLUMNS))
    inputs = (centres[labels] + rng.normal(scale=0.7, size=(ROWS, COLUMNS))).astype(np.float32)
    names = tuple(f"class {i}" for i in range(num_classes))
    return Examples("table", inputs, labels.astype(np.int64), [str(i) for i in range(ROWS)], names)


def solve(method: Any, examples: Examples, owners: Partition, engine: Any = None) -> Params:
    """Run a one-shot method over clients, in float64."""
    nothing = np.empty(0, dtype=np.int64)
    owner = np.array(owners)
    clients = [Client(f"c{i}", np.flatnonzero(owner == i), nothing, nothing) for i in range(7)]
    spec = ModelSpec(backbone="linear")
    network, weights = build(spec, shape=(COLUMNS,), num_classes=len(examples.classes), from_scratch=True, seed=0)
    model, params = cut_at(network, {name: value.double() for name, value in weights.items()}, "head")
    engine = engine or Serial()
    federated = run_rounds(method, model, params, clients, Activations(examples), engine=engine, seed=0)
    assert federated.rounds == 1
    return federated.shared


def scores(head: Params, examples: Examples) -> np.ndarray:
    return examples.inputs @ head["head.weight"].numpy().T + head["head.bias"].numpy()


@settings(max_examples=25, deadline=None)
@given(owners=partitions, penalty=st.sampled_from([1e-3, 1.0, 50.0]), fleet=st.booleans())
def test_ridge_equals_scikit_learns_on_the_pooled_rows(owners: Partition, penalty: float, fleet: bool) -> None:
    from sklearn.linear_model import Ridge as PooledRidge

    examples = table()
    head = solve(Ridge(penalty=penalty), examples, owners, Fleet() if fleet else Serial())
    design = np.c_[examples.inputs.astype(np.float64), np.ones(ROWS)]
    expected = PooledRidge(alpha=penalty, fit_intercept=False).fit(design, np.eye(CLASSES)[examples.labels]).coef_
    found = np.c_[head["head.weight"].numpy(), head["head.bias"].numpy()]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_ridges_own_penalty_follows_the_scale_of_the_features(scale: float) -> None:
    """Its candidates do; only the intercept, which is penalised too, knows of the scale."""
    examples = table()
    larger = replace(examples, inputs=examples.inputs * np.float32(scale))
    found = [solve(Ridge(), data, OWNERS) for data in (examples, larger)]
    predicted = [scores(head, data).argmax(1) for head, data in zip(found, (examples, larger), strict=True)]
    assert (predicted[0] == predicted[1]).mean() > 0.9


@settings(max_examples=25, deadline=None)
@given(owners=partitions, shrinkage=st.sampled_from([0.0, 0.05, 1.0]), fleet=st.booleans())
def test_lda_equals_scikit_learns_on_the_pooled_rows(owners: Partition, shrinkage: float, fleet: bool) -> None:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    examples = table()
    head = solve(LinearDiscriminant(shrinkage=shrinkage), examples, owners, Fleet() if fleet else Serial())
    pooled = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage or None)
    pooled.fit(examples.inputs.astype(np.float64), examples.labels)
    expected = pooled.decision_function(examples.inputs.astype(np.float64))
    np.testing.assert_allclose(scores(head, examples), expected, rtol=1e-6, atol=1e-6)
    # Probabilities are the softmax of the scores, as in scikit-learn.
    probabilities = torch.softmax(torch.from_numpy(scores(head, examples)), -1)
    np.testing.assert_allclose(
        probabilities, pooled.predict_proba(examples.inputs.astype(np.float64)), rtol=0, atol=1e-6
    )


def test_lda_of_two_classes_differs_from_scikit_learns_by_a_shared_shift() -> None:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    examples = table(num_classes=2)
    found = scores(solve(LinearDiscriminant(shrinkage=0.1), examples, [i % 3 for i in range(ROWS)]), examples)
    pooled = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1).fit(examples.inputs, examples.labels)
    np.testing.assert_allclose(found[:, 1] - found[:, 0], pooled.decision_function(examples.inputs), atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(owners=partitions, fleet=st.booleans())
def test_ncm_equals_a_computation_by_hand(owners: Partition, fleet: bool) -> None:
    examples = table()
    head = solve(NearestClassMean(), examples, owners, Fleet() if fleet else Serial())
    for label in range(CLASSES):
        mean = examples.inputs[examples.labels == label].astype(np.float64).mean(0)
        np.testing.assert_allclose(head["head.weight"][label], mean / np.linalg.norm(mean), atol=1e-6)
    assert not head["head.bias"].any()


@pytest.mark.parametrize("method", [Ridge(), LinearDiscriminant(), NearestClassMean()], ids=lambda m: type(m).__name__)
def test_a_class_that_nobody_has(method: Any) -> None:
    """The head is finite; LDA, which has no score for the class, never predicts it."""
    examples = table(absent=2)
    head = solve(method, examples, [i % 7 for i in range(ROWS)])
    assert all(value.isfinite().all() for value in head.values())
    predicted = set(scores(head, examples).argmax(1))
    if not isinstance(method, NearestClassMean):
        assert 2 not in predicted
    else:
        assert not head["head.weight"][2].any()


@pytest.mark.parametrize("method", [Ridge(), LinearDiscriminant(), NearestClassMean()], ids=lambda m: type(m).__name__)
def test_heads_are_useful(method: Any) -> None:
    examples = table()
    head = solve(method, examples, [i % 7 for i in range(ROWS)])
    assert (scores(head, examples).argmax(1) == examples.labels).mean() > 0.6


def test_lda_bears_a_singular_covariance() -> None:
    """Fewer rows than columns plus classes, and no shrinkage: the least-norm solution."""
    examples = table()
    narrow = Examples("table", examples.inputs[:, [0, 1, 2, 0, 1]], examples.labels, examples.ids, examples.classes)
    head = solve(LinearDiscriminant(shrinkage=0.0), narrow, [0] * ROWS)
    assert all(value.isfinite().all() for value in head.values())
    assert float(head["head.weight"].abs().max()) < 100


def test_normalized_ridge_divides_each_class_by_its_norm() -> None:
    owners = [i % 7 for i in range(ROWS)]
    plain, normalized = (solve(Ridge(normalize=flag), table(), owners) for flag in (False, True))
    norms = plain["head.weight"].norm(dim=1)
    torch.testing.assert_close(normalized["head.weight"], plain["head.weight"] / norms[:, None])
    torch.testing.assert_close(normalized["head.bias"], plain["head.bias"] / norms)


def test_a_symmetric_matrix_travels_as_its_triangle() -> None:
    root = torch.arange(12.0).reshape(2, 2, 3)
    matrices = root.mT @ root
    packed = pack_symmetric(matrices)
    assert packed.shape == (2, 6)
    torch.testing.assert_close(unpack_symmetric(packed[1], 3), matrices[1])


OWNERS = [row % 7 for row in range(ROWS)]
METHODS = [Ridge(), LinearDiscriminant(), NearestClassMean()]


@dataclass(frozen=True)
class Blocks:
    """An engine whose blocks take so much memory."""

    block_bytes: int

    @contextmanager
    def crew(self, job: Job) -> Iterator[Stacked]:
        """Yield who does the job."""
        yield Stacked(job, block_bytes=self.block_bytes)


def _is_equal(left: Params, right: Params) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
@pytest.mark.parametrize("chunk_bytes", [1, 3_000, 2**20, 2**28])
def test_no_bit_depends_on_the_room_for_stacks(method: Any, chunk_bytes: int) -> None:
    found = [solve(method, table(), OWNERS, Fleet(chunk_bytes=room)) for room in (chunk_bytes, 2**27)]
    assert _is_equal(*found)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
@pytest.mark.parametrize("block_bytes", [1, 10_000])
def test_blocks_come_to_the_sum_of_all(method: Any, block_bytes: int) -> None:
    found = solve(method, table(), OWNERS, Blocks(block_bytes))
    expected = solve(method, table(), OWNERS, Fleet())
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_few_clients_are_one_block() -> None:
    """Its sums are those of a stack of all clients."""
    examples = table()
    owner, classes = np.array(OWNERS), torch.eye(CLASSES, dtype=torch.float64)
    widest = max(np.bincount(owner))
    design, targets = torch.zeros(7, widest, COLUMNS + 1).double(), torch.zeros(7, widest, CLASSES).double()
    for i in range(7):
        rows = np.flatnonzero(owner == i)
        design[i, : len(rows), :-1], design[i, : len(rows), -1] = torch.from_numpy(examples.inputs[rows]), 1
        targets[i, : len(rows)] = classes[torch.from_numpy(examples.labels[rows])]
    ones = torch.ones(7, dtype=torch.float64)
    gram, moment = (torch.tensordot(ones, design.mT @ right, dims=1) for right in (design, targets))
    weight = torch.linalg.solve(torch.triu(gram) + torch.triu(gram, 1).mT + torch.eye(len(gram)), moment)
    found = solve(Ridge(penalty=1.0), examples, OWNERS, Fleet())
    torch.testing.assert_close(found["head.weight"], weight[:-1].mT, rtol=1e-12, atol=1e-12)
