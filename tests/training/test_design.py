import torch

from headstart.models.batch import Batch
from headstart.training.design import one_hot, present, with_intercept

BATCH = Batch(
    torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), torch.tensor([1, 0, 1]), torch.tensor([1.0, 0.5, 0.0])
)


def test_padding_is_all_zeros_and_a_weight_is_no_number_of_the_design() -> None:
    assert present(BATCH).tolist() == [[1], [1], [0]]
    assert with_intercept(BATCH).tolist() == [[1, 2, 1], [3, 4, 1], [0, 0, 0]]
    assert one_hot(BATCH, 3).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]


def test_they_are_computed_in_float64() -> None:
    assert {made.dtype for made in (present(BATCH), with_intercept(BATCH), one_hot(BATCH, 3))} == {torch.float64}
