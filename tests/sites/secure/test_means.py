"""A mean of weighed values is the mean, its weights are looked at, and no client's is more than half."""

import pytest
import torch

from headstart.core.errors import ClientError
from headstart.core.trees import add
from headstart.engine.heaviest import Heaviest
from headstart.sites.secure.means import mean_of, most_examples, too_heavy, weighed


def test_a_mean_of_capped_weights_is_the_engines() -> None:
    sizes, updates = [10, 20, 90], torch.tensor([[1.0], [3.0], [7.0]])
    most, heaviest = most_examples(sizes), Heaviest()
    heaviest.note({"w": updates}, torch.tensor(sizes, dtype=torch.float64), [0, 1, 2])  # type: ignore[arg-type]
    right = heaviest.mean({"w": (updates * torch.tensor(sizes).unsqueeze(1)).sum(0)})
    weights = [min(size, most) / most for size in sizes]
    first, second, third = (weighed({"w": u}, weight) for u, weight in zip(updates, weights, strict=True))
    found = mean_of(add(add(first, second), third), sum(weights), torch.float32)
    torch.testing.assert_close(found, right)
    assert too_heavy(dict(zip("abc", weights, strict=True))) == ""


@pytest.mark.parametrize("announced", [0.4, 2.1])
def test_weights_that_were_not_announced_are_refused(announced: float) -> None:
    with pytest.raises(ClientError, match=r"their weights must be about .* together, received 1; some site's is false"):
        mean_of(weighed({"w": torch.ones(1)}, 1.0), announced, torch.float32)


def test_two_clients_have_no_cap() -> None:
    assert most_examples([5, 90]) == 90
    assert most_examples([0, 0, 0]) == 1
