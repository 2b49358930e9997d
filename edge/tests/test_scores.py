import numpy as np
import pytest

from headstart_edge.scores import is_better, scores


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_a_study(seed: int) -> None:
    metrics = pytest.importorskip("headstart.evidence.metrics")
    generator = np.random.default_rng(seed)
    labels, found = generator.integers(0, 4, size=30), generator.dirichlet(np.ones(4), size=30)
    task = pytest.importorskip("headstart.core.task").classification(tuple("abcd"))
    study = metrics.pooled_metrics(labels, found, task)
    assert scores(labels, found) == pytest.approx({name: study[name] for name in scores(labels, found)})


@pytest.mark.parametrize(
    ("metric", "old", "new", "better"),
    [
        ("accuracy", (0.5, 1.0), (0.6, 2.0), True),
        ("accuracy", (0.6, 1.0), (0.5, 0.1), False),
        ("accuracy", (0.5, 1.0), (0.5, 0.9), True),
        ("accuracy", (0.5, 1.0), (0.5, 1.0), False),
        ("log_loss", (0.5, 1.0), (0.4, 0.9), True),
        ("log_loss", (0.5, 1.0), (0.6, 1.1), False),
    ],
)
def test_a_tie_goes_to_the_lower_loss(
    metric: str, old: tuple[float, float], new: tuple[float, float], better: bool
) -> None:
    first, second = ({"accuracy": accuracy, "log_loss": loss} for accuracy, loss in (old, new))
    assert is_better(first, second, metric) == better
