import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from headstart.models import ModelSpec, build
from headstart.models.batch import Batch
from headstart.models.model import cut_at


def test_it_is_softmax_regression() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(60, 4)).astype(np.float32)
    labels = (inputs[:, 0] + rng.normal(size=60) > 0).astype(np.int64) + (inputs[:, 1] > 1)
    spec = ModelSpec(backbone="linear")
    network, weights = build(spec, shape=(4,), num_classes=3, from_scratch=True, seed=0)
    model, params = cut_at(network, weights, "head")
    fitted = LogisticRegression(C=np.inf, max_iter=2000, tol=1e-8).fit(inputs, labels)
    params = {
        "head.weight": torch.tensor(fitted.coef_, dtype=torch.float32),
        "head.bias": torch.tensor(fitted.intercept_, dtype=torch.float32),
    }
    rows = model.activations(torch.from_numpy(inputs))
    logits = model.logits(params, rows)
    np.testing.assert_allclose(logits.softmax(-1), fitted.predict_proba(inputs), atol=1e-5)
    gradient = model.gradient(params, Batch(rows, torch.from_numpy(labels), torch.ones(60)))
    assert gradient["head.weight"].abs().max() < 1e-4, "scikit-learn's optimum is ours"


def test_an_image_is_one_vector_of_pixels_in_0_to_1() -> None:
    network, weights = build(ModelSpec(backbone="linear"), shape=(3, 5, 7), num_classes=2, from_scratch=True, seed=0)
    assert network.num_features == 105
    image = torch.full((1, 3, 5, 7), 255, dtype=torch.uint8)
    assert torch.equal(cut_at(network, weights, "head")[0].activations(image), torch.ones(1, 105))
