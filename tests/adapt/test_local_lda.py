"""A discriminant of a client's own: scikit-learn's, and what it says where classes or examples lack."""

import numpy as np
import pytest
import torch

from headstart.adapt import METHODS, LocalDiscriminant
from headstart.adapt.local_lda import solve_shrunk
from headstart.core.errors import SettingError
from headstart.models.batch import Batch
from headstart.models.model import cut_at
from headstart.models.registry import build
from headstart.models.spec import ModelSpec


class Rows:
    """A client that has these examples."""

    def __init__(self, features: np.ndarray, labels: np.ndarray) -> None:
        inputs = torch.from_numpy(features)
        self.batch = Batch(inputs, torch.from_numpy(labels), torch.ones(len(labels)))

    def everything(self, model: object) -> Batch:
        return self.batch


def scores(features: np.ndarray, labels: np.ndarray, at: np.ndarray, shrinkage: float, classes: int = 3) -> np.ndarray:
    network, weights = build(
        ModelSpec(backbone="linear"), shape=(features.shape[1],), num_classes=classes, from_scratch=True, seed=0
    )
    model, params = cut_at(network, {name: value.double() for name, value in weights.items()}, "head")
    head = LocalDiscriminant(shrinkage=shrinkage)(model, params, Rows(features, labels))  # type: ignore[arg-type]
    found: np.ndarray = at @ head["head.weight"].numpy().T + head["head.bias"].numpy()
    return found


def examples(count: int, columns: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(count)
    labels = np.arange(count) % classes
    return rng.normal(size=(classes, columns))[labels] + rng.normal(size=(count, columns)), labels


@pytest.mark.parametrize("shrinkage", [0.05, 0.5, 1.0])
@pytest.mark.parametrize("count", [9, 40])
def test_it_is_scikit_learns(count: int, shrinkage: float) -> None:
    """Also with fewer examples than features, where the inverse goes through the examples."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    features, labels = examples(count, 15)
    at = np.random.default_rng(1).normal(size=(20, 15))
    expected = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(features, labels)
    found = scores(features, labels, at, shrinkage)
    probabilities = torch.softmax(torch.from_numpy(found), -1).numpy()
    np.testing.assert_allclose(probabilities, expected.predict_proba(at), atol=1e-7)


def test_without_shrinkage_it_is_the_pseudo_inverse() -> None:
    rng = np.random.default_rng(0)
    rows, means = rng.normal(size=(4, 7)), rng.normal(size=(2, 7))
    found = solve_shrunk(torch.from_numpy(rows), torch.tensor(4.0), 0.0, torch.from_numpy(means))
    np.testing.assert_allclose(found, means @ np.linalg.pinv(rows.T @ rows / 4), atol=1e-8)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_a_class_that_the_client_lacks_is_never_predicted(scale: float) -> None:
    features, labels = examples(8, 5, classes=2)
    at = 1e3 * np.random.default_rng(1).normal(size=(200, 5))
    found = scores(scale * features, np.where(labels == 1, 2, labels), at, 0.05)
    assert np.isfinite(found).all()
    assert set(found.argmax(1)) <= {0, 2}


def test_one_example_says_its_class() -> None:
    found = scores(np.ones((1, 4)), np.array([1]), np.random.default_rng(0).normal(size=(9, 4)), 0.05)
    assert np.isfinite(found).all()
    assert set(found.argmax(1)) == {1}


def test_shrinkage_is_a_share() -> None:
    with pytest.raises(SettingError, match=r"shrinkage: .*received 1\.5"):
        METHODS["local_lda"].build({"shrinkage": 1.5})
