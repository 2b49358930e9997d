"""Texts of different lengths in one batch."""

import numpy as np
import torch

from headstart.engine.features.padding import PADDING, RaggedTensor


def test_a_batch_is_padded_to_its_longest_text() -> None:
    texts = RaggedTensor(torch.arange(6), np.array([0, 1, 4, 6]))
    assert texts[torch.tensor([0, 2])].tolist() == [[0, PADDING], [4, 5]]
    states = RaggedTensor(torch.arange(12.0).view(6, 2), texts.starts)
    assert states[[2, 0]].tolist() == [[[8, 9, 1], [10, 11, 1]], [[0, 1, 1], [0, 0, 0]]]


def test_a_cards_batches_have_few_widths(card: torch.device) -> None:
    """Multiples of 16, or that of the longest text, which no position lies beyond."""
    lengths = np.array([3, 16, 17, 40])
    texts = RaggedTensor(torch.arange(int(lengths.sum())).to(card), np.concatenate([[0], np.cumsum(lengths)]))
    assert [texts[[row]].shape[1] for row in range(4)] == [16, 16, 32, 40]
    assert texts[[0]].cpu()[0].tolist() == [0, 1, 2, *[PADDING] * 13]
