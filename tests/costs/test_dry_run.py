from __future__ import annotations

import pytest
import torch
from torch import Tensor

from headstart.core.trees import Params
from headstart.costs.dry_run import DummyClient, Work, dry_run
from headstart.models.model import cut_at
from headstart.models.network import Network
from headstart.training.client_data import Passes


@pytest.fixture
def passes_of_a_head(network: Network, weights: Params, raw: Tensor):
    """Do passes over a client's batches with one gradient each."""
    model, params = cut_at(network, weights, "head")

    def run(examples: int, passes: Passes) -> Work:
        def work(client: DummyClient) -> int:
            return len([model.gradient(params, batch) for batch in client.batches(model, passes)])

        return dry_run(work, raw, num_examples=examples, weights=weights)

    return run


@pytest.mark.parametrize(
    ("examples", "passes", "passed"),
    [
        (10, Passes(epochs=1, batch_size=10), 10),
        (25, Passes(epochs=4, batch_size=10), 100),
        (4, Passes(epochs=2, batch_size=10), 8),
        (25, Passes(epochs=1, batch_size=10, steps=7), 70),
    ],
)
def test_steps_that_are_not_taken_are_counted(passes_of_a_head, examples: int, passes: Passes, passed: int) -> None:
    per_example = 2 * 2 * 128 * 3
    found = passes_of_a_head(examples, passes)
    assert found.flops == passed * per_example
    assert found.result <= 2


def test_a_frozen_part_is_counted_once_per_example(passes_of_a_head) -> None:
    found = passes_of_a_head(30, Passes(epochs=5, batch_size=10))
    assert list(found.frozen_flops.values()) == [2 * 64 * 4 * 9 + 2 * 64 * 2 * 36]


def test_weights_aside_what_was_received_counts(raw: Tensor) -> None:
    weights, received = {"w": torch.zeros(1000)}, {"r": torch.zeros(500)}
    found = dry_run(lambda _: torch.zeros(250), raw, num_examples=1, weights=weights, received=received)
    assert found.peak_bytes == 4 * (500 + 250)


def test_a_client_without_examples_is_one_with_one(raw: Tensor) -> None:
    found = dry_run(lambda client: client.num_examples, raw, num_examples=0, weights={})
    assert found.result == 1
