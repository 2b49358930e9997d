import pytest
import torch

from headstart.models.batch import Batch


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([1.0, 0.0], True),
        ([0.0, 0.0], False),
        ([[1.0, 0.0], [0.0, 0.0]], [True, False]),
        ([[], []], [False, False]),
    ],
)
def test_a_batch_of_padding_is_not_active(weights: list[float], expected: object) -> None:
    weight = torch.tensor(weights)
    assert Batch(torch.zeros(*weight.shape, 3), torch.zeros_like(weight).long(), weight).active.tolist() == expected
