"""Texts of different lengths in one batch."""

import numpy as np
import torch

from headstart.engine.features.padding import PADDING, RaggedTensor


def test_a_batch_is_padded_to_its_longest_text() -> None:
    texts = RaggedTensor(torch.arange(6), np.array([0, 1, 4, 6]))
    assert texts[torch.tensor([0, 2])].tolist() == [[0, PADDING], [4, 5]]
    states = RaggedTensor(torch.arange(12.0).view(6, 2), texts.starts)
    assert states[[2, 0]].tolist() == [[[8, 9, 1], [10, 11, 1]], [[0, 1, 1], [0, 0, 0]]]
