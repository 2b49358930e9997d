"""FedCOF: the paper's formula by hand in NumPy, and where its covariance is that of pooled data."""

import numpy as np
import pytest
import torch

from headstart.core.errors import SettingError
from headstart.federate import CovarianceFromMeans
from headstart.federate.fedcof import scatter_within

CLIENTS, CLASSES, COLUMNS = 6, 3, 4


def sums_of(features: np.ndarray, labels: np.ndarray, owners: np.ndarray) -> dict[str, torch.Tensor]:
    """What clients send, stacked."""
    cells = [(owners == k)[:, None] & (labels[:, None] == np.arange(CLASSES)) for k in range(owners.max() + 1)]
    sums = np.stack([cell.T.astype(float) @ features for cell in cells])
    return {"sums": torch.from_numpy(sums), "counts": torch.from_numpy(np.stack([c.sum(0) for c in cells])).double()}


def rows(size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features of classes that lie apart, with one covariance."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, size)
    mixing, centres = rng.normal(size=(COLUMNS, COLUMNS)), rng.normal(size=(CLASSES, COLUMNS))
    return centres[labels] + rng.normal(size=(size, COLUMNS)) @ mixing, labels


def by_hand(features: np.ndarray, labels: np.ndarray, owners: np.ndarray, gamma: float) -> np.ndarray:
    """Equations 4 and 6 class by class and client by client; every class has two clients here."""
    total, overall = np.zeros((COLUMNS, COLUMNS)), features.mean(0)
    for c in range(CLASSES):
        mean, held = (
            features[labels == c].mean(0),
            [k for k in np.unique(owners) if ((owners == k) & (labels == c)).any()],
        )
        covariance = np.zeros((COLUMNS, COLUMNS))
        for k in held:
            own = features[(owners == k) & (labels == c)]
            covariance += len(own) * np.outer(own.mean(0) - mean, own.mean(0) - mean) / (len(held) - 1)
        total += ((labels == c).sum() - 1) * covariance
    gram = total + gamma * np.trace(total) / COLUMNS * np.eye(COLUMNS) + len(labels) * np.outer(overall, overall)
    weight = np.linalg.solve(gram, np.stack([features[labels == c].sum(0) for c in range(CLASSES)], axis=1)).T
    return np.asarray(weight / np.linalg.norm(weight, axis=1, keepdims=True))


def solved(method: CovarianceFromMeans, update: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    head = {"head.weight": torch.zeros(CLASSES, COLUMNS).double(), "head.bias": torch.ones(CLASSES).double()}
    return method.server_update(None, head, {}, update)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("gamma", [0.01, 1.0])
def test_it_is_the_papers_formula(gamma: float) -> None:
    features, labels = rows(60)
    owners = np.arange(60) % CLIENTS
    head = solved(CovarianceFromMeans(gamma=gamma), sums_of(features, labels, owners))
    np.testing.assert_allclose(head["head.weight"], by_hand(features, labels, owners, gamma), rtol=0, atol=1e-10)
    assert not head["head.bias"].any()


def test_with_an_example_a_client_the_scatter_is_that_of_the_pooled_rows() -> None:
    features, labels = rows(50)
    found = scatter_within(*sums_of(features, labels, np.arange(50)).values())
    expected = sum(np.cov(features[labels == c], rowvar=False) * ((labels == c).sum() - 1) for c in range(CLASSES))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_more_clients_come_nearer_to_the_pooled_covariance() -> None:
    features, labels = rows(4000, seed=1)
    pooled = scatter_within(*sums_of(features, labels, np.arange(4000)).values())

    def off(clients: int) -> float:
        draws = [np.random.default_rng(i).permutation(4000) % clients for i in range(5)]
        found = [scatter_within(*sums_of(features, labels, owners).values()) for owners in draws]
        return float(np.mean([(one - pooled).norm() / pooled.norm() for one in found]))

    few, some, many = off(5), off(50), off(500)
    assert many < 0.1
    assert few > 2 * some > 4 * many


def test_a_class_of_one_client_takes_the_spread_of_the_others() -> None:
    features, labels = rows(60)
    owners = np.where(labels == 2, 0, np.arange(60) % CLIENTS)
    found = scatter_within(*sums_of(features, labels, owners).values())
    both = labels != 2
    sums = sums_of(features[both], labels[both], owners[both])
    apart = sums["sums"][:, :2] / sums["counts"][:, :2, None]
    means = sums["sums"][:, :2].sum(0) / sums["counts"][:, :2].sum(0)[:, None]
    spread = torch.einsum("kc,kci,kcj->cij", sums["counts"][:, :2], apart - means, apart - means)
    freedom, size = CLIENTS - 1, sums["counts"].sum(0)
    alone = ((labels == 2).sum() - 1) * spread.sum(0) / (2 * freedom)
    expected = ((size[:2, None, None] - 1) * spread / freedom).sum(0) + alone
    torch.testing.assert_close(found, expected)


def test_a_class_that_nobody_has_gets_no_weights() -> None:
    features, labels = rows(60)
    update = sums_of(features, labels % 2, np.arange(60) % CLIENTS)
    head = solved(CovarianceFromMeans(), update)
    assert head["head.weight"].isfinite().all()
    assert not head["head.weight"][2].any()


def test_classes_that_no_two_clients_hold_are_refused() -> None:
    features, labels = rows(60)
    with pytest.raises(SettingError, match="two of them hold, received none; take 'ncm'"):
        solved(CovarianceFromMeans(), sums_of(features, labels, labels))


def test_clients_send_what_they_send_for_class_means() -> None:
    from headstart.engine.rounds import run_rounds
    from headstart.federate import NearestClassMean
    from headstart.testing import open_world

    world = open_world("head")
    clients = world.federation.seen_clients
    each = [
        run_rounds(method, world.model, world.params, clients, world.activations, engine=world.engine, seed=0).traffic
        for method in (CovarianceFromMeans(), NearestClassMean())
    ]
    assert each[0] == each[1]
